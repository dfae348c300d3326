package vendor

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// ErrTooLarge says that msgpack would become more JSON than wanted.
var ErrTooLarge = errors.New("larger than the limit")

// maxElements bounds the values of one body.
const maxElements = 1 << 19

// Msgpack appends msgpack as JSON to dst, fewer than limit bytes. The scan comes first: it
// bounds depth, lengths and the number of values, and refuses extensions.
func Msgpack(dst, body []byte, limit int) ([]byte, error) {
	n, err := protocol.Scan(body, protocol.ScanLimits{Depth: 8, Elements: maxElements})
	if err == nil && n != len(body) {
		err = errors.New("byte " + strconv.Itoa(n) + ": one value wanted, more bytes follow")
	}
	if err != nil {
		return dst, fmt.Errorf("the body is not msgpack as accepted here: %w", err)
	}
	c := converter{rest: body, out: dst, limit: limit}
	c.value()
	if c.err == nil && len(c.out) >= limit {
		c.err = ErrTooLarge
	}
	return c.out, c.err
}

// converter writes scanned msgpack as JSON. It recurses as deep as the scan
// allows.
type converter struct {
	rest  []byte
	out   []byte
	limit int // of out: from there on nothing more is written
	err   error
}

func (v *converter) value() {
	if v.err != nil || len(v.out) >= v.limit {
		return
	}
	code := v.rest[0]
	v.rest = v.rest[1:]
	switch {
	case code < 0x80:
		v.out = strconv.AppendUint(v.out, uint64(code), 10)
	case code < 0x90:
		v.object(int(code & 0x0f))
	case code < 0xa0:
		v.array(int(code & 0x0f))
	case code < 0xc0:
		v.text(int(code & 0x1f))
	case code >= 0xe0:
		v.out = strconv.AppendInt(v.out, int64(int8(code)), 10)
	default:
		v.coded(code)
	}
}

func (v *converter) coded(code byte) {
	switch code {
	case 0xc0:
		v.out = append(v.out, "null"...)
	case 0xc2:
		v.out = append(v.out, "false"...)
	case 0xc3:
		v.out = append(v.out, "true"...)
	case 0xc4, 0xc5, 0xc6:
		v.binary(int(v.number(1 << (code - 0xc4))))
	case 0xca:
		v.float(float64(math.Float32frombits(uint32(v.number(4)))), 32)
	case 0xcb:
		v.float(math.Float64frombits(v.number(8)), 64)
	case 0xcc, 0xcd, 0xce, 0xcf:
		v.out = strconv.AppendUint(v.out, v.number(1<<(code-0xcc)), 10)
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (code - 0xd0)
		shift := 64 - 8*size
		v.out = strconv.AppendInt(v.out, int64(v.number(size)<<shift)>>shift, 10)
	case 0xd9, 0xda, 0xdb:
		v.text(int(v.number(1 << (code - 0xd9))))
	case 0xdc, 0xdd:
		v.array(int(v.number(2 << (code - 0xdc))))
	case 0xde, 0xdf:
		v.object(int(v.number(2 << (code - 0xde))))
	}
}

func (v *converter) number(size int) uint64 {
	var b [8]byte
	copy(b[8-size:], v.rest[:size])
	v.rest = v.rest[size:]
	return binary.BigEndian.Uint64(b[:])
}

func (v *converter) float(f float64, size int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		v.out = append(v.out, "1e999"...) // no number of JSON either: a fault of its event
		return
	}
	v.out = strconv.AppendFloat(v.out, f, 'g', -1, size)
}

func (v *converter) array(n int) {
	v.out = append(v.out, '[')
	for i := range n {
		if i > 0 {
			v.out = append(v.out, ',')
		}
		v.value()
	}
	v.out = append(v.out, ']')
}

func (v *converter) object(n int) {
	v.out = append(v.out, '{')
	for i := range n {
		if i > 0 {
			v.out = append(v.out, ',')
		}
		if v.err != nil || len(v.out) >= v.limit {
			return
		}
		if code := v.rest[0]; code < 0xa0 || code >= 0xc0 && code < 0xd9 || code > 0xdb {
			v.err = errors.New("the keys of a map must be strings")
			return
		}
		v.value()
		v.out = append(v.out, ':')
		v.value()
	}
	v.out = append(v.out, '}')
}

// text writes a string as it is. Bytes that are not UTF-8 stay so, for parse to
// find.
func (v *converter) text(n int) {
	v.out = document.AppendString(v.out, v.rest[:n])
	v.rest = v.rest[n:]
}

func (v *converter) binary(n int) {
	v.out = append(v.out, '"')
	v.out = base64.StdEncoding.AppendEncode(v.out, v.rest[:n])
	v.out = append(v.out, '"')
	v.rest = v.rest[n:]
}
