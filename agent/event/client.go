package event

import (
	"net/netip"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// client sets the address and the user agent. The address of the
// connection is the person's only if the person's device made it: a browser or
// an app, or a server that says so with context.direct. What a body says of the
// address counts only under a server key.
func (m *Maker) client() Reason {
	e, d, ctx := &m.Event, &m.Doc, &m.message.ctx
	e.UserAgent = clip(d.Str(ctx.userAgent), MaxUserAgent)
	device := d.Kind(ctx.direct) == document.True || !m.Trusted && !serverLibrary(d.Str(d.Named(ctx.library, "name")))
	if m.Trusted {
		if ip, err := netip.ParseAddr(d.Str(ctx.ip)); err == nil {
			e.IP = ip.Unmap().WithZone("").String()
			device = false
		}
	}
	if device {
		e.IP = m.Client.Address()
		if e.UserAgent == "" {
			e.UserAgent = clip(strings.ToValidUTF8(m.Client.Agent(), ""), MaxUserAgent)
		}
	}
	return Accepted
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
