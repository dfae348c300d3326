package protocol

import (
	"bytes"
	"reflect"
	"testing"
)

// Bytes that the scan accepts must decode without an error the scan could have
// found, and survive another round unchanged.
func FuzzDecodeEvents(f *testing.F) {
	f.Add(encode(full()))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x91, 0x97, 0xa0, 0xa0, 0x01, 0xa0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := DecodeEvents(raw)
		if err != nil {
			return
		}
		again, err := DecodeEvents(encode(events...))
		if err != nil {
			t.Fatalf("own encoding refused: %v", err)
		}
		if len(events) > 0 && !reflect.DeepEqual(normal(events), normal(again)) {
			t.Fatalf("changed on the way: %+v, %+v", events, again)
		}
	})
}

// normal makes empty and missing payloads equal.
func normal(events []Event) []Event {
	out := make([]Event, len(events))
	for i, e := range events {
		if len(e.Payload) == 0 {
			e.Payload = nil
		}
		out[i] = e
	}
	return out
}

func FuzzReadBlock(f *testing.F) {
	c, err := NewCompressor()
	if err != nil {
		f.Fatal(err)
	}
	b := block(f, c, full())
	f.Add(AppendBlock(nil, &b))
	raw := encode(full())
	f.Add(AppendBlock(nil, &Block{Epoch: 7, Seq: 9, Count: 1, RawLen: len(raw), Codec: CodecS2, Payload: c.CompressFast(nil, raw)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadBlock(bytes.NewReader(data))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(data, AppendBlock(nil, &got)[:8]) {
			t.Fatal("accepted a header it does not write")
		}
		_, _ = c.Events(&got)
	})
}

func FuzzReadMessage(f *testing.F) {
	for _, m := range messages() {
		frame, err := AppendMessage(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMessage(bytes.NewReader(data))
		if err != nil || m == nil {
			return
		}
		if err := WriteMessage(&bytes.Buffer{}, m); err != nil {
			t.Fatalf("decoded %T does not encode: %v", m, err)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{0x81, 0xa1, 'a', 0x93, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Scan(b, ScanLimits{Depth: maxDepth, Elements: 1 << 16})
		if err == nil && (n < 1 || n > len(b)) {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	e := full()
	e.Payload = bytes.Repeat([]byte("p"), 300)
	dst := make([]byte, 0, 1<<10)
	for b.Loop() {
		dst = AppendEvent(dst[:0], &e)
	}
}

func BenchmarkDecodeEvents(b *testing.B) {
	e := full()
	e.Payload = bytes.Repeat([]byte("p"), 300)
	events := make([]Event, 1000)
	for i := range events {
		events[i] = e
	}
	raw := encode(events...)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := DecodeEvents(raw); err != nil {
			b.Fatal(err)
		}
	}
}
