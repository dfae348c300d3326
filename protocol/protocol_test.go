package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

var update = flag.Bool("update", false, "rewrite the golden byte vectors")

// full has a distinct value in every field, so that a swapped pair shows.
func full() Event {
	return Event{App: "app_1", ID: "m-1", Kind: KindTrack, Name: "Order Completed", Original: 1_760_000_000_000,
		Time: 1_760_000_000_250, Received: 1_760_000_001_000, Digest: 0xfedcba9876543210, UserID: "u", AnonymousID: "an",
		DeviceID: "d", GAID: "ga", IDFA: "fa", IDFV: "fv", OAID: "oa", PreviousID: "p", GroupID: "g", ClickID: "c",
		Referrer: "r", MediaSource: "ms", Medium: "cpc", Campaign: "spring", AdSet: "as", Ad: "ad", Keyword: "kw",
		Sub: [5]string{"1", "2", "3", "4", "5"}, LinkID: "l", Cost: 12_500, CostCurrency: "USD", Revenue: -140_000_000,
		Currency: "EUR", Flags: FlagHasRevenue | FlagTrusted, Consent: Consent(0).With(PurposeAds, ConsentDenied),
		IP: "203.0.113.7", UserAgent: "ua", Country: "DE", Payload: []byte(`{"type":"track"}`),
		OrderID: "o-1", Network: "google", Stated: StatedByNetwork, Warnings: WarnCurrencyUnknown | WarnIDIgnored, Key: "0123456789ab"}
}

func encode(events ...Event) []byte {
	raw := AppendEvents(nil, len(events))
	for i := range events {
		raw = AppendEvent(raw, &events[i])
	}
	return raw
}

