package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const maxURL = 2048 // bytes

// CheckIssuer says what is wrong with an issuer that somebody configures. It must be https; http is for
// a provider on this machine, in development.
func CheckIssuer(issuer string) error {
	if err := checkURL(issuer, true); err != nil {
		return fmt.Errorf("issuer %w", err)
	}
	if strings.ContainsAny(issuer, "?#") {
		return errors.New("issuer must not have a query or a fragment")
	}
	return nil
}

// CheckPublicURL says what is wrong with the address under which browsers reach the console.
func CheckPublicURL(address string) error {
	if err := checkURL(address, true); err != nil {
		return fmt.Errorf("public_url %w", err)
	}
	if u, _ := url.Parse(address); u.Path != "" || strings.ContainsAny(address, "?#") {
		return errors.New("public_url must be a scheme and a host only, such as https://console.example.com")
	}
	return nil
}

func checkURL(address string, loopback bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxURL || u.Host == "" || u.Hostname() == "":
		return errors.New("is not a URL such as https://login.example.com")
	case u.User != nil:
		return errors.New("must not hold a user or a password")
	case u.Scheme == "https", u.Scheme == "http" && loopback && isLoopback(u):
		return nil
	}
	return errors.New("must begin with https:// (http:// is for a provider on this machine only)")
}

// checkEndpoint holds an address that a provider names against the same rules: plain http is for
// providers that are reached so themselves.
func checkEndpoint(issuer, address string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	return checkURL(address, u.Scheme == "http" && isLoopback(u))
}

// isLoopback says whether the URL names this machine, without asking a resolver.
func isLoopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// guardedClient makes an HTTP client that follows no redirect, reads no more than maxAnswer, waits no
// longer than answerTimeout, and connects to no address that a provider cannot have.
func guardedClient() *http.Client {
	transport := &http.Transport{
		DialContext: dialProvider, ForceAttemptHTTP2: true, TLSHandshakeTimeout: answerTimeout, ResponseHeaderTimeout: answerTimeout,
		MaxResponseHeaderBytes: 32 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxConnsPerHost: 2 * maxAtOnce,
	}
	return &http.Client{
		Transport: bounded{transport}, Timeout: answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialProvider connects. The check comes after names were resolved, so that no name leads where an
// address would not. Networks that are private are fine: many providers live there.
func dialProvider(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	named := isLoopback(&url.URL{Host: net.JoinHostPort(host, "0")})
	dialer := net.Dialer{Timeout: answerTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
		return checkAddress(resolved, named)
	}}
	return dialer.DialContext(ctx, network, address)
}

// checkAddress refuses what is never a provider: link-local addresses, where clouds keep their metadata,
// multicast, and this machine unless it was named as such.
func checkAddress(resolved string, named bool) error {
	peer, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	ip := peer.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLoopback() && named, ip.IsPrivate():
		return nil
	case !ip.IsGlobalUnicast(), ip.IsLoopback(), ip.IsUnspecified():
		return fmt.Errorf("address %s is not one that a provider can have", ip)
	}
	return nil
}

// bounded refuses answers that are too large.
type bounded struct{ next http.RoundTripper }

// RoundTrip sends the request and bounds its answer.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read fails once more than the limit has come, so that nobody takes a part for the whole.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	return n, err
}
