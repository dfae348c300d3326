package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// Version is the major version of the protocol. Sides of different majors
// refuse each other with ErrVersion; within a major, fields are only added.
const Version = 1

// ErrVersion is wrapped when the other side speaks another major version.
var ErrVersion = errors.New("unsupported protocol version")

type frameType uint8

const (
	frameBlock     frameType = 1
	frameAck       frameType = 2
	frameHello     frameType = 3
	frameWelcome   frameType = 4
	frameSettings  frameType = 5
	frameHeartbeat frameType = 6
	frameMembers   frameType = 7
	frameGoodbye   frameType = 8
	frameRenew     frameType = 9
	frameEnroll    frameType = 10
	frameEnrolled  frameType = 11
	frameReplay    frameType = 12
	frameReplayed  frameType = 13
)

// Message is one message of a control stream or an answer to a block.
type Message interface{ frame() frameType }

// Status is the aggregator's answer to a block.
type Status uint8

// The statuses. Only StatusStored and StatusQuarantined let the agent forget.
const (
	StatusRetry       Status = 0 // not stored, or in doubt: send again, here or elsewhere
	StatusStored      Status = 1 // every event durably stored
	StatusQuarantined Status = 2 // stored but for the rejected events, which are kept in quarantine with a reason
	StatusDraining    Status = 3 // this node is stopping: send elsewhere
)

// Ack answers one block.
type Ack struct {
	Epoch      uint64   `msgpack:"e"`
	Seq        uint64   `msgpack:"s"`
	Status     Status   `msgpack:"t"`
	RetryAfter int64    `msgpack:"r,omitempty"` // milliseconds
	Rejected   []Reject `msgpack:"x,omitempty"`
	Reason     string   `msgpack:"y,omitempty"`
}

// Reject names an event of a block that was quarantined.
type Reject struct {
	Index  int    `msgpack:"i"`
	Reason string `msgpack:"r"`
}

// Hello is the agent's first message on the control stream. Who the agent is
// comes from its certificate, never from here.
type Hello struct {
	Version    int    `msgpack:"v"`
	Software   string `msgpack:"w"`
	Region     string `msgpack:"r"`
	Zone       string `msgpack:"z,omitempty"`
	Epoch      uint64 `msgpack:"e"`
	FirstSeq   uint64 `msgpack:"f"` // lowest sequence not yet acknowledged
	NextSeq    uint64 `msgpack:"n"` // sequence that the next block will get
	Chain      uint64 `msgpack:"c"` // running hash of every block written: a clone's differs
	Generation uint64 `msgpack:"g"` // of the settings that the agent holds

	Timeline uint64     `msgpack:"t,omitempty"` // of the settings that the agent holds
	History  []Position `msgpack:"h,omitempty"` // where the buffer has been, the newest last: at most MaxHistory
}

// Position is how far a buffer has come: the sequence that its next block gets,
// and the running hash of all blocks before. Of two copies of a buffer that both
// went on, neither has been where the other one is.
type Position struct {
	Next  uint64 `msgpack:"n"`
	Chain uint64 `msgpack:"c"`
}

// Welcome answers Hello.
type Welcome struct {
	Version  int      `msgpack:"v"`
	Node     string   `msgpack:"n"`
	Software string   `msgpack:"w"`
	Agent    string   `msgpack:"a"` // id that the certificate names
	Time     int64    `msgpack:"t"` // the aggregator's clock, milliseconds
	Window   int      `msgpack:"i"` // blocks that may be in flight
	Members  []Member `msgpack:"m"`

	// Known is where the core saw this buffer last, KnownFirst the lowest sequence that it
	// then had not acknowledged. A buffer that is not that far has lost its end.
	Known      *Position `msgpack:"k,omitempty"`
	KnownFirst uint64    `msgpack:"f,omitempty"`
}

// Member is one aggregator that agents may use.
type Member struct {
	ID       string `msgpack:"i"`
	Address  string `msgpack:"a"` // host:port of its QUIC listener
	Region   string `msgpack:"r,omitempty"`
	Zone     string `msgpack:"z,omitempty"`
	Draining bool   `msgpack:"d,omitempty"`
}

// Members replaces the member table that the agent holds.
type Members struct {
	Members []Member `msgpack:"m"`
}

// Heartbeat is the agent's health, sent every HeartbeatEvery.
type Heartbeat struct {
	QueuedEvents       int64  `msgpack:"q"`
	QueuedBlocks       int64  `msgpack:"b"`
	OldestEvent        int64  `msgpack:"o,omitempty"` // Received of the oldest unsent event, 0 when none
	DiskUsed           int64  `msgpack:"d"`           // bytes
	DiskQuota          int64  `msgpack:"u"`           // bytes
	Accepted           int64  `msgpack:"a"`           // events accepted since start
	Rejected           int64  `msgpack:"x"`           // events refused since start
	Lost               int64  `msgpack:"l"`           // records found damaged on disk
	Clock              int64  `msgpack:"c"`           // the agent's clock, milliseconds
	CertificateExpires int64  `msgpack:"e"`           // milliseconds
	Generation         uint64 `msgpack:"g"`           // of the settings in use
	State              string `msgpack:"s"`           // "running", "draining", "full"

	FirstSeq uint64     `msgpack:"f,omitempty"` // as in Hello, with History
	History  []Position `msgpack:"h,omitempty"`
	Timeline uint64     `msgpack:"t,omitempty"`

	ReplayID   string `msgpack:"ri,omitempty"` // the last Replay that this agent was asked for
	ReplayLeft int64  `msgpack:"rl,omitempty"` // blocks of it that are not acknowledged yet
}

