package event

import (
	"net/netip"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// client sets the address and the user agent. The address of the connection is
// the person's only if the person's device made it: a browser or an app, or a
// server that says so with context.direct. An address in the body counts only
// under a server key.
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

// maxAgents bounds the user agents that are remembered.
const maxAgents = 512

// agentCache remembers the verdicts on user agents: those of the events of a batch, and of many
// clicks, are mostly the same few.
type agentCache struct {
	last  string
	known map[string]agentVerdict
	agentVerdict
}

type agentVerdict struct {
	robot bool
	class protocol.Class
}

func (a *agentCache) verdict(agent string, robot func(string) bool) agentVerdict {
	if agent == a.last {
		return a.agentVerdict
	}
	v, ok := a.known[agent]
	if !ok {
		if a.known == nil || len(a.known) >= maxAgents {
			a.known = make(map[string]agentVerdict)
		}
		agent = strings.Clone(agent)
		v = agentVerdict{robot: robot != nil && robot(agent), class: agentClass(agent)}
		a.known[agent] = v
	}
	a.last, a.agentVerdict = strings.Clone(agent), v
	return v
}
