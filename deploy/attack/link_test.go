package attack

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func linkAttacks() []attack {
	return []attack{
		{id: 57, run: attack57ForeignCertificates, note: "aggregators have no certificates among each other"}, {id: 58, run: attack58Identity, denied: "agent.connect"},
		{id: 59, run: attack59Revoked, denied: "agent.connect"}, {id: 60, run: attack60EnrolmentRace, denied: "agent.enroll"}, {id: 61, run: attack61Requests}, {id: 62, run: attack62EarlyData},
		{id: 63, run: attack63BrokenFrames}, {id: 64, run: attack64MsgpackBombs}, {id: 65, run: attack65ZstdBomb}, {id: 66, run: attack66Replay}, {id: 67, run: attack67OtherEpoch}, {id: 69, run: attack69Streams},
	}
}

func attack57ForeignCertificates(s *suite) {
	ours := s.authority()
	id, good := s.agent("certified")
	foreignKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	template := *ours.cert
	template.PublicKey = foreignKey.Public()
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, foreignKey.Public(), foreignKey)
	if err != nil {
		s.Fatal(err)
	}
	copied, err := x509.ParseCertificate(der) // the same name, another key
	if err != nil {
		s.Fatal(err)
	}
	parent, err := x509.ParseCertificate(good.Certificate[0])
	if err != nil {
		s.Fatal(err)
	}
	child := s.issue(authority{good.PrivateKey.(crypto.Signer), parent}, id, nil)
	child.Certificate = append(child.Certificate, good.Certificate[0])
	stolen := *good
	stolen.PrivateKey = foreignKey
	bad := map[string]*tls.Certificate{
		"none": nil, "self-signed": s.issue(authority{}, id, nil), "other CA": s.issue(authority{foreignKey, copied}, id, nil), "signed by an agent": child, "certificate without its key": &stolen,
		"expired": s.issue(ours, id, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"not yet valid": s.issue(ours, id, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}),
		"server's": s.issue(ours, id, func(c *x509.Certificate) {
			c.ExtKeyUsage, c.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []string{protocol.ServerName}
		}),
		"code signing": s.issue(ours, id, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }),
	}
	for name, cert := range bad {
		for node := range s.Aggregators {
			s.refusedLink(name, node, cert, protocol.ALPN)
		}
	}
	for _, alpn := range []string{"h3", "unmogrowp/2", "unmogrowp", "http/1.1"} {
		s.refusedLink("protocol "+alpn, 0, good, alpn)
	}
	s.connect(1, good, 57).close() // so that the others failed because of their faults
}

// refusedLink wants that no session comes of a connection.
func (s *suite) refusedLink(name string, node int, cert *tls.Certificate, alpn string) {
	s.Helper()
	conn, err := s.dial(node, cert, alpn)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	if _, err := s.greet(conn, s.hello(1)); err == nil {
		s.Errorf("%s: welcome", name)
	}
}

func attack58Identity(s *suite) {
	ours := s.authority()
	other, _ := s.agent("somebody-else")
	id, good := s.agent("identified")
	uris := func(texts ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.URIs = nil
			for _, text := range texts {
				u, err := url.Parse(text)
				if err != nil {
					s.Fatal(err)
				}
				c.URIs = append(c.URIs, u)
			}
		}
	}
	for name, cert := range map[string]*tls.Certificate{
		"no name": s.issue(ours, other, uris()), "two agents": s.issue(ours, id, uris(protocol.AgentURI(id), protocol.AgentURI(other))), "other domain": s.issue(ours, id, uris("spiffe://evil/agent/"+id)),
		"path": s.issue(ours, id, uris(protocol.AgentURI(id)+"/../"+other)), "empty": s.issue(ours, id, uris(protocol.AgentURI(""))), "peer": s.issue(ours, id, uris("spiffe://unmogrowp/aggregator/"+id)), "https": s.issue(ours, id, uris("https://unmogrowp/agent/"+id)),
	} {
		for node := range s.Aggregators {
			conn, err := s.dial(node, cert, protocol.ALPN)
			if err != nil {
				continue
			}
			_, err = s.greet(conn, s.hello(58))
			var closed *quic.ApplicationError
			if !errors.As(err, &closed) || closed.ErrorCode != 2 {
				s.Errorf("%s: %v, want the connection closed with code 2", name, err)
			}
			_ = conn.CloseWithError(0, "")
		}
	}
	// No message has a field for it; whoever invents one is who the certificate says.
	for _, field := range []string{"a", "agent", "id", "Agent"} {
		conn, err := s.dial(0, good, protocol.ALPN)
		if err != nil {
			s.Fatal(err)
		}
		l, err := s.greet(conn, s.frame(frameHello, map[string]any{"v": protocol.Version, "w": "attack", "r": "test", "e": uint64(581), "f": 1, "n": 1, field: other}))
		if err != nil {
			s.Fatal(err)
		}
		if l.welcome.Agent != id {
			s.Errorf("field %s: welcome, %s", field, l.welcome.Agent)
		}
		l.close()
	}
}

