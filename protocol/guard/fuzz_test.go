package guard

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// spelled is a connection on which bytes come in parts of a size.
type spelled struct {
	net.Conn
	rest []byte
	part int
}

func (s *spelled) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.part, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}

// shown returns the bytes of a connection that the server sees.
func shown(t *testing.T, data []byte, part int) (out []byte, refused bool) {
	t.Helper()
	f := &framed{Conn: &spelled{rest: data, part: part}, headBy: time.Unix(1, 0)}
	out, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return out, f.refused.Load()
}

// FuzzFramed checks that it does not matter how bytes are cut into parts, that
// nothing is changed in front of a refusal, and that what net/http reads as a
// request can be read in one way only.
func FuzzFramed(f *testing.F) {
	for _, seed := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nGET / \n \r\n\n.GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(seed), byte(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, part byte) {
		whole, refused := shown(t, bytes.Clone(data), len(data)+1)
		parts, refusedInParts := shown(t, bytes.Clone(data), int(part)+1)
		if refused != refusedInParts || !bytes.Equal(whole, parts) {
			t.Fatalf("whole %q %t, in parts of %d %q %t", whole, refused, int(part)+1, parts, refusedInParts)
		}
		if good, _ := bytes.CutSuffix(whole, []byte("\x00\r\n\r\n")); !refused && !bytes.Equal(whole, data) || refused && !bytes.HasPrefix(data, good) {
			t.Fatalf("%q became %q", data, whole)
		}
		rest := whole
		for {
			source := bytes.NewReader(rest)
			reader := bufio.NewReader(source)
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			head := rest[:len(rest)-source.Len()-reader.Buffered()]
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return
			}
			if request.ProtoMajor != 1 {
				return // HTTP/2, or the server refuses it
			}
			checkHead(t, string(head))
			if len(request.TransferEncoding) > 0 {
				return // nothing is looked at behind it
			}
			rest = rest[len(rest)-source.Len()-reader.Buffered():]
		}
	})
}

// checkHead fails if a head could be read differently.
func checkHead(t *testing.T, head string) {
	t.Helper()
	lengths, codings := 0, 0
	for i, line := range strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
		if strings.Contains(line, "\n") || i > 0 && strings.TrimLeft(line, " \t") != line {
			t.Fatalf("line %q of %q", line, head)
		}
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		switch name {
		case "content-length":
			lengths++
		case "transfer-encoding":
			codings++
		}
	}
	if lengths+codings > 1 {
		t.Fatalf("%d lengths and %d codings in %q", lengths, codings, head)
	}
}
