package attack

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// raw sends bytes to an HTTP server as they are and reads the answers until the
// server closes or is silent. It returns the statuses, and whether it closed.
func (s *suite) raw(base, text string) (statuses []int, closed bool) {
	s.Helper()
	s.count(1)
	u, err := url.Parse(base)
	if err != nil {
		s.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, true // it refused before all was sent
	}
	reader := bufio.NewReader(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			s.Fatal(err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			timeout, ok := err.(net.Error)
			return statuses, !ok || !timeout.Timeout()
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return statuses, true
		}
		resp.Body.Close()
		(&answer{suite: s, what: fmt.Sprintf("raw %.60q", text), status: resp.StatusCode, header: resp.Header, body: body}).judge()
		statuses = append(statuses, resp.StatusCode)
	}
}