func attack59Revoked(s *suite) {
	id, cert := s.agent("to-be-revoked")
	var links []*link
	for node := range s.Aggregators {
		links = append(links, s.connect(node, cert, 59))
	}
	began := time.Now()
	revoked := s.console("POST", "agents/"+id+"/revoke", s.owner, nil).want(204)
	for _, l := range links {
		select {
		case <-l.conn.Context().Done():
			var closed *quic.ApplicationError
			if err := context.Cause(l.conn.Context()); !errors.As(err, &closed) || closed.ErrorCode != 3 {
				s.Errorf("closed by %v", err)
			}
		case <-time.After(10*time.Second - time.Since(began)):
			s.Error("a live connection of a revoked agent goes on after 10 s")
		}
	}
	for range 5 {
		for node := range s.Aggregators {
			s.refusedLink("revoked", node, cert, protocol.ALPN)
		}
	}
	request := revoked.header.Get("X-Request-Id")
	if err := s.entry("agent.revoke", func(e entry) bool { return e.RequestID == request && e.Target == id }); err != nil {
		s.Errorf("audit: %v", err)
	}
	s.console("POST", "agents/"+id+"/revoke", s.owner, nil).want(204, 404, 409)
}

func attack60EnrolmentRace(s *suite) {
	token := s.EnrollmentToken("raced")
	s.plant(token)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	csr := s.request(key, nil)
	var mu sync.Mutex
	certificates := 0
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := s.enrol(token, csr); err == nil {
				mu.Lock()
				defer mu.Unlock()
				certificates++
			}
		})
	}
	wg.Wait()
	if certificates != 1 {
		s.Errorf("%d certificates for one token", certificates)
	}
	for _, used := range []string{token, token[:42] + "A", strings.Repeat("A", 43), "", "x", strings.Repeat("A", 5000), "' OR 1=1 --"} {
		if _, err := s.enrol(used, csr); err == nil {
			s.Errorf("token %.20q gives a certificate", used)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		s.Fatal(err)
	}
	sum := sha256.Sum256(raw[:32])
	if _, err := s.enrol(base64.RawURLEncoding.EncodeToString(sum[:]), csr); err == nil {
		s.Error("the stored hash of a token gives a certificate")
	}
}

func attack61Requests(s *suite) {
	victim, _ := s.agent("impersonated")
	uri, err := url.Parse(protocol.AgentURI(victim))
	if err != nil {
		s.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := s.enrol(s.EnrollmentToken("greedy"), s.request(key, func(r *x509.CertificateRequest) {
		r.Subject.CommonName, r.URIs, r.DNSNames = victim, []*url.URL{uri}, []string{protocol.ServerName}
		ca, _ := base64.StdEncoding.DecodeString("MAMBAf8=") // basicConstraints CA:true
		r.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: ca}}
	}))
	if err != nil {
		s.Fatal(err)
	}
	cert, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		s.Fatal(err)
	}
	if id, err := protocol.AgentID(cert); err != nil || id == victim || id != answer.Agent || cert.IsCA || len(cert.DNSNames) != 0 || cert.Subject.CommonName == victim ||
		len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || cert.NotAfter.Sub(cert.NotBefore) > 73*time.Hour {
		s.Errorf("certificate %+v of %s, %v", cert.Subject, id, err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	whole := s.request(key, nil)
	tampered := append([]byte{}, whole...)
	tampered[len(tampered)-1] ^= 1
	token := s.EnrollmentToken("weak")
	for name, csr := range map[string][]byte{
		"RSA": s.request(weak, nil), "P-224": s.request(p224, nil), "tampered": tampered, "nothing": nil, "garbage": []byte("x"), "cut": whole[:len(whole)/2], "huge": make([]byte, 40_000), "a certificate": answer.Certificate, "longer": append(append([]byte{}, whole...), 0),
	} {
		if _, err := s.enrol(token, csr); err == nil {
			s.Errorf("%s: a certificate", name)
		}
	}
	if _, err := s.enrol(token, whole); err != nil { // a bad request does not use the token up
		s.Errorf("a good request after bad ones: %v", err)
	}
}

func attack62EarlyData(s *suite) {
	_, cert := s.agent("early")
	cache := tls.NewLRUClientSessionCache(10)
	for range 3 {
		s.count(1)
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		conn, err := quic.DialAddrEarly(ctx, s.Aggregators[0].Agents, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: protocol.ServerName, InsecureSkipVerify: true,
			NextProtos: []string{protocol.ALPN}, Certificates: []tls.Certificate{*cert}, ClientSessionCache: cache}, &quic.Config{})
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.greet(conn, s.hello(62)); err != nil {
			s.Error(err)
		}
		if state := conn.ConnectionState(); state.Used0RTT || state.TLS.DidResume {
			s.Errorf("early data %v, resumed %v", state.Used0RTT, state.TLS.DidResume)
		}
		_ = conn.CloseWithError(0, "")
		cancel()
	}
	if _, ok := cache.Get(protocol.ServerName); ok {
		s.Error("the server gave a session ticket")
	}
}

