package ingest

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"time"
)

// budget counts the memory that the bodies of one request take.
type budget struct {
	h        *Handler
	reserved int64 // bytes counted in Handler.using
}

// release gives back the bytes that were counted.
func (g *budget) release() {
	if g.reserved != 0 {
		g.h.using.Add(-g.reserved)
		g.reserved = 0
	}
}

// fill reads all of r into b, up to a limit. expect is how much will probably
// come.
func (g *budget) fill(b []byte, r io.Reader, limit, expect int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			var ok bool
			if b, ok = g.grow(b, max(expect+1, 4096), limit+1); !ok {
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
func (g *budget) grow(b []byte, least, limit int) ([]byte, bool) {
	size := min(max(2*cap(b), least), limit)
	if !g.reserve(size - cap(b)) {
		return b, false
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	return grown, true
}

// reserve counts memory that a body needs, and refuses what would be too much
// over all requests.
func (g *budget) reserve(n int) bool {
	if n <= freeBytes {
		return true
	}
	g.reserved += int64(n)
	return g.h.using.Add(int64(n)) <= int64(g.h.Limits.DecodingSize)
}

// problem refuses a body that could not be read.
func (l *Limits) problem(err error) *problem {
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &late) && late.Timeout():
		return &problem{status: http.StatusRequestTimeout, code: "too_slow",
			text: "the body did not arrive within " + readTimeout.String() + "; send it again, in smaller parts"}
	case errors.Is(err, errTooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large",
			text: "a body may have " + itoa(l.WireBytes) + " bytes as sent, " +
				itoa(l.BodyBytes) + " uncompressed, and may grow " + itoa(l.Ratio) + "-fold; send smaller batches"}
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
