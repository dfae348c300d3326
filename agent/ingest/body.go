package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
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
		return c.bodyProblem(errTooLarge)
	}
	c.raw = c.h.wires.Get().(*wire)
	var err error
	c.raw.bytes, err = c.fill(c.raw.bytes[:0], c.r.Body, limit, int(c.r.ContentLength))
	c.h.metrics.wireBytes.Add(float64(len(c.raw.bytes)))
	if err != nil {
		return c.bodyProblem(err)
	}
	c.compute()
	encoding := c.r.Header.Get("Content-Encoding")
	if err := c.decode(strings.ToLower(strings.TrimSpace(encoding))); err != nil {
		return c.bodyProblem(err)
	}
	if over := len(c.body) > ratioFloor && len(c.body) > c.h.Limits.Ratio*len(c.raw.bytes); over {
		return c.bodyProblem(errTooLarge)
	}
	c.h.metrics.bodyBytes.Add(float64(len(c.body)))
	if isMsgpack(c.r.Header.Get("Content-Type"), c.body) {
		return c.fromMsgpack()
	}
	return nil
}

// decode uncompresses c.raw.bytes into c.body.
func (c *call) decode(encoding string) error {
	limit := min(c.h.Limits.BodyBytes, max(ratioFloor, c.h.Limits.Ratio*len(c.raw.bytes)))
	var err error
	switch encoding {
	case "", "identity":
		c.raw.bytes, c.body = c.body[:0], c.raw.bytes
	case "gzip", "x-gzip":
		if c.gzip == nil {
			c.gzip = new(gzip.Reader)
		}
		if err = c.gzip.Reset(bytes.NewReader(c.raw.bytes)); err != nil {
			return err
		}
		size := c.gzipSize()
		if size > limit && size/maxDeflate <= len(c.raw.bytes) { // else it is cut off or no size
			return errTooLarge
		}
		c.body, err = c.fill(c.body[:0], c.gzip, limit, min(size, limit))
	case "br":
		if err = checkBrotliWindow(c.raw.bytes); err != nil {
			return err
		}
		if c.brotli == nil {
			c.brotli = brotli.NewReader(nil)
		}
		if err = c.brotli.Reset(bytes.NewReader(c.raw.bytes)); err == nil {
			c.body, err = c.fill(c.body[:0], c.brotli, limit, min(usualRatio*len(c.raw.bytes), limit))
		}
	case "zstd":
		err = c.decodeZstd(limit)
	default:
		return errUnsupported
	}
	return err
}

const (
	usualRatio = 8    // what JSON shrinks by
	maxDeflate = 1032 // what anything does at most in gzip
)

// gzipSize is what the end of the stream says of its length: more than that may
// come, of several members, but not less. RFC 1952, section 2.3.1.
func (c *call) gzipSize() int {
	if n := len(c.raw.bytes); n >= 4 {
		return int(binary.LittleEndian.Uint32(c.raw.bytes[n-4:]))
	}
	return 0
}

// decodeZstd reads a stream, not all at once: only so is what comes out bounded
// while it comes out. The decoders are shared, as each holds a window.
func (c *call) decodeZstd(limit int) error {
	var header zstd.Header
	if err := header.Decode(c.raw.bytes); err != nil {
		return err
	}
	if header.WindowSize > uint64(c.h.Limits.BodyBytes) || header.FrameContentSize > uint64(limit) && header.HasFCS {
		return errTooLarge
	}
	if !c.reserve(int(header.WindowSize)) {
		return errBusy
	}
	decoder, ok := c.h.decoders.Get().(*zstd.Decoder)
	if !ok {
		return errBusy
	}
	defer c.h.decoders.Put(decoder)
	err := decoder.Reset(bytes.NewReader(c.raw.bytes))
	if err == nil {
		c.body, err = c.fill(c.body[:0], decoder, limit, int(header.FrameContentSize))
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

// fill reads all of r into b, up to a limit. expect is how much will probably
// come.
func (c *call) fill(b []byte, r io.Reader, limit, expect int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			var ok bool
			if b, ok = c.grow(b, max(expect+1, 4096), limit+1); !ok {
				return b, errBusy
			}
		}
		n, err := r.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		if len(b) > ratioFloor { // whoever sends that much lets others go first
			runtime.Gosched()
		}
		switch {
		case len(b) > limit:
			return b[:limit], errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// grow makes room in b: at least the given size at first, then twice as much,
// at most limit.
func (c *call) grow(b []byte, least, limit int) ([]byte, bool) {
	size := min(max(2*cap(b), least), limit)
	if !c.reserve(size - cap(b)) {
		return b, false
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	return grown, true
}

// reserve counts memory that a body needs, and refuses what would be too much
// over all requests.
func (c *call) reserve(n int) bool {
	if n <= freeBytes {
		return true
	}
	c.reserved += int64(n)
	return c.h.using.Add(int64(n)) <= int64(c.h.Limits.DecodingSize)
}

func (c *call) bodyProblem(err error) *problem {
	l := &c.h.Limits
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &late) && late.Timeout():
		return &problem{status: http.StatusRequestTimeout, code: "too_slow",
			text: "the body did not arrive within " + readTimeout.String() + "; send it again, in smaller parts"}
	case errors.Is(err, errTooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large",
			text: "a body may have " + itoa(l.WireBytes) + " bytes as sent, " + itoa(l.BodyBytes) + " uncompressed, and may grow " + itoa(l.Ratio) + "-fold; send smaller batches"}
	case errors.Is(err, errBusy):
		return &problem{status: http.StatusTooManyRequests, code: "busy", retryAfter: time.Second,
			text: "this agent is reading as many large bodies as it has memory for; send the request again later"}
	case errors.Is(err, errUnsupported):
		return &problem{status: http.StatusUnsupportedMediaType, code: "unsupported_encoding",
			text: "Content-Encoding must be one of gzip, zstd, br or identity"}
	}
	return &problem{status: http.StatusBadRequest, code: "unreadable_body",
		text: "the body could not be read as its Content-Encoding says; send it whole, or uncompressed"}
}
