package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

func insideAttacks() []attack {
	return []attack{
		{id: 74, run: attack74Internal, note: "aggregators call each other by gossip only, which has its own key"},
		{id: 75, run: attack75Forgery, note: "of `protocol/guard`, through which everything goes that calls an address somebody gave"},
		{id: 84, run: attack84Versions, note: "by the versions that mend what is known; `govulncheck` and `npm audit` need their databases"},
	}
}

// attack74Internal looks for a way in that was meant for aggregators only.
func attack74Internal(s *suite) {
	before := s.members()
	_, agentCert := s.agent("not-an-aggregator")
	for node, a := range s.Aggregators {
		for _, alpn := range []string{protocol.ALPN, "unmogrowp-peer/1", "unmogrowp/peer", "h3", "h2", "grpc", ""} {
			s.refusedLink("no certificate, "+alpn, node, nil, alpn)
			if alpn != protocol.ALPN {
				s.refusedLink("an agent's certificate, "+alpn, node, agentCert, alpn)
			}
		}
		// A session's first word on a connection for enrolment, which takes no certificate.
		conn, err := s.dial(node, nil, protocol.EnrollALPN)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.greet(conn, s.hello(74)); err == nil {
			s.Error("a session over the protocol of enrolment")
		}
		_ = conn.CloseWithError(0, "")
		for _, path := range []string{"/internal", "/internal/settings", "/rpc", "/cluster", "/peer", "/raft", "/gossip", "/api/internal/cluster", "/api/v1/internal", "/api/v1/cluster/members", "/api/v1/cluster/drain", "/api/v1/secrets", "/api/v1/settings", "/debug/cluster"} {
			for _, method := range []string{"GET", "POST"} {
				got := s.as("").call(a.URL, method, path, "", nil)
				if got.status == 200 && got.header.Get("Content-Type") != "text/html; charset=utf-8" {
					s.Errorf("%s %s answers %.100s", method, path, got.body)
				}
			}
		}
		s.as("").call(a.URL, "GET", "cluster", "", nil).want(401)
		for _, text := range []string{"GET /members HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x16\x03\x01\x00\x05hello", "\x00\x00\x00\x10{\"op\":\"members\"}", "\x06"} {
			s.silent(a.Gossip, text)
		}
	}
	if after := s.members(); fmt.Sprint(after) != fmt.Sprint(before) {
		s.Errorf("the members were %v and are %v", before, after)
	}
}

// silent wants that a port says nothing to a stranger.
func (s *suite) silent(address, text string) {
	s.Helper()
	s.count(1)
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return
	}
	if answer, _ := io.ReadAll(io.LimitReader(conn, 1<<16)); bytes.Contains(answer, []byte("aggregator-")) { // until the deadline
		s.Errorf("%s says %.100q to %.20q", address, answer, text)
	}
}

// trap is a listener of this machine that counts who comes.
func (s *suite) trap(address string, caught *atomic.Int64) bool {
	s.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.Logf("no trap at %s: %v", address, err) // as where there is no IPv6, or no right to port 443
		return false
	}
	s.background(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			caught.Add(1)
			_ = conn.Close()
		}
	})
	s.closing(l)
	return true
}

// attack75Forgery asks the guard for everything inside, by every name of it.
// Whatever gets through is caught by listeners of this machine.
func attack75Forgery(s *suite) {
	var caught atomic.Int64
	traps := 0
	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "127.75.0.1:443", "127.75.0.1:22", "127.75.0.1:8443", "127.75.0.1:80"} {
		if s.trap(address, &caught) {
			traps++
		}
	}
	if traps == 0 {
		s.Skip("no port can be listened on")
	}
	var asked atomic.Int64
	g := guard.NewOutgoing(guard.Options{Timeout: 2 * time.Second, Resolver: s.liar(&asked)})
	defer g.CloseIdleConnections()
	client := g.Client()
	if err := g.Check("https://rebinding.test/"); err != nil {
		s.Error(err) // a form has nothing against it: it leads inside only when it is called
	}
	for _, target := range forgedTargets() {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			s.count(1)
			req, err := http.NewRequestWithContext(s.Context(), method, target, nil)
			if err != nil {
				continue // not even a URL
			}
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
				s.Errorf("%s %s: status %d", method, target, resp.StatusCode)
				continue
			}
			var why *guard.RefusedError
			if !errors.As(err, &why) {
				s.Errorf("%s %s: %v, want a refusal", method, target, err)
			}
		}
	}
	if n := caught.Load(); n != 0 {
		s.Errorf("%d connections came to listeners of this machine", n)
	}
	if asked.Load() == 0 {
		s.Error("no name was looked up")
	}
}