func attack63BrokenFrames(s *suite) {
	_, cert := s.agent("broken")
	good := block(63, 1, 1, payload(s.message(s.App, "broken")))
	change := func(at int, bytes ...byte) []byte {
		b := append([]byte{}, good...)
		copy(b[at:], bytes)
		return b
	}
	for name, data := range map[string][]byte{
		"nothing": {}, "one byte": {1}, "zeros": make([]byte, 64), "ones": []byte(strings.Repeat("\xff", 64)), "magic": change(0, 0), "version": change(4, 9), "type": change(5, 77), "codec": change(6, 9), "epoch": change(8, 1), "seq": change(16, 1),
		"no events": change(24, 0, 0, 0, 0), "many events": change(24, 255, 255, 255, 255), "raw length": change(28, 255, 255, 255, 255), "no payload": change(32, 0, 0, 0, 0), "payload length": change(32, 255, 255, 255, 255), "longer payload": change(35, 255),
		"checksum": change(36, 1, 2, 3, 4), "payload": change(len(good)-1, 0xaa), "cut header": good[:20], "cut payload": good[:len(good)-3], "text": []byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat(" ", 64)),
	} {
		l := s.connect(0, cert, 63)
		if ack, err := l.send(data); err == nil {
			s.Errorf("%s: acknowledged with %d", name, ack.Status)
		}
		l.close()
	}
	for name, data := range map[string][]byte{
		"length 0": {0, 0, 0, 0, 1, 6}, "length 2^32-1": {255, 255, 255, 255, 1, 6}, "version 9": {0, 0, 0, 1, 9, 6, 0x80}, "cut": {0, 0, 1, 0, 1, 6, 1}, "a list": s.frame(6, []int{1}), "an ack": s.frame(2, map[string]any{}), "another hello": s.hello(1), "deep": append([]byte{0, 0, 0, 40, 1, 6}, []byte(strings.Repeat("\x91", 40))...),
		"long list": {0, 0, 0, 5, 1, 6, 0xdd, 255, 255, 255, 255}, "long text": {0, 0, 0, 5, 1, 6, 0xdb, 255, 255, 255, 255}, "ext": {0, 0, 0, 6, 1, 6, 0xc9, 255, 255, 255, 255, 1}, "tiny frames": []byte(strings.Repeat("\x00\x00\x00\x01\x01\x63\x80", 100_000)),
	} {
		l := s.connect(1, cert, 63)
		if _, err := l.control.Write(data); err != nil && l.conn.Context().Err() == nil {
			s.Logf("%s: %v", name, err)
		}
		l.count(1)
		if err := l.control.Close(); err != nil && l.conn.Context().Err() == nil {
			s.Logf("%s: %v", name, err)
		}
		select {
		case <-l.conn.Context().Done():
		case <-time.After(10 * time.Second):
			s.Errorf("%s: the session goes on", name)
		}
		l.close()
	}
}

