// Package protocol is what agents and aggregators must agree on: the event,
// the block, the control messages, their bytes and their limits. With this
// text, the limits in limits.go and the byte vectors in testdata/vectors.txt
// another implementation can be written.
//
// # Connection
//
// QUIC (RFC 9000) with TLS 1.3 under the installation's private authority; no
// 0-RTT. The aggregator's certificate is for the name ServerName. The ALPN
// "unmogrowp/1" is a session: the agent shows a client certificate whose only
// URI is spiffe://unmogrowp/agent/<id>, and that id is who it is; no message
// carries it. The ALPN "unmogrowp-enroll/1" is an enrolment: the agent has no
// certificate yet, and trusts the authority in the server's chain because its
// SHA-256 is the second half of the enrolment token. The ALPN
// "unmogrowp-renew/1" is for an agent that was cut off for longer than its
// certificate lives: it shows the expired certificate, at most RenewWithin after its
// end, sends one Renew on the first stream and reads Enrolled.
//
// # Streams
//
// The agent opens the first bidirectional stream, the control stream. It sends
// Hello and the aggregator answers Welcome. From then on the agent sends
// Heartbeat every HeartbeatEvery and Renew when a third of its certificate's
// life is over; the aggregator sends Settings and Members whenever
// they change, Replay when it wants stored blocks again, and Goodbye before it
// ends the session.
//
// Every block has a bidirectional stream of its own, opened by the agent: one
// block up, then one Ack down. At most Welcome.Window streams are open at
// once, and answers may come in any order.
//
// # Blocks
//
// A block is immutable: the agent encodes it once, keeps exactly these bytes
// on disk, and sends them as often as it takes. (epoch, seq) names it; epoch is
// a random number minted with the agent's buffer directory, seq counts from 1
// without a gap. All integers are big endian.
//
//	offset  length  field
//	0       4       magic 0x554d4731, "UMG1"
//	4       1       protocol version, 1
//	5       1       frame type, 1
//	6       1       codec: 0 none, 1 zstd (RFC 8878), 2 S2 block (extends Snappy's)
//	7       1       reserved, 0
//	8       8       epoch
//	16      8       seq
//	24      4       events in the block, 1 to MaxBlockEvents
//	28      4       bytes of the payload before compression, up to MaxBlockRaw
//	32      4       bytes of the payload, 1 to MaxBlockPayload
//	36      4       CRC-32C of bytes 0 to 35 and the payload
//	40              payload
//
// Before compression the payload is msgpack: an array of events. An event is
// an array of its fields in this order; a reader takes missing fields at the
// end as empty and skips further ones, so a minor version adds at the end:
//
//	 0 app            string      16 group_id       string      32 cost_currency  string
//	 1 id             string      17 click_id       string      33 revenue        int
//	 2 kind           uint        18 referrer       string      34 currency       string
//	 3 name           string      19 media_source   string      35 flags          uint
//	 4 original       int         20 medium         string      36 consent        uint
//	 5 time           int         21 campaign       string      37 ip             string
//	 6 received       int         22 adset          string      38 user_agent     string
//	 7 digest         uint        23 ad             string      39 country        string
//	 8 user_id        string      24 keyword        string      40 payload        bin
//	 9 anonymous_id   string      25 sub1           string      41 order_id       string
//	10 device_id      string      26 sub2           string      42 network        string
//	11 gaid           string      27 sub3           string      43 stated         uint
//	12 idfa           string      28 sub4           string      44 warnings       uint
//	13 idfv           string      29 sub5           string      45 key            string
//	14 oaid           string      30 link_id        string
//	15 previous_id    string      31 cost           int
//
// Times are milliseconds since the Unix epoch in UTC, money is millionths of
// the currency unit, payload is one JSON object. Field meanings are those of
// Event; kinds, flags and consent those of the constants beside it.
//
// # Answers
//
// StatusStored means that every event of the block lies fsynced in ClickHouse:
// the agent may forget it. StatusQuarantined means the same, but for the named
// events (or, when none is named, the whole block), which were kept in
// quarantine with a reason. StatusRetry means that nothing may be concluded:
// the agent sends the block again after RetryAfter, here or elsewhere.
// StatusDraining is a retry elsewhere. A lost answer is a retry. A stream that
// QUIC acknowledged says nothing.
//
// # Where a buffer stands
//
// Hello and Heartbeat tell where the buffer is and where it has been: the sequence
// of the next block and the running hash of all before (FNV-1a 64 over the hash
// before, the sequence and the block's CRC, 8, 8 and 4 bytes). The core keeps the
// last position of each epoch. A buffer that has passed it without having been
// there is a copy that went its own way, and is refused ("clone"). One that is
// not that far, while nobody else was heard of for a minute, has lost its end:
// Welcome.Known tells it, it counts the blocks in between as lost, except those below
// Welcome.KnownFirst, which are stored, and goes on from there.
//
// # Replays
//
// Replay asks for the events that were acknowledged since a time and are still
// kept. The agent answers Replayed, with exact counts of those that it no longer
// has, and tells in its heartbeats how many blocks are left to send.
//
// Storing is idempotent for ever: a block may be sent any number of times, to
// any aggregator, in any order.
//
// # Control messages
//
// A message is a 4-byte length of the body, the version, the frame type, and
// the body: a msgpack map with the short keys of the Go structs' tags. Unknown
// keys are ignored, unknown frame types are skipped, another major version is
// refused with a close that says so. Bodies are at most MaxControlFrame bytes,
// Settings at most MaxSettingsFrame.
//
// Whoever decodes msgpack from the network first walks it once without
// allocating (Scan): declared lengths must fit the bytes that are left, nesting
// is at most eight, extension types are refused.
package protocol