// Goodbye tells why the aggregator ends a session.
type Goodbye struct {
	Code   string `msgpack:"c"` // "draining", "revoked", "version", "clone", "protocol"
	Reason string `msgpack:"r"`
}

// Renew asks for a new certificate over a session that has proven its old one.
type Renew struct {
	CSR []byte `msgpack:"c"` // DER
}

// Enroll is the only message of an enrolment session.
type Enroll struct {
	Version int    `msgpack:"v"`
	Secret  string `msgpack:"s"`
	CSR     []byte `msgpack:"c"` // DER
}

// Enrolled answers Enroll and Renew. With an error there is no certificate.
type Enrolled struct {
	Agent       string   `msgpack:"a"`
	Name        string   `msgpack:"n"`
	Region      string   `msgpack:"r"`
	Certificate []byte   `msgpack:"c"` // DER, the agent's own
	Authority   []byte   `msgpack:"u"` // DER, the CA that the agent trusts
	Members     []Member `msgpack:"m"`
	Error       string   `msgpack:"e,omitempty"`
}

// Replay asks the agent to send again the blocks that it still keeps and that
// were acknowledged at or after Since: for a ClickHouse restored from backup.
type Replay struct {
	Since int64  `msgpack:"s"`           // milliseconds
	ID    string `msgpack:"i,omitempty"` // asked for once under each id, however often it is sent
}

// Replayed answers a Replay that has an id: it counts the blocks that the agent
// sends again, and those that it no longer has.
type Replayed struct {
	ID     string `msgpack:"i"`
	Blocks int64  `msgpack:"b"` // sent again
	Events int64  `msgpack:"e"`
	// Of the blocks that were acknowledged since then and that the agent has deleted:
	MissingBlocks int64  `msgpack:"mb,omitempty"`
	MissingEvents int64  `msgpack:"me,omitempty"`
	MissingFrom   int64  `msgpack:"mf,omitempty"` // when the first and the last of them were acknowledged, milliseconds
	MissingUntil  int64  `msgpack:"mu,omitempty"`
	Unknown       bool   `msgpack:"u,omitempty"` // the agent's records do not reach back to Since: more may be missing
	Error         string `msgpack:"x,omitempty"`
}

func (*Ack) frame() frameType       { return frameAck }
func (*Hello) frame() frameType     { return frameHello }
func (*Welcome) frame() frameType   { return frameWelcome }
func (*Settings) frame() frameType  { return frameSettings }
func (*Heartbeat) frame() frameType { return frameHeartbeat }
func (*Members) frame() frameType   { return frameMembers }
func (*Goodbye) frame() frameType   { return frameGoodbye }
func (*Renew) frame() frameType     { return frameRenew }
func (*Enroll) frame() frameType    { return frameEnroll }
func (*Enrolled) frame() frameType  { return frameEnrolled }
func (*Replay) frame() frameType    { return frameReplay }
func (*Replayed) frame() frameType  { return frameReplayed }

func newMessage(t frameType) Message {
	switch t {
	case frameAck:
		return &Ack{}
	case frameHello:
		return &Hello{}
	case frameWelcome:
		return &Welcome{}
	case frameSettings:
		return &Settings{}
	case frameHeartbeat:
		return &Heartbeat{}
	case frameMembers:
		return &Members{}
	case frameGoodbye:
		return &Goodbye{}
	case frameRenew:
		return &Renew{}
	case frameEnroll:
		return &Enroll{}
	case frameEnrolled:
		return &Enrolled{}
	case frameReplay:
		return &Replay{}
	case frameReplayed:
		return &Replayed{}
	}
	return nil
}

// messageHeader is: length of the body (4 bytes), version, type.
const messageHeader = 6

// AppendMessage appends a message's frame to dst.
func AppendMessage(dst []byte, m Message) ([]byte, error) {
	body, err := msgpack.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	if limit := frameLimit(m.frame()); len(body) > limit {
		return nil, fmt.Errorf("encode %T: %d bytes, limit %d", m, len(body), limit)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	dst = append(dst, Version, byte(m.frame()))
	return append(dst, body...), nil
}

// WriteMessage writes one message in one Write.
func WriteMessage(w io.Writer, m Message) error {
	frame, err := AppendMessage(nil, m)
	if err != nil {
		return err
	}
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("write %T: %w", m, err)
	}
	return nil
}

// ReadMessage reads one message. A type that this version does not know is
// skipped and gives nil, nil: a newer side may send it.
func ReadMessage(r io.Reader) (Message, error) {
	var header [messageHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("read message header: %w", err)
	}
	length, version, kind := binary.BigEndian.Uint32(header[:]), header[4], frameType(header[5])
	if version != Version {
		return nil, fmt.Errorf("%w: message of version %d, this side speaks %d", ErrVersion, version, Version)
	}
	if limit := frameLimit(kind); length == 0 || uint64(length) > uint64(limit) {
		return nil, fmt.Errorf("%w: message type %d of %d bytes, limit %d", ErrMalformed, kind, length, limit)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	m := newMessage(kind)
	if m == nil {
		return nil, nil
	}
	return m, decodeMessage(body, m)
}

func decodeMessage(body []byte, m Message) error {
	n, err := Scan(body, ScanLimits{Depth: maxDepth, Elements: len(body)})
	if err != nil {
		return err
	}
	if n != len(body) {
		return fmt.Errorf("%w: %d bytes after a %T", ErrMalformed, len(body)-n, m)
	}
	if err := msgpack.Unmarshal(body, m); err != nil {
		return fmt.Errorf("%w: decode %T: %v", ErrMalformed, m, err)
	}
	return nil
}

func frameLimit(t frameType) int {
	if t == frameSettings {
		return MaxSettingsFrame
	}
	return MaxControlFrame
}
