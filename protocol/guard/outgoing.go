package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bounds of a request to an address that somebody gave.
const (
	DefaultTimeout = 5 * time.Second // from the look-up of the name to the last byte of the body
	DefaultBody    = 64 << 10        // bytes of the answer that can be read

	httpsPort  = "443"
	maxAddress = 2048 // bytes of the URL
	maxHeader  = 16 << 10
	idleConns  = 8
)

// RefusedError says why an address is not called. Its text may be shown to
// whoever gave the address: it tells nothing about the network behind it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "address refused: " + e.Reason }

func refused(reason string) error { return &RefusedError{reason} }

// ErrBody is the error of reading more of an answer than [Options] allow.
var ErrBody = errors.New("the answer is longer than the limit")

// Options configure an [Outgoing]. The zero value is the strictest.
type Options struct {
	// Permit are prefixes of addresses, inside, that the operator of this
	// installation has opened, such as that of an identity provider of their own.
	// It must never come from whoever gives the address.
	Permit []netip.Prefix
	// AnyPort is for services whose port whoever gives the address knows best, such as identity providers.
	AnyPort bool
	// Machine turns the rules around, for development: only this machine is called, named as such, by
	// http too.
	Machine bool
	// Roots sign the certificates that are believed; nil means the system's.
	Roots    *x509.CertPool
	Resolver *net.Resolver // nil is the system's
	Timeout  time.Duration // 0 is DefaultTimeout
	MaxBody  int64         // bytes; 0 is DefaultBody
}

// Outgoing makes requests to addresses that somebody gave. It is safe for
// concurrent use.
type Outgoing struct {
	options   Options
	transport *http.Transport
}

// NewOutgoing makes an Outgoing. It starts nothing.
func NewOutgoing(o Options) *Outgoing {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultBody
	}
	g := &Outgoing{options: o}
	dialer := &net.Dialer{Timeout: o.Timeout, Resolver: o.Resolver, Control: g.control, KeepAlive: -1}
	g.transport = &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns: idleConns, MaxIdleConnsPerHost: 1, MaxConnsPerHost: idleConns, IdleConnTimeout: o.Timeout,
		DisableCompression: true, ForceAttemptHTTP2: true, // and no Proxy: one would look names up in our place
	}
	return g
}

// Client returns an http.Client that is guarded, for libraries that want one. It
// hands redirects to its caller in place of following them.
func (g *Outgoing) Client() *http.Client {
	return &http.Client{Transport: g, Timeout: g.options.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip makes Outgoing an http.RoundTripper.
func (g *Outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.options.Timeout)
	resp, err := g.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: g.options.MaxBody, cancel: cancel}
	return resp, nil
}

// CloseIdleConnections closes the open connections that are not used.
func (g *Outgoing) CloseIdleConnections() { g.transport.CloseIdleConnections() }

// cappedBody is an answer's body up to the limit.
type cappedBody struct {
	io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrBody
	}
	b.left -= int64(n)
	return n, err
}

func (b *cappedBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// Check says at once, without looking a name up, whether an address could be
// called. It is for forms; the request checks again.
func (g *Outgoing) Check(address string) error {
	if len(address) > maxAddress {
		return refused("it is longer than " + strconv.Itoa(maxAddress) + " bytes")
	}
	u, err := Destination(address, nil)
	if err != nil {
		return refused(err.Error())
	}
	return g.check(u)
}

func (g *Outgoing) check(u *url.URL) error {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch port := u.Port(); {
	case u.Scheme != "https" && !(g.options.Machine && u.Scheme == "http"):
		return refused("only https is called")
	case u.User != nil:
		return refused(errUser.Error())
	case u.Opaque != "" || host == "":
		return refused("it has no host")
	case port != "" && port != httpsPort && !g.options.AnyPort:
		return refused("only port 443 is called")
	case g.options.Machine && host == "localhost":
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return g.judge(ip)
	}
	switch {
	case strings.Contains(host, ":") || endsInNumber(host):
		return refused("its host is a number that is no address in common notation")
	case g.options.Machine:
		return refused("it is not this machine")
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		return refused("it is this machine")
	}
	return nil
}

// endsInNumber finds what some resolvers take for an IPv4 address: 2130706433,
// 0x7f.1, 0177.0.0.1. See the URL standard of WHATWG, "ends in a number".
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return true
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(last, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

// control judges the address that is about to be connected to, after the name
// was looked up, for each try.
func (g *Outgoing) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || !strings.HasPrefix(network, "tcp"):
		return refused("it is no address")
	case strconv.Itoa(int(to.Port())) != httpsPort && !g.options.AnyPort:
		return refused("only port 443 is called")
	}
	return g.judge(to.Addr())
}

// judge refuses an address inside that the operator does not permit.
func (g *Outgoing) judge(ip netip.Addr) error {
	if g.options.Machine {
		if !ip.Unmap().IsLoopback() {
			return refused("it is not this machine")
		}
		return nil
	}
	for _, prefix := range g.options.Permit {
		if prefix.Contains(ip.Unmap()) {
			return nil
		}
	}
	if class := inside(ip); class != "" {
		return refused("it leads to " + class)
	}
	return nil
}

// inside names the class of an address that is not of the public internet, "" if
// it is. RFC 6890 and the registries of special-purpose addresses behind it.
func inside(ip netip.Addr) string {
	ip = ip.Unmap()
	switch {
	case ip.Zone() != "" || !ip.IsValid():
		return "no address"
	case ip.IsUnspecified():
		return "no address"
	case ip.IsLoopback():
		return "this machine"
	case ip.IsLinkLocalUnicast(), ip.IsLinkLocalMulticast(), ip.IsInterfaceLocalMulticast():
		return "this network"
	case ip.IsMulticast():
		return "many at once"
	case ip.IsPrivate():
		return "a private network"
	}
	for _, special := range specials() {
		if special.Contains(ip) {
			return "a special network"
		}
	}
	if ip.Is6() && !netip.MustParsePrefix("2000::/3").Contains(ip) {
		return "a special network"
	}
	return ""
}

// specials are the remaining ranges outside the public internet, and those that
// have an IPv4 address packed inside.
func specials() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}
