package guard

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve starts a server behind the guard that says how long each body was.
func serve(t testing.TB, patience time.Duration) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	server.Listener = Framed(server.Listener, patience)
	server.Config.ReadHeaderTimeout = time.Minute
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// ask sends bytes in parts of a size and returns the statuses of the answers.
func ask(t *testing.T, address, text string, part int) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for rest := text; rest != ""; {
		n := min(part, len(rest))
		if _, err := io.WriteString(conn, rest[:n]); err != nil {
			break // it has answered already
		}
		rest = rest[n:]
	}
	if half, ok := conn.(*net.TCPConn); ok {
		_ = half.CloseWrite() // it may be closed already
	}
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return statuses
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses
		}
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
}

// Whatever is cut into pieces however, honest requests pass and doubtful ones
// are answered with 400, also behind honest ones.
func TestFramedRefusesWhatTwoServersReadDifferently(t *testing.T) {
	address := serve(t, time.Minute)
	long := "GET /" + strings.Repeat("x", 300)
	const good = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nGET / \n \r\n\n."
	honest := map[string]string{
		"no body": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "body": good, "case": "POST / HTTP/1.1\r\nhost: x\r\ncontent-LENGTH:  2 \r\n\r\n{}", "no bytes": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"chunks": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "old": "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
		"long line": long + " HTTP/1.1\r\nHost: x\r\nX-" + strings.Repeat("a", 100) + ": " + strings.Repeat("b", 100) + "\r\n\r\n", "like one": "GET / HTTP/1.1\r\nHost: x\r\nX-Content-Length: x\r\nContent-Lengths: x\r\n\r\n",
	}
	refused := map[string]string{
		"LF": "GET / HTTP/1.1\nHost: x\n\n", "LF in a header": "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", "LF at the end": "GET / HTTP/1.1\r\nHost: x\r\n\n", "fold": "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", "tab fold": "GET / HTTP/1.1\r\nHost: x\r\n\tb: c\r\n\r\n",
		"two lengths": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "other lengths": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\n{}x", "list": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n{}",
		"sign": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}", "far": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:" + strings.Repeat(" ", 100) + "2\r\n\r\n{}", "empty": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n{}",
		"both": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both, other way": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
		"both, far": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:" + strings.Repeat(" ", 200) + "chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", "two codings": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"old chunks": "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "old chunks, long": long + " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "nothing": "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "LF alone": "\n",
	}
	for _, part := range []int{1, 7, 100_000} {
		for name, text := range honest {
			if got := ask(t, address, text, part); len(got) != 1 || got[0] != 200 {
				t.Errorf("%s in parts of %d: %v", name, part, got)
			}
			if got := ask(t, address, good+good+text, part); len(got) != 3 || got[2] != 200 {
				t.Errorf("%s after two others in parts of %d: %v", name, part, got)
			}
		}
		for name, text := range refused {
			if got := ask(t, address, text+text, part); len(got) != 1 || got[0] != 400 {
				t.Errorf("%s in parts of %d: %v", name, part, got)
			}
			if got := ask(t, address, good+text, part); len(got) != 2 || got[0] != 200 || got[1] != 400 {
				t.Errorf("%s after another in parts of %d: %v", name, part, got)
			}
		}
	}
}

func TestFramedLetsHTTP2Pass(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Post("http://"+serve(t, time.Minute), "text/plain", strings.NewReader("a\n\nb"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
	}
}

// The first head has a deadline whatever net/http thinks of HTTP/2.
func TestFramedClosesWhoeverSendsNoHead(t *testing.T) {
	address := serve(t, 200*time.Millisecond)
	for _, text := range []string{"", "P", "GET / HTTP/1.1\r\nHost: x\r\n", strings.Repeat("P", 30)} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Logf("%v", err) // reset is closed, too
		}
		if lived := time.Since(began); lived < 100*time.Millisecond || lived > 5*time.Second {
			t.Errorf("%q lived for %v", text, lived)
		}
		_ = conn.Close()
	}
	if got := ask(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3); len(got) != 1 {
		t.Errorf("an honest request was answered %v", got)
	}
}

type endless struct {
	net.Conn
	text string
}

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

func BenchmarkFramed(b *testing.B) {
	text := "POST /v1/track HTTP/1.1\r\nHost: agent.example.com\r\nUser-Agent: analytics-node/3.1.0\r\nContent-Length: 440\r\nAccept: */*\r\nAuthorization: Basic d2tfMTIzNDU2Nzg5MDo=\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" + strings.Repeat("x", 440)
	f := &framed{Conn: endless{text: text}}
	buffer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := f.Read(buffer); n != len(text) || err != nil {
			b.Fatal(n, err)
		}
	}
}
