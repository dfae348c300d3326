package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/unmogrowp/unmogrowp/agent/vendor"
)

// freeBytes of each body are not counted against Limits.DecodingSize.
const freeBytes = 64 << 10

var (
	errTooLarge    = errors.New("larger than the limit")
	errBusy        = errors.New("too many bodies at once")
	errUnsupported = errors.New("unsupported content encoding")
)

// read leaves the body in c.body: decoded by Content-Encoding, which clients set
// right, and as JSON whatever its Content-Type, which they do not.
func (c *call) read() *problem {
	limit := c.h.Limits.WireBytes
	if c.r.ContentLength > int64(limit) {
		return c.h.Limits.problem(errTooLarge)
	}
	c.raw = c.h.wires.Get().(*wire)
	var err error
	c.budget.h = c.h
	c.raw.bytes, err = c.budget.fill(c.raw.bytes[:0], c.r.Body, limit, int(c.r.ContentLength))
	c.h.metrics.wireBytes.Add(float64(len(c.raw.bytes)))
	if err != nil {
		return c.h.Limits.problem(err)
	}
	c.compute()
	encoding := c.r.Header.Get("Content-Encoding")
	if err := c.decode(c.raw, &c.budget, strings.ToLower(strings.TrimSpace(encoding))); err != nil {
		return c.h.Limits.problem(err)
	}
	if over := len(c.body) > ratioFloor && len(c.body) > c.h.Limits.Ratio*len(c.raw.bytes); over {
		return c.h.Limits.problem(errTooLarge)
	}
	c.h.metrics.bodyBytes.Add(float64(len(c.body)))
	// A JSON object that is called msgpack by mistake starts with a brace, which in msgpack is
	// the number 123 and no body.
	if strings.Contains(c.r.Header.Get("Content-Type"), "msgpack") && len(c.body) > 0 && c.body[0] != '{' {
		return fromMsgpack(c)
	}
	return nil
}

// fromMsgpack replaces the body by the same in JSON.
func fromMsgpack(c *call) *problem {
	json, err := vendor.Msgpack(c.raw.bytes[:0], c.body, c.h.Limits.BodyBytes)
	if errors.Is(err, vendor.ErrTooLarge) {
		return c.h.Limits.problem(errTooLarge)
	}
	if err != nil {
		return &problem{status: http.StatusBadRequest, code: "malformed_msgpack", text: err.Error()}
	}
	c.raw.bytes, c.body, c.converted = c.body, json, true
	return nil
}

// decode uncompresses the bytes that were sent into the body.
func (s *scratch) decode(raw *wire, b *budget, encoding string) error {
	l := &b.h.Limits
	limit := min(l.BodyBytes, max(ratioFloor, l.Ratio*len(raw.bytes)))
	var err error
	switch encoding {
	case "", "identity":
		raw.bytes, s.body = s.body[:0], raw.bytes
	case "gzip", "x-gzip":
		if s.gzip == nil {
			s.gzip = new(gzip.Reader)
		}
		if err = s.gzip.Reset(bytes.NewReader(raw.bytes)); err != nil {
			return err
		}
		size := gzipSize(raw.bytes)
		if size > limit && size/maxDeflate <= len(raw.bytes) { // else it is cut off or no size
			return errTooLarge
		}
		s.body, err = b.fill(s.body[:0], s.gzip, limit, min(size, limit))
	case "br":
		if err = checkBrotliWindow(raw.bytes); err != nil {
			return err
		}
		if s.brotli == nil {
			s.brotli = brotli.NewReader(nil)
		}
		if err = s.brotli.Reset(bytes.NewReader(raw.bytes)); err == nil {
			s.body, err = b.fill(s.body[:0], s.brotli, limit, min(usualRatio*len(raw.bytes), limit))
		}
	case "zstd":
		err = s.decodeZstd(raw, b, limit)
	default:
		return errUnsupported
	}
	return err
}

const (
	usualRatio = 8    // what JSON shrinks by
	maxDeflate = 1032 // what anything does at most in gzip
)

// gzipSize is the length that the end of the stream states: the stream may
// yield more than that, of several members, but not less. RFC 1952, section
// 2.3.1.
func gzipSize(b []byte) int {
	if n := len(b); n >= 4 {
		return int(binary.LittleEndian.Uint32(b[n-4:]))
	}
	return 0
}

// decodeZstd reads a stream, not all at once: only so is the output bounded
// while it is made. The decoders are shared, as each holds a window.
func (s *scratch) decodeZstd(raw *wire, b *budget, limit int) error {
	var header zstd.Header
	if err := header.Decode(raw.bytes); err != nil {
		return err
	}
	if header.WindowSize > uint64(b.h.Limits.BodyBytes) || header.FrameContentSize > uint64(limit) && header.HasFCS {
		return errTooLarge
	}
	if !b.reserve(int(header.WindowSize)) {
		return errBusy
	}
	decoder, ok := b.h.decoders.Get().(*zstd.Decoder)
	if !ok {
		return errBusy
	}
	defer b.h.decoders.Put(decoder)
	err := decoder.Reset(bytes.NewReader(raw.bytes))
	if err == nil {
		s.body, err = b.fill(s.body[:0], decoder, limit, int(header.FrameContentSize))
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return errTooLarge
	}
	return err
}

// checkBrotliWindow refuses windows over 4 MiB, which the decoder would allocate
// at once. Encoders use up to that unless told otherwise. RFC 7932, section 9.1.
func checkBrotliWindow(b []byte) error {
	if len(b) == 0 || b[0]&1 == 0 {
		return nil // ends too early, or the window is 64 KiB
	}
	if n := b[0] >> 1 & 7; n != 0 && 17+n > 22 {
		return errTooLarge
	}
	return nil
}