// forgedTargets are inside, by every notation.
func forgedTargets() []string {
	var targets []string
	for _, host := range []string{
		"127.0.0.1", "127.75.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::]", "0.0.0.0", "169.254.169.254", "[fe80::1]", "[fe80::1%25lo]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd00::1]", "[fc00::1]", "[fd00:ec2::254]",
		"198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2001:db8::1]",
		"2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "x.localhost",
		"loopback.test", "mapped.test", "metadata.test", "private.test", "cgnat.test", "ula.test", "zero.test", "rebinding.test", "mixed.test",
	} {
		targets = append(targets, "https://"+host+"/", "https://"+host+":443/latest/meta-data/")
	}
	return append(targets, "http://127.75.0.1/", "http://example.com/", "https://127.75.0.1:22/", "https://loopback.test:22/", "https://loopback.test:8443/", "gopher://127.75.0.1:443/_x", "file:///etc/passwd", "ftp://loopback.test/", "https://good.example@127.75.0.1/", "https://user:pass@loopback.test/",
		"https:loopback.test", "https:///127.75.0.1", "//127.75.0.1/", "https://127.75.0.1\\@example.com/", "https://", "dict://127.0.0.1:443/", "unix:///run/x.sock", "data:text/html,x", "https://%31%32%37.0.0.1/", "https://①②⑦.0.0.1/")
}

// liar is a resolver whose names lead inside, without a time to live: whatever was
// looked up before says nothing of where a connection will lead.
func (s *suite) liar(asked *atomic.Int64) *net.Resolver {
	s.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	answers := map[string][]string{
		"loopback.test.": {"127.75.0.1"}, "mapped.test.": {"::ffff:127.75.0.1"}, "metadata.test.": {"169.254.169.254"}, "private.test.": {"10.1.2.3"}, "cgnat.test.": {"100.64.1.1"}, "ula.test.": {"fd00::1"}, "zero.test.": {"0.0.0.0"},
		"rebinding.test.": {"127.75.0.1"}, "mixed.test.": {"192.168.1.1", "127.75.0.1"},
	}
	s.background(func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			asked.Add(1)
			if reply := lie(buffer[:n], answers); reply != nil {
				_, _ = conn.WriteTo(reply, from) // the client asks again
			}
		}
	})
	s.closing(conn)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// lie answers a DNS question; nil where it is none.
func lie(question []byte, answers map[string][]string) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil
	}
	q, err := parser.Question()
	if err != nil {
		return nil
	}
	message := dnsmessage.Message{Header: dnsmessage.Header{ID: header.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	for _, text := range answers[q.Name.String()] {
		resource := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
		switch ip := netip.MustParseAddr(text); {
		case q.Type == dnsmessage.TypeA && ip.Is4():
			message.Answers = append(message.Answers, dnsmessage.Resource{Header: resource, Body: &dnsmessage.AResource{A: ip.As4()}})
		case q.Type == dnsmessage.TypeAAAA && !ip.Is4():
			message.Answers = append(message.Answers, dnsmessage.Resource{Header: resource, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	reply, err := message.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// closing ends something with the group, before what runs beside it is waited for.
func (s *suite) closing(c io.Closer) { s.closers = append(s.closers, c) }
