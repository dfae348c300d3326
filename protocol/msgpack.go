package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The appending half of msgpack for the hot path: one branch a value and no
// allocation. Decoding of control messages is the library's; see control.go.

func appendString(dst []byte, s string) []byte {
	n := len(s)
	switch {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, s...)
}

func appendBytes(dst, b []byte) []byte {
	n := len(b)
	switch {
	case n <= math.MaxUint8:
		dst = append(dst, 0xc4, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0xc5, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xc6, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, b...)
}

func appendUint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
}

func appendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return appendUint(dst, uint64(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
}

// reader decodes scanned msgpack. s holds the same bytes as b, so strings are
// cut from it without a copy each.
type reader struct {
	b   []byte
	s   string
	at  int
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
}

// head reads the next value's head and leaves at behind it.
func (r *reader) head() head {
	if r.err != nil {
		return head{}
	}
	h, err := readHead(r.b[r.at:])
	if err != nil {
		r.err = err
		return head{}
	}
	r.at += h.size
	return h
}

// span takes the n bytes that follow a head.
func (r *reader) span(n int) (int, int) {
	from := r.at
	if n > len(r.b)-from {
		r.fail("%d bytes declared, %d left", n, len(r.b)-from)
		return 0, 0
	}
	r.at = from + n
	return from, r.at
}

func (r *reader) str() string {
	h := r.head()
	if h.class != classString && h.class != classBytes {
		r.fail("string wanted, code 0x%02x found", h.code)
		return ""
	}
	from, to := r.span(h.length)
	return r.s[from:to]
}

func (r *reader) bytes() []byte {
	h := r.head()
	if h.class != classString && h.class != classBytes {
		r.fail("bytes wanted, code 0x%02x found", h.code)
		return nil
	}
	from, to := r.span(h.length)
	return r.b[from:to:to]
}

func (r *reader) array() int {
	h := r.head()
	if h.class != classArray {
		r.fail("array wanted, code 0x%02x found", h.code)
		return 0
	}
	return h.length
}

func (r *reader) uint(limit uint64) uint64 {
	h := r.head()
	if h.class != classInt || h.negative || h.value > limit {
		r.fail("unsigned integer up to %d wanted, code 0x%02x found", limit, h.code)
		return 0
	}
	return h.value
}

func (r *reader) int() int64 {
	h := r.head()
	if h.class != classInt || !h.negative && h.value > math.MaxInt64 {
		r.fail("64-bit integer wanted, code 0x%02x found", h.code)
		return 0
	}
	return int64(h.value)
}

// skip passes over one value of a field that this version does not know.
func (r *reader) skip() {
	if r.err != nil {
		return
	}
	n, err := Scan(r.b[r.at:], ScanLimits{Depth: maxDepth, Elements: MaxBlockEvents})
	if err != nil {
		r.err = err
		return
	}
	r.at += n
}
