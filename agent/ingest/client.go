package ingest

import (
	"net/netip"
	"strings"
)

// Address is the address of whoever sent the request: the connection's,
// or behind trusted proxies the last address of X-Forwarded-For that is not one
// of theirs.
func (c *call) Address() string {
	if c.address != "" {
		return c.address
	}
	peer, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap().WithZone("")
	forwarded := c.r.Header.Values("X-Forwarded-For")
	for i := len(forwarded) - 1; i >= 0 && c.rules.proxy(address); i-- {
		list := strings.Split(forwarded[i], ",")
		for j := len(list) - 1; j >= 0 && c.rules.proxy(address); j-- {
			next, err := parseHop(list[j])
			if err != nil { // a proxy of ours wrote an unreadable hop: the nearest known one it is
				c.address = address.String()
				return c.address
			}
			address = next
		}
	}
	c.address = address.String()
	return c.address
}

// parseHop reads an address with or without a port.
func parseHop(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), nil
	}
	address, err := netip.ParseAddr(s)
	return address.Unmap().WithZone(""), err
}

// proxy reports whether an address is that of a trusted proxy.
func (r *Rules) proxy(a netip.Addr) bool {
	for _, p := range r.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwarded returns a header that a trusted proxy has set, "" from anybody else.
func (c *call) forwarded(name string) string {
	if len(c.rules.TrustedProxies) == 0 {
		return ""
	}
	peer, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil || !c.rules.proxy(peer.Addr().Unmap().WithZone("")) {
		return ""
	}
	value, _, _ := strings.Cut(c.r.Header.Get(name), ",")
	return strings.TrimSpace(value)
}

// Agent is the User-Agent of the request.
func (c *call) Agent() string {
	if agents := c.r.Header["User-Agent"]; len(agents) > 0 { // spares each event the canonical form of the name
		return agents[0]
	}
	return ""
}
