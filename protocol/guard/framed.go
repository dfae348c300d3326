package guard

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Framed makes a listener whose connections refuse, in plain HTTP/1, what
// servers in a row read differently: header lines that end in LF alone or are
// folded, more than one Content-Length, one that is no number, and a
// Transfer-Encoding beside it, twice, or in HTTP/1.0. RFC 9112, sections 2.2,
// 5.2 and 6. net/http takes most of these for something. It is shown a
// character in their place that it refuses with 400, and then the end.
//
// The head of a connection's first request has to be there within patience,
// however its bytes are spread.
//
// HTTP/2 passes, and so does all that comes after chunks: the server has to
// answer such a request with "Connection: close".
func Framed(l net.Listener, patience time.Duration) net.Listener {
	return framedListener{l, patience}
}

type framedListener struct {
	net.Listener
	patience time.Duration
}

func (l framedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framed{Conn: conn, headBy: time.Now().Add(l.patience)}, nil
}

// reading is the part of a request in which a connection stands.
type reading byte

const (
	head  reading = iota
	body          // of a known length
	blind         // nothing of it is looked at
	over          // refused
)

// keptBytes of a line are enough to know it by.
const keptBytes = 64

// How long, and for how much, a refused connection stays open.
const (
	lingering   = 250 * time.Millisecond
	lingerBytes = 64 << 10
)

const oldVersion = " HTTP/1.0"

// framed follows the bytes of a connection. net/http reads it from one
// goroutine at a time.
type framed struct {
	net.Conn
	headBy time.Time // zero once the first head was there

	reading reading
	lines   int // of this head, so far
	line    [keptBytes]byte
	tail    [len(oldVersion) + 1]byte // of the line so far, with its CR
	length  int                       // of the line so far
	old     bool                      // HTTP/1.0
	lengths int                       // Content-Length lines
	codings int                       // Transfer-Encoding lines
	left    int64
	refusal []byte      // still to be shown
	refused atomic.Bool // for whoever closes
}

// CloseWrite lets net/http end an answer before the connection.
func (f *framed) CloseWrite() error {
	if half, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close lets the other side read why it was refused: closing with bytes unread
// would take the answer back.
func (f *framed) Close() error {
	if f.refused.Load() && f.CloseWrite() == nil {
		_ = f.Conn.SetReadDeadline(time.Now().Add(lingering))
		_, _ = io.CopyN(io.Discard, f.Conn, lingerBytes)
	}
	return f.Conn.Close()
}

// SetReadDeadline keeps the first head's deadline.
func (f *framed) SetReadDeadline(t time.Time) error {
	// A deadline in the past is how net/http wakes its own reader.
	if !f.headBy.IsZero() && (t.IsZero() || t.After(f.headBy)) {
		t = f.headBy
	}
	return f.Conn.SetReadDeadline(t)
}

func (f *framed) Read(p []byte) (int, error) {
	if f.reading == over {
		n := copy(p, f.refusal)
		f.refusal = f.refusal[n:]
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	n, err := f.Conn.Read(p)
	good := f.follow(p[:n])
	if good == n {
		return n, err
	}
	// NUL is allowed nowhere in a head, and is in the middle of one.
	f.reading, f.refusal = over, []byte("\x00\r\n\r\n")
	f.refused.Store(true)
	if good > 0 {
		return good, nil
	}
	return f.Read(p)
}

// follow goes on over bytes that came, and returns how many of them are good.
func (f *framed) follow(p []byte) int {
	good := 0
	for good < len(p) {
		switch f.reading {
		case body:
			n := min(int64(len(p)-good), f.left)
			f.left -= n
			good += int(n)
			if f.left == 0 {
				f.reading = head
			}
		case head:
			end := bytes.IndexByte(p[good:], '\n')
			if end < 0 {
				f.keep(p[good:])
				return len(p)
			}
			f.keep(p[good : good+end])
			if !f.ended() {
				return good + end
			}
			good += end + 1
		default:
			return len(p)
		}
	}
	return good
}

// keep remembers the beginning of a line and its end.
func (f *framed) keep(part []byte) {
	if f.length < keptBytes {
		copy(f.line[f.length:], part)
	}
	f.length += len(part)
	if n := len(f.tail); len(part) >= n {
		copy(f.tail[:], part[len(part)-n:])
	} else {
		copy(f.tail[:], f.tail[len(part):])
		copy(f.tail[n-len(part):], part)
	}
}

// ended judges a line at its LF.
func (f *framed) ended() bool {
	if f.length == 0 || f.tail[len(f.tail)-1] != '\r' {
		return false
	}
	whole := f.length <= keptBytes
	line := f.line[:min(f.length, keptBytes)]
	if whole {
		line = line[:f.length-1]
	}
	first, empty := f.lines == 0, f.length == 1
	f.lines++
	f.length = 0
	switch {
	case first && empty:
		return false
	case first && string(line) == "PRI * HTTP/2.0":
		f.headWas()
		f.reading = blind
		return true
	case first:
		f.old = string(f.tail[:len(oldVersion)]) == oldVersion
		return true
	case empty:
		return f.headEnded()
	case line[0] == ' ' || line[0] == '\t':
		return false
	}
	return f.header(line, whole)
}

// header takes notice of the two lines that say how long a body is.
func (f *framed) header(line []byte, whole bool) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return true // net/http refuses it, or it is longer than any that matters
	}
	switch name := line[:colon]; {
	case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
		f.lengths++
		length, err := strconv.ParseUint(strings.Trim(string(line[colon+1:]), " \t"), 10, 63)
		f.left = int64(length)
		return err == nil && whole && f.lengths == 1
	case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.codings++
		return f.codings == 1
	}
	return true
}

// headWas takes the first head's deadline away.
func (f *framed) headWas() {
	if !f.headBy.IsZero() { // else another goroutine may be reading it
		f.headBy = time.Time{}
	}
}

// headEnded decides how the bytes after a head are read.
func (f *framed) headEnded() bool {
	f.headWas()
	lengths, codings, old := f.lengths, f.codings, f.old
	f.lines, f.lengths, f.codings, f.old = 0, 0, 0, false
	switch {
	case codings > 0 && (lengths > 0 || old):
		return false
	case codings > 0:
		f.reading = blind
	case f.left > 0:
		f.reading = body
	}
	return true
}
