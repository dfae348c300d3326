package guard

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestOnlyPlainPublicAddressesAreCalled(t *testing.T) {
	g := NewOutgoing(Options{})
	for _, address := range [...]string{
		"https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1:443/", "https://[::ffff:169.254.169.254]/", "http://example.com/", "https://example.com:8443/", "https://example.com:22/", "https://example.com:0443/", "gopher://example.com/", "file:///etc/passwd", "ftp://example.com/", "https://user@example.com/", "https://a:b@example.com/",
		"https:example.com", "//example.com", "https://", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://127.0.0.1./", "https://1.2.3.4.5/", "https://[::1%25lo]/",
		"https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://[::ffff:127.0.0.1%25eth0]/", "https://exa mple.com/", "https://" + strings.Repeat("x", 3000) + ".example/",
	} {
		var why *RefusedError
		if err := g.Check(address); !errors.As(err, &why) {
			t.Errorf("%.60q: %v", address, err)
		}
	}
	for _, address := range [...]string{"https://example.com/", "https://example.com:443/a?b", "https://93.184.216.34/", "https://[2606:2800:220:1::1]/", "https://a1.example2/"} {
		if err := g.Check(address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestAddressesInsideAreRefusedWhenDialled(t *testing.T) {
	g := NewOutgoing(Options{})
	for _, ip := range [...]string{
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "100::1", "3fff::1", "4000::1",
	} {
		var why *RefusedError
		if err := g.control("tcp", netip.AddrPortFrom(netip.MustParseAddr(ip), 443).String(), nil); !errors.As(err, &why) {
			t.Errorf("%s: %v", ip, err)
		}
	}
	for _, ip := range [...]string{"93.184.216.34", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1"} {
		if err := g.control("tcp", netip.AddrPortFrom(netip.MustParseAddr(ip), 443).String(), nil); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
		if err := g.control("tcp", netip.AddrPortFrom(netip.MustParseAddr(ip), 22).String(), nil); err == nil {
			t.Errorf("%s: port 22", ip)
		}
	}
	for _, address := range [...]string{"/run/x.sock", "93.184.216.34", "x:443"} {
		if err := g.control("tcp", address, nil); err == nil {
			t.Errorf("%s is dialled", address)
		}
	}
	if err := g.control("udp", "93.184.216.34:443", nil); err == nil {
		t.Error("udp is dialled")
	}
}

// permitted starts a TLS server and an Outgoing that takes it for
// https://example.com. Its handling of the answer is under test.
func permitted(t *testing.T, handler http.HandlerFunc, o Options) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(server.Certificate())
	g := NewOutgoing(o)
	g.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(g.CloseIdleConnections)
	return g.Client()
}

func TestAnswersAreBounded(t *testing.T) {
	client := permitted(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "https://169.254.169.254/latest/", http.StatusFound)
		case "/exact":
			_, _ = w.Write(make([]byte, 1000))
		case "/long":
			_, _ = w.Write(make([]byte, 1001))
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		case "/slow":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}, Options{Timeout: time.Second, MaxBody: 1000})
	get := func(path string) (int, int, error) {
		resp, err := client.Get("https://example.com" + path)
		if err != nil {
			return 0, 0, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, len(body), err
	}
	if status, _, err := get("/redirect"); status != http.StatusFound || err != nil {
		t.Errorf("redirect: %d, %v", status, err)
	}
	if status, n, err := get("/exact"); status != 200 || n != 1000 || err != nil {
		t.Errorf("a body of the limit: %d, %d bytes, %v", status, n, err)
	}
	if _, n, err := get("/long"); n != 1000 || !errors.Is(err, ErrBody) {
		t.Errorf("a body over the limit: %d bytes, %v", n, err)
	}
	if _, _, err := get("/header"); err == nil {
		t.Error("a header of 64 KiB is read")
	}
	began := time.Now()
	if _, _, err := get("/slow"); err == nil || time.Since(began) > 4*time.Second {
		t.Errorf("a slow body: %v after %v", err, time.Since(began))
	}
}

// Addresses that the operator permits are called, and nothing else inside.
func TestTheOperatorPermits(t *testing.T) {
	g := NewOutgoing(Options{Permit: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	if err := g.control("tcp", "10.1.2.3:443", nil); err != nil {
		t.Error(err)
	}
	for _, address := range [...]string{"10.2.0.1:443", "10.1.2.3:80", "127.0.0.1:443"} {
		if err := g.control("tcp", address, nil); err == nil {
			t.Errorf("%s is called", address)
		}
	}
}

func TestThisMachineIsCalledOnlyWhenNamedSo(t *testing.T) {
	g := NewOutgoing(Options{Machine: true, AnyPort: true})
	for address, want := range map[string]bool{
		"http://localhost:9000/x": true, "http://127.0.0.1:1": true, "https://[::1]:1": true, "http://127.0.0.2": true,
		"http://example.com": false, "https://example.com": false, "http://10.0.0.1": false, "http://169.254.169.254": false, "http://0x7f.1": false, "http://0.0.0.0": false,
		"ftp://127.0.0.1": false, "http://user@127.0.0.1": false, "http://x.localhost": false, "http://127.0.0.1.example.com": false,
	} {
		if err := g.Check(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:80": true, "[::1]:8080": true, "10.0.0.1:80": false, "93.184.216.34:443": false} {
		if err := g.control("tcp4", address, nil); (err == nil) != want {
			t.Errorf("connect to %s: %v", address, err)
		}
	}
	anyPort := NewOutgoing(Options{AnyPort: true})
	for address, want := range map[string]bool{"https://example.com:8443": true, "http://example.com:8443": false, "https://127.0.0.1:8443": false, "https://localhost:8443": false} {
		if err := anyPort.Check(address); (err == nil) != want {
			t.Errorf("any port: %s: %v", address, err)
		}
	}
}