// bombs are msgpack bytes that make a careless decoder allocate or recurse.
func bombs() map[string][]byte {
	return map[string][]byte{
		"list of 2^32": {0xdd, 255, 255, 255, 255}, "map of 2^32": {0xdf, 255, 255, 255, 255}, "text of 2^32": {0xdd, 0, 0, 0, 1, 0xdb, 255, 255, 255, 255}, "bytes of 2^32": {0xdd, 0, 0, 0, 1, 0xc6, 255, 255, 255, 255},
		"ext of 2^32": {0xdd, 0, 0, 0, 1, 0xc9, 255, 255, 255, 255, 1}, "fixext": {0xdd, 0, 0, 0, 1, 0xd8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "nested lists": []byte(strings.Repeat("\x91", 700_000)), "nested maps": []byte(strings.Repeat("\x81\xa0", 350_000)),
		"empty lists": append([]byte{0xdd, 0, 0, 0x40, 0}, []byte(strings.Repeat("\x90", 0x4000))...), "nils": append([]byte{0xdd, 0, 8, 0, 0}, make([]byte, 0x80000)...), "reserved": {0xdd, 0, 0, 0, 1, 0xc1}, "nothing": {0xc0}, "timestamp": {0xdd, 0, 0, 0, 1, 0xd6, 255, 0, 0, 0, 0},
		"short event": {0xdd, 0, 0, 0, 1, 0x91, 0xa1, 'x'}, "event is text": {0xdd, 0, 0, 0, 1, 0xa1, 'x'}, "event is a map": {0xdd, 0, 0, 0, 1, 0x81, 0xa1, 'a', 1}, "trailing": append(payload(protocol.Event{App: "x", ID: "x", Kind: protocol.KindTrack}), 0xc0), "lists of lists": []byte(strings.Repeat("\xdc\xff\xff", 200_000)),
	}
}

func attack64MsgpackBombs(s *suite) {
	_, cert := s.agent("bomber")
	l := s.connect(0, cert, 64)
	defer l.close()
	seq := uint64(0)
	for name, raw := range bombs() {
		for _, count := range []int{1, protocol.MaxBlockEvents} {
			seq++
			ack, err := l.send(block(64, seq, count, raw))
			if err != nil {
				s.Fatalf("%s: %v", name, err)
			}
			if ack.Status != protocol.StatusQuarantined || ack.Seq != seq {
				s.Errorf("%s: status %d of %d", name, ack.Status, ack.Seq)
			}
		}
	}
}

func attack65ZstdBomb(s *suite) {
	_, cert := s.agent("zstd-bomber")
	compressor, err := protocol.NewCompressor()
	if err != nil {
		s.Fatal(err)
	}
	bomb := compressor.Compress(nil, make([]byte, 256<<20))
	if len(bomb) > protocol.MaxBlockPayload {
		s.Fatalf("the bomb has %d bytes", len(bomb))
	}
	good := compressor.Compress(nil, payload(s.message(s.App, "zstd")))
	l := s.connect(0, cert, 65)
	defer l.close()
	for i, b := range []protocol.Block{
		{RawLen: protocol.MaxBlockRaw, Payload: bomb}, {RawLen: 10, Payload: bomb}, {RawLen: 0, Payload: bomb}, {RawLen: 10, Payload: good}, {RawLen: protocol.MaxBlockRaw, Payload: good}, {RawLen: 10, Payload: []byte("not zstd")}, {RawLen: 10, Payload: good[:len(good)-2]},
	} {
		b.Epoch, b.Seq, b.Count, b.Codec = 65, uint64(i+1), 1, protocol.CodecZstd
		ack, err := l.send(protocol.AppendBlock(nil, &b))
		if err != nil {
			s.Fatalf("bomb %d: %v", i, err)
		}
		if ack.Status != protocol.StatusQuarantined {
			s.Errorf("bomb %d: status %d", i, ack.Status)
		}
	}
}

func attack66Replay(s *suite) {
	app, _, _ := s.app("Replayed")
	_, cert := s.agent("replayed")
	_, thief := s.agent("thief")
	captured := block(66, 1, 2, payload(s.message(app, "one"), s.message(app, "two")))
	for i := range 12 { // by whoever and wherever
		l := s.connect(i%2, []*tls.Certificate{cert, thief}[i/6], uint64(660+i/6))
		ack, err := l.send(captured)
		if err != nil {
			s.Fatal(err)
		}
		if ack.Status != protocol.StatusStored || ack.Epoch != 66 || ack.Seq != 1 {
			s.Errorf("replay %d: %+v", i, ack)
		}
		l.close()
	}
	s.stored(app, 2)
}

func attack67OtherEpoch(s *suite) {
	app, _, _ := s.app("Epochs")
	_, cert := s.agent("epochs")
	l := s.connect(0, cert, 670)
	defer l.close()
	one := payload(s.message(app, "same"))
	for i, at := range [][2]uint64{{670, 5}, {670, 4}, {670, 1}, {671, 5}, {1, 1}, {0, 0}, {1 << 63, 1<<64 - 1}, {670, 5}} {
		ack, err := l.send(block(at[0], at[1], 1, one))
		if err != nil {
			s.Fatal(err)
		}
		if ack.Status != protocol.StatusStored || ack.Epoch != at[0] || ack.Seq != at[1] {
			s.Errorf("block %d: %+v", i, ack)
		}
	}
	s.stored(app, 1)
}

func attack69Streams(s *suite) {
	_, cert := s.agent("greedy-streams")
	before := heap()
	var links []*link
	opened := 0
	for range 10 {
		l := s.connect(0, cert, 69)
		links = append(links, l)
		for range 1000 { // never finished, never read
			stream, err := l.conn.OpenStream()
			if err != nil {
				break
			}
			s.count(1)
			opened++
			if _, err := stream.Write([]byte("UMG1")); err != nil {
				break
			}
		}
	}
	if most := 10 * (protocol.MaxInFlight + 1); opened > most {
		s.Errorf("%d streams were opened, want at most %d", opened, most)
	}
	if grown := heap() - before; grown > 64<<20 {
		s.Errorf("the heap grew by %d MiB", grown>>20)
	}
	s.alive()
	for _, l := range links {
		l.close()
	}
}
