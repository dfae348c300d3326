package event

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// locate sets the country: the one that the customer's server names, else that of the address, else the
// one that a proxy of the operator's names for whoever is connected.
func (m *Maker) locate() Reason {
	e, d := &m.Event, &m.Doc
	if m.Trusted {
		if e.Country = CountryCode(d.Str(d.Named(m.message.ctx.location, "country"))); e.Country != "" {
			return Accepted
		}
	}
	e.Country = m.Client.Country(e.IP)
	return Accepted
}

// CountryCode is the code in a text, "" if it is none. XX, T1 and ZZ stand for unknown.
func CountryCode(text string) string {
	if len(text) != 2 {
		return ""
	}
	code := strings.ToUpper(text)
	if code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' || code == "XX" || code == "ZZ" {
		return ""
	}
	return code
}

// classify sets what kind of program the user agent is.
func (m *Maker) classify() Reason {
	v := m.agents.verdict(m.Event.UserAgent, m.Robot)
	if v.robot {
		m.Event.Flags |= protocol.FlagBot
	}
	m.Event.Flags = m.Event.Flags.WithClass(v.class)
	return Accepted
}

// hide applies the app's policy on addresses, once nothing needs the whole address any more.
func (m *Maker) hide() Reason {
	m.Event.IP = hidden(m.Event.IP, m.App.Addresses)
	return Accepted
}

// hidePayload does the same to the address that the message itself says, wherever it says it.
func (m *Maker) hidePayload() {
	v := m.message.ctx.ip
	if m.App.Addresses == protocol.KeepAddresses || m.Doc.Kind(v) != document.String {
		return
	}
	left := strconv.AppendQuote(nil, hidden(m.Doc.Str(v), m.App.Addresses)) // an address, or nothing
	m.payload = bytes.ReplaceAll(m.Event.Payload, m.Doc.Raw(v), left)
	m.Event.Payload = m.payload
}

// hidden is the part of an address that a policy keeps: the first three bytes of an IPv4 address, the
// first 48 bits of an IPv6 address, which are a site's.
func hidden(ip string, policy protocol.AddressPolicy) string {
	switch policy {
	case protocol.DropAddresses:
		return ""
	case protocol.TruncateAddresses:
		address, err := netip.ParseAddr(ip)
		if err != nil {
			return ""
		}
		bits := 48
		if address = address.Unmap().WithZone(""); address.Is4() {
			bits = 24
		}
		prefix, err := address.Prefix(bits)
		if err != nil {
			return ""
		}
		return prefix.Addr().String()
	}
	return ip
}

// agentClass is the class of device or program that a user agent names. A tablet says so, or is an
// Android device that is not mobile, as Google asks of browsers.
func agentClass(agent string) protocol.Class {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if containsFold(agent, part) {
				return true
			}
		}
		return false
	}
	switch {
	case agent == "":
		return protocol.ClassUnknown
	case has("smart-tv", "smarttv", "appletv", "apple tv", "googletv", "hbbtv", "tizen", "web0s", "webos.tv", "roku", "bravia", "crkey", "aftt", "aftb"):
		return protocol.ClassTV
	case has("ipad", "tablet", "kindle", "silk/", "playbook"), has("android") && !has("mobile", "okhttp", "dalvik"):
		return protocol.ClassTablet
	case has("iphone", "ipod", "android", "mobile", "windows phone", "cfnetwork", "okhttp", "dalvik"):
		return protocol.ClassPhone
	case has("windows nt", "macintosh", "x11", "cros "):
		return protocol.ClassDesktop
	case has("curl/", "wget/", "python", "go-http-client", "java/", "axios", "node", "ruby", "php", "okhttp", "libwww", "analytics-"):
		return protocol.ClassProgram
	}
	return protocol.ClassUnknown
}
