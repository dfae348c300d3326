package protocol

import (
	"encoding/binary"
	"fmt"
)

// ScanLimits bound what Scan accepts.
type ScanLimits struct {
	Depth    int // nested arrays and maps
	Elements int // values in all
}

// Scan walks the first msgpack value of b without allocating and returns its
// length in bytes. It refuses, before any decoder sees them, declared lengths
// that the remaining bytes cannot hold, extension types, nesting and element
// counts over the limits: what makes msgpack libraries allocate or recurse
// without bound.
func Scan(b []byte, limits ScanLimits) (int, error) {
	if limits.Depth > maxDepth {
		limits.Depth = maxDepth
	}
	var open [maxDepth]int // values still missing at each level
	depth, at, seen := 0, 0, 0
	for {
		h, err := readHead(b[at:])
		if err != nil {
			return 0, fmt.Errorf("byte %d: %w", at, err)
		}
		if seen++; seen > limits.Elements {
			return 0, fmt.Errorf("%w: more than %d values", ErrMalformed, limits.Elements)
		}
		at += h.size
		switch h.class {
		case classString, classBytes:
			if h.length > len(b)-at {
				return 0, fmt.Errorf("%w: byte %d: %d bytes declared, %d left", ErrMalformed, at, h.length, len(b)-at)
			}
			at += h.length
		case classArray, classMap:
			children := h.length
			if h.class == classMap {
				children *= 2
			}
			if children > len(b)-at {
				return 0, fmt.Errorf("%w: byte %d: %d values declared, %d bytes left", ErrMalformed, at, children, len(b)-at)
			}
			if children > 0 {
				if depth == limits.Depth {
					return 0, fmt.Errorf("%w: nested deeper than %d", ErrMalformed, limits.Depth)
				}
				open[depth] = children
				depth++
				continue
			}
		}
		for depth > 0 {
			open[depth-1]--
			if open[depth-1] > 0 {
				break
			}
			depth--
		}
		if depth == 0 {
			return at, nil
		}
	}
}

type class uint8

const (
	classNone class = iota
	classNil
	classBool
	classInt
	classFloat
	classString
	classBytes
	classArray
	classMap
)

// head is one msgpack value without its contents.
type head struct {
	class    class
	code     byte
	size     int    // bytes of the head itself
	length   int    // bytes of a string, elements of an array, pairs of a map
	value    uint64 // an integer, in two's complement when negative
	negative bool
}

// The msgpack codes 0xc0 to 0xdf: class, bytes after the code, signedness.
// Extensions (0xc7-0xc9, 0xd4-0xd8) and 0xc1 have no class and are refused.
var codes = [32]struct {
	class  class
	extra  int
	signed bool
}{
	0x00: {class: classNil}, 0x02: {class: classBool}, 0x03: {class: classBool},
	0x04: {class: classBytes, extra: 1}, 0x05: {class: classBytes, extra: 2}, 0x06: {class: classBytes, extra: 4},
	0x0a: {class: classFloat, extra: 4}, 0x0b: {class: classFloat, extra: 8},
	0x0c: {class: classInt, extra: 1}, 0x0d: {class: classInt, extra: 2}, 0x0e: {class: classInt, extra: 4}, 0x0f: {class: classInt, extra: 8},
	0x10: {class: classInt, extra: 1, signed: true}, 0x11: {class: classInt, extra: 2, signed: true},
	0x12: {class: classInt, extra: 4, signed: true}, 0x13: {class: classInt, extra: 8, signed: true},
	0x19: {class: classString, extra: 1}, 0x1a: {class: classString, extra: 2}, 0x1b: {class: classString, extra: 4},
	0x1c: {class: classArray, extra: 2}, 0x1d: {class: classArray, extra: 4},
	0x1e: {class: classMap, extra: 2}, 0x1f: {class: classMap, extra: 4},
}

func readHead(b []byte) (head, error) {
	if len(b) == 0 {
		return head{}, fmt.Errorf("%w: ends too early", ErrMalformed)
	}
	c := b[0]
	switch {
	case c < 0x80:
		return head{class: classInt, code: c, size: 1, value: uint64(c)}, nil
	case c < 0x90:
		return head{class: classMap, code: c, size: 1, length: int(c & 0x0f)}, nil
	case c < 0xa0:
		return head{class: classArray, code: c, size: 1, length: int(c & 0x0f)}, nil
	case c < 0xc0:
		return head{class: classString, code: c, size: 1, length: int(c & 0x1f)}, nil
	case c >= 0xe0:
		return head{class: classInt, code: c, size: 1, value: uint64(int64(int8(c))), negative: true}, nil
	}
	k := codes[c-0xc0]
	if k.class == classNone {
		return head{}, fmt.Errorf("%w: msgpack code 0x%02x is not allowed here", ErrMalformed, c)
	}
	if len(b) < 1+k.extra {
		return head{}, fmt.Errorf("%w: ends too early", ErrMalformed)
	}
	h := head{class: k.class, code: c, size: 1 + k.extra}
	v := bigEndian(b[1 : 1+k.extra])
	switch k.class {
	case classInt:
		h.value = v
		if k.signed {
			shift := 64 - 8*k.extra
			signed := int64(v<<shift) >> shift
			h.value, h.negative = uint64(signed), signed < 0
		}
	case classString, classBytes, classArray, classMap:
		h.length = int(v)
	}
	return h, nil
}

func bigEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
