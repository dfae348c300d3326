package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

const maxURL = 2048 // bytes

// CheckIssuer lists the faults of an issuer that somebody configures. It must be https; http is for
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

// CheckPublicURL lists the faults of the address under which browsers reach the console.
func CheckPublicURL(address string) error {
	if err := checkURL(address, true); err != nil {
		return fmt.Errorf("public_url %w", err)
	}
	if u, _ := url.Parse(address); u.Path != "" || strings.ContainsAny(address, "?#") {
		return errors.New("public_url must be a scheme and a host only, such as https://console.example.com")
	}
	return nil
}

func checkURL(address string, machine bool) error {
	u, err := guard.Destination(address, nil)
	switch {
	case err != nil || len(address) > maxURL:
		return errors.New("is not a URL such as https://login.example.com, without a user or a password")
	case u.Scheme == "https", machine && isMachine(u):
		return nil
	}
	return errors.New("must begin with https:// (http:// is for this machine only, in development)")
}

// checkEndpoint holds an address that a provider names against the same rules: plain http is for
// providers that are reached so themselves.
func checkEndpoint(issuer, address string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	return checkURL(address, u.Scheme == "http" && isMachine(u))
}

// isMachine says whether the URL names this machine, without asking a resolver.
func isMachine(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// clients reach providers. Neither follows a redirect, reads more than maxAnswer or waits longer than
// answerTimeout.
type clients struct {
	world   *http.Client // https, also in private networks, where many providers live
	machine *http.Client // this machine only
}

func newClients() clients {
	private := []netip.Prefix{}
	for _, text := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"} {
		private = append(private, netip.MustParsePrefix(text))
	}
	options := guard.Options{Permit: private, AnyPort: true, Timeout: answerTimeout, MaxBody: maxAnswer}
	world := guard.NewOutgoing(options).Client()
	options.Machine = true
	return clients{world: world, machine: guard.NewOutgoing(options).Client()}
}

// of returns the client for a provider. A provider elsewhere cannot lead to this machine.
func (c clients) of(issuer string) *http.Client {
	if u, err := url.Parse(issuer); err == nil && isMachine(u) {
		return c.machine
	}
	return c.world
}
