package ingest

import (
	"net/netip"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// client sets the address and the user agent. The address of the
// connection is the person's only if the person's device made it: a browser or
// an app, or a server that says so with context.direct. What a body says of the
// address counts only under a server key.
func (c *call) client() reason {
	e, d, ctx := &c.event, &c.doc, &c.message.ctx
	e.UserAgent = clip(d.str(ctx.userAgent), maxUserAgent)
	device := d.kind(ctx.direct) == kindTrue || !c.trusted() && !serverLibrary(d.str(d.named(ctx.library, "name")))
	if c.trusted() {
		if ip, err := netip.ParseAddr(d.str(ctx.ip)); err == nil {
			e.IP = ip.Unmap().WithZone("").String()
			device = false
		}
	}
	if device {
		e.IP = c.clientAddress()
		if e.UserAgent == "" {
			e.UserAgent = clip(strings.ToValidUTF8(c.r.Header.Get("User-Agent"), ""), maxUserAgent)
		}
	}
	return accepted
}

// serverLibrary reports whether a library runs on its customer's server.
func serverLibrary(name string) bool {
	switch strings.TrimPrefix(name, "@segment/") {
	case "analytics-node", "analytics-go", "analytics-python", "analytics-ruby", "analytics-php", "analytics-java",
		"analytics-rust", "unmogrowp-go", "Analytics.NET", "Analytics-CSharp", "RudderStack.NET", "rudder-sdk-node",
		"appsflyer-s2s", "adjust-s2s", "ga4-measurement-protocol", "apple-postback":
		return true
	}
	return false
}

// clientAddress is the address of whoever sent the request: the connection's,
// or behind trusted proxies the last address of X-Forwarded-For that is not one
// of theirs.
func (c *call) clientAddress() string {
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
			if err != nil { // a proxy of ours wrote what cannot be read: the nearest known one it is
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

// agentCache remembers the verdict on the last user agent: the events of a batch
// mostly have the same.
type agentCache struct {
	agent string
	isBot bool
	class protocol.Class
}

func (a *agentCache) verdict(agent string) (bot bool, class protocol.Class) {
	if agent != a.agent {
		a.agent, a.isBot, a.class = strings.Clone(agent), botAgent(agent), agentClass(agent)
	}
	return a.isBot, a.class
}

// botAgent knows crawlers, link previews and programs by what they call
// themselves.
func botAgent(agent string) bool {
	if agent == "" {
		return false
	}
	for _, part := range [...]string{"bot", "crawl", "spider", "slurp", "facebookexternalhit", "whatsapp/", "preview",
		"phantomjs", "curl/", "wget/", "python-requests", "lighthouse", "pingdom", "uptimerobot"} {
		if containsFold(agent, part) {
			return true
		}
	}
	return false
}
