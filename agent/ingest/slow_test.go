package ingest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Clients that never finish their headers are cut off while others are served.
func TestTwoThousandSlowConnectionsDoNotHoldTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, l := newDoor(t, func(o *Options) { o.Now = nil }), newPipes()
		stop := start(t, d, l)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 2000 {
			conn := l.dial()
			wg.Go(func() { drip(t, conn, begin) })
		}
		for range 8 {
			asked := time.Now()
			if code := honest(t, l.dial()); code != 200 || time.Since(asked) > 50*time.Millisecond {
				t.Errorf("an honest client got %d after %s", code, time.Since(asked))
			}
			time.Sleep(time.Second)
		}
		wg.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// drip sends a byte of a header a second until the server closes. It runs in a
// bubble.
func drip(t *testing.T, conn net.Conn, begin time.Time) {
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := io.WriteString(conn, "POST /v1/batch HTTP/1.1\r\nX: ")
		for err == nil {
			time.Sleep(time.Second)
			_, err = io.WriteString(conn, "x")
		}
	})
	_, _ = io.Copy(io.Discard, conn)
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("closed after %s", took)
	}
	_ = conn.Close()
	wg.Wait()
}

func honest(t *testing.T, conn net.Conn) int {
	defer conn.Close()
	code, _ := talk(t, conn, fmt.Sprintf("POST /v1/track HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", clientKey, len(track), track))
	return code
}

// talk sends raw bytes and returns the first answer, and whether the connection
// stays open for another request.
func talk(t *testing.T, conn net.Conn, request string) (code int, open bool) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.WriteString(conn, request) })
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return 0, false
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = conn.Close()
	wg.Wait()
	return answer.StatusCode, !answer.Close
}

// Bytes that one server reads as one request and another as two could carry a
// request past whatever stands in front of this one. net/http refuses most of
// them, and package guard the rest. After chunks the connection ends, so that
// nothing can be hidden behind a length where TLS keeps that package from
// looking.
func TestAmbiguousRequests(t *testing.T) {
	head := "POST /v1/track HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + clientKey + "\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(track), track)
	for name, c := range map[string]struct {
		request string
		code    int
	}{
		"two lengths":             {head + fmt.Sprintf("Content-Length: %d\r\nContent-Length: 1\r\n\r\n%s", len(track), track), 400},
		"a length that is signed": {head + fmt.Sprintf("Content-Length: +%d\r\n\r\n%s", len(track), track), 400},
		"two transfer encodings":  {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked, 400},
		"an unknown encoding":     {head + "Transfer-Encoding: xchunked\r\n\r\n" + chunked, 501},
		"a space before a colon":  {head + fmt.Sprintf("Content-Length : %d\r\n\r\n%s", len(track), track), 400},
		"a folded header":         {head + fmt.Sprintf("X: a\r\n b\r\nContent-Length: %d\r\n\r\n%s", len(track), track), 400},
		"no host":                 {"GET /c/x HTTP/1.1\r\n\r\n", 400},
		"chunks and a length":     {head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, 400},
		"bare line feeds":         {strings.ReplaceAll(head, "\r\n", "\n") + fmt.Sprintf("Content-Length: %d\n\n%s", len(track), track), 400},
		"bare line feed in chunk": {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Replace(chunked, "\r\n", "\n", 1), 400},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, l := newDoor(t), newPipes()
				stop := start(t, d, l)
				code, open := talk(t, l.dial(), c.request)
				if chunks := strings.Contains(c.request, "chunked"); code != c.code || chunks && open {
					t.Errorf("%d (stays open: %v), want %d", code, open, c.code)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				if n := len(d.buffer.taken()); (n == 1) != (c.code == 200) || n > 1 {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}