func TestEventsSurviveTheWire(t *testing.T) {
	want := []Event{full(), {App: "a", ID: "b", Kind: KindPage, Payload: []byte("{}")}, full()}
	want[2].Payload = bytes.Repeat([]byte("x"), 70_000)
	want[2].Name = strings.Repeat("é", 300)
	got, err := DecodeEvents(encode(want...))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The library and our encoder must read the bytes alike.
func TestEncodingIsMsgpack(t *testing.T) {
	var fields []any
	if err := msgpack.Unmarshal(encode(full()), &fields); err != nil {
		t.Fatal(err)
	}
	event := fields[0].([]any)
	if len(event) != eventFields || event[3] != "Order Completed" || event[33] != int64(-140_000_000) {
		t.Errorf("the library reads %v", event)
	}
}

func TestReaderSkipsFieldsOfANewerMinor(t *testing.T) {
	e := full()
	raw := AppendEvents(nil, 1)
	one := AppendEvent(nil, &e)
	one[2] = eventFields + 2 // two more fields than this version knows
	raw = append(append(append(raw, one...), 0xa3, 'n', 'e', 'w'), 0x07)
	got, err := DecodeEvents(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got[0], e) {
		t.Errorf("got %+v", got[0])
	}
}

// An agent of a version before has no fields behind the payload.
func TestReaderTakesFewerFieldsOfAnOlderMinor(t *testing.T) {
	e := full()
	e.OrderID, e.Network, e.Stated, e.Warnings, e.Key = "", "", 0, 0, ""
	one := AppendEvent(nil, &e)
	one[2] = eventFields - 5
	got, err := DecodeEvents(append(AppendEvents(nil, 1), one[:len(one)-5]...))
	if err != nil || !reflect.DeepEqual(got[0], e) {
		t.Errorf("%v: got %+v", err, got)
	}
}

func TestWarningsHaveNames(t *testing.T) {
	if all := (warningsEnd - 1).Codes(); len(all) != len(WarningCodes()) {
		t.Errorf("%d warnings have %d names", len(WarningCodes()), len(all))
	}
	if got := (WarnTimeClamped | WarnFieldIgnored).Codes(); !reflect.DeepEqual(got, []string{"time_clamped", "field_ignored"}) {
		t.Errorf("got %v", got)
	}
}

func TestScanRefusesBombs(t *testing.T) {
	for name, in := range map[string]string{
		"array of 2^32-1":          "ddffffffff",
		"map of 2^32-1":            "dfffffffff",
		"string of 2^32-1":         "dbffffffff",
		"bytes of 2^32-1":          "c6ffffffff",
		"array over its bytes":     "dc0100" + strings.Repeat("c0", 10),
		"nested nine deep":         strings.Repeat("91", 9) + "c0",
		"extension":                "d40100",
		"extension of 4 GiB":       "c9ffffffff01",
		"reserved code":            "c1",
		"nothing":                  "",
		"cut in a head":            "cd01",
		"cut in a string":          "a5616263",
		"timestamp extension":      "d6ff00000000",
		"array cut in its element": "92a161",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Scan(b, ScanLimits{Depth: maxDepth, Elements: 1 << 20}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScanBoundsTheNumberOfValues(t *testing.T) {
	b := append([]byte{0xdc, 0x00, 0xc8}, bytes.Repeat([]byte{0xc0}, 200)...)
	if _, err := Scan(b, ScanLimits{Depth: 1, Elements: 201}); err != nil {
		t.Errorf("201 values within 201: %v", err)
	}
	if _, err := Scan(b, ScanLimits{Depth: 1, Elements: 200}); !errors.Is(err, ErrMalformed) {
		t.Errorf("201 values within 200: %v", err)
	}
}

func block(t testing.TB, c *Compressor, events ...Event) Block {
	t.Helper()
	raw := encode(events...)
	return Block{Epoch: 7, Seq: 9, Count: len(events), RawLen: len(raw), Codec: CodecZstd, Payload: c.Compress(nil, raw)}
}

func TestBlockSurvivesTheWire(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	want := block(t, c, full(), full())
	data := AppendBlock(nil, &want)
	got, err := ReadBlock(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseBlock(data)
	if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(parsed, want) {
		t.Fatalf("%v: got %+v and %+v, want %+v", err, got, parsed, want)
	}
	events, err := c.Events(&got)
	if err != nil || len(events) != 2 || !reflect.DeepEqual(events[1], full()) {
		t.Errorf("%v: %+v", err, events)
	}
}

func TestEveryFlippedBitOfABlockIsSeen(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	b := block(t, c, full())
	data := AppendBlock(nil, &b)
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if _, err := ReadBlock(bytes.NewReader(data)); err == nil {
				t.Fatalf("bit %d of byte %d flipped and not seen", bit, i)
			}
			data[i] ^= 1 << bit
		}
	}
}

func TestBlockThatInflatesBeyondItsHeaderIsRefused(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	bomb := c.Compress(nil, make([]byte, 64<<20))
	for _, raw := range []int{100, MaxBlockRaw} {
		b := Block{Epoch: 1, Seq: 1, Count: 1, RawLen: raw, Codec: CodecZstd, Payload: bomb}
		if _, err := c.Events(&b); !errors.Is(err, ErrMalformed) {
			t.Errorf("64 MiB in a block that declares %d bytes: %v", raw, err)
		}
	}
}

func TestFastBlockSurvivesTheWire(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	raw := encode(full(), full(), full())
	b := Block{Epoch: 7, Seq: 9, Count: 3, RawLen: len(raw), Codec: CodecS2, Payload: c.CompressFast(nil, raw)}
	if len(b.Payload) > len(raw)/2 {
		t.Errorf("%d bytes of %d", len(b.Payload), len(raw))
	}
	got, err := ParseBlock(AppendBlock(nil, &b))
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.Events(&got)
	if err != nil || !reflect.DeepEqual(events, []Event{full(), full(), full()}) {
		t.Fatalf("%+v: %v", events, err)
	}
}

func TestFastBlockThatDeclaresAnotherLengthIsRefused(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	payload := c.CompressFast(nil, make([]byte, MaxBlockRaw))
	for _, b := range []Block{
		{Epoch: 1, Seq: 1, Count: 1, RawLen: 100, Codec: CodecS2, Payload: payload},
		{Epoch: 1, Seq: 1, Count: 1, RawLen: MaxBlockRaw, Codec: CodecS2, Payload: payload[:len(payload)-1]},
		{Epoch: 1, Seq: 1, Count: 1, RawLen: MaxBlockRaw, Codec: CodecS2, Payload: []byte{0xff, 0xff, 0xff, 0xff, 0x0f}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := c.Events(&b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes of payload in a block that declares %d: %v", len(b.Payload), b.RawLen, err)
		}
		runtime.ReadMemStats(&after)
		if room := after.TotalAlloc - before.TotalAlloc; room > 2*MaxBlockRaw {
			t.Errorf("room for %d bytes was made in a block that declares %d", room, b.RawLen)
		}
	}
	b := Block{Epoch: 1, Seq: 1, Count: 1, RawLen: 5, Codec: CodecS2 + 1, Payload: payload}
	if _, err := ParseBlock(AppendBlock(nil, &b)); !errors.Is(err, ErrMalformed) {
		t.Errorf("unknown codec: %v", err)
	}
}

// literal is the S2 form of raw, as long as raw, that every encoder could give.
func literal(raw []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(raw)))
	out = append(out, 61<<2, byte(len(raw)-1), byte((len(raw)-1)>>8))
	return append(out, raw...)
}

func TestMessagesSurviveTheWire(t *testing.T) {
	for _, want := range messages() {
		var b bytes.Buffer
		if err := WriteMessage(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadMessage(&b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}

func TestUnknownMessageIsSkippedAndOtherMajorRefused(t *testing.T) {
	if m, err := ReadMessage(bytes.NewReader([]byte{0, 0, 0, 1, Version, 250, 0xc0})); m != nil || err != nil {
		t.Errorf("unknown type: %v, %v", m, err)
	}
	if _, err := ReadMessage(bytes.NewReader([]byte{0, 0, 0, 1, Version + 1, 3, 0xc0})); !errors.Is(err, ErrVersion) {
		t.Errorf("other major: %v", err)
	}
	if _, err := ReadMessage(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, Version, 3})); !errors.Is(err, ErrMalformed) {
		t.Errorf("4 GiB message: %v", err)
	}
}

func messages() []Message {
	return []Message{
		&Hello{Version: 1, Software: "1.0.0", Region: "eu", Zone: "a", Epoch: 1 << 63, FirstSeq: 1, NextSeq: 5, Chain: 3, Generation: 2},
		&Welcome{Version: 1, Node: "n1", Software: "1.0.0", Agent: "a1", Time: 1_760_000_000_000, Window: 16,
			Members: []Member{{ID: "n1", Address: "127.0.0.1:7443", Region: "eu"}}},
		&Ack{Epoch: 1 << 63, Seq: 4, Status: StatusQuarantined, Rejected: []Reject{{Index: 3, Reason: "bad"}}},
		&Ack{Epoch: 1, Seq: 5, Status: StatusRetry, RetryAfter: 1000, Reason: "busy"},
		&Settings{Generation: 2, Apps: []App{{ID: "app_1", Name: "Demo"}}, Keys: []Key{{Hash: bytes.Repeat([]byte{7}, 32), App: "app_1", Kind: KeyServer}},
			Links: []Link{{ID: "l1", Slug: "s", App: "app_1", MediaSource: "google", Stores: map[string]string{"ios": "https://apps.example/1"}, Fallback: "https://example.com"}}},
		&Heartbeat{QueuedEvents: 1, DiskQuota: 2, Clock: 3, State: "running"},
		&Members{Members: []Member{{ID: "n2", Address: "127.0.0.1:7444", Draining: true}}},
		&Goodbye{Code: "draining", Reason: "this node is stopping"},
		&Renew{CSR: []byte{1, 2}},
		&Enroll{Version: 1, Secret: "s", CSR: []byte{3}},
		&Enrolled{Agent: "a1", Name: "edge", Region: "eu", Certificate: []byte{4}, Authority: []byte{5}},
		&Replay{Since: 9},
		&Replayed{ID: "r", Blocks: 2, Events: 3, MissingBlocks: 1, MissingEvents: 4, MissingFrom: 5, MissingUntil: 6},
	}
}

// The golden vectors are the contract with other implementations.
func TestGoldenVectors(t *testing.T) {
	var b strings.Builder
	for _, m := range messages() {
		frame, err := AppendMessage(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.TrimPrefix(reflect.TypeOf(m).String(), "*protocol.") + " " + hex.EncodeToString(frame) + "\n")
	}
	e := full()
	raw := encode(e)
	b.WriteString("Event " + hex.EncodeToString(AppendEvent(nil, &e)) + "\n")
	plain := Block{Epoch: 0x0102030405060708, Seq: 42, Count: 1, RawLen: len(raw), Codec: CodecNone, Payload: raw}
	b.WriteString("Block " + hex.EncodeToString(AppendBlock(nil, &plain)) + "\n")
	fast := Block{Epoch: 0x0102030405060708, Seq: 43, Count: 1, RawLen: len(raw), Codec: CodecS2, Payload: literal(raw)}
	b.WriteString("BlockS2 " + hex.EncodeToString(AppendBlock(nil, &fast)) + "\n")
	if c, err := NewCompressor(); err != nil {
		t.Fatal(err)
	} else if got, err := c.Raw(&fast); err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("S2 vector: %v", err)
	}
	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the bytes on the wire changed; if that is meant, it is a new version\ngot:\n%s", b.String())
	}
}
