package ingest

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Locator tells the country of an address as its ISO 3166 code, "" if it does not know. It must answer
// without blocking.
type Locator interface {
	Country(address netip.Addr) string
}

// countryHeaders are what content delivery networks say of the country. Only trusted proxies are
// believed.
func countryHeaders() []string {
	return []string{"CF-IPCountry", "CloudFront-Viewer-Country", "X-AppEngine-Country", "X-Country-Code"}
}

// locate sets the country: what the customer's server says, else where the address is, else what a proxy
// of the operator's says of whoever is connected.
func (c *call) locate() reason {
	e, d := &c.event, &c.doc
	if c.trusted() {
		if e.Country = countryCode(d.str(d.named(c.message.ctx.location, "country"))); e.Country != "" {
			return accepted
		}
	}
	e.Country = c.countryOf(e.IP)
	return accepted
}

// countryOf is the country of an address of an event, which is mostly that of whoever is connected. The
// events of a batch mostly have the same.
func (c *call) countryOf(ip string) string {
	if ip == "" {
		return ""
	}
	if c.located.ip == ip {
		return c.located.country
	}
	country := ""
	if address, err := netip.ParseAddr(ip); err == nil && c.rules.Locator != nil {
		country = c.rules.Locator.Country(address)
	}
	if country == "" && ip == c.clientAddress() {
		for _, name := range countryHeaders() {
			if country = countryCode(c.forwarded(name)); country != "" {
				break
			}
		}
	}
	c.located = located{ip: strings.Clone(ip), country: country}
	return country
}

// located remembers where an address is.
type located struct{ ip, country string }

// countryCode is the code in a text, "" if it is none. XX, T1 and ZZ stand for unknown.
func countryCode(text string) string {
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
func (c *call) classify() reason {
	bot, class := c.agents.verdict(c.event.UserAgent)
	if bot {
		c.event.Flags |= protocol.FlagBot
	}
	c.event.Flags = c.event.Flags.WithClass(class)
	return accepted
}

// hide applies the app's policy on addresses, once nothing needs the whole address any more.
func (c *call) hide() reason {
	c.event.IP = hidden(c.event.IP, c.app.Addresses)
	return accepted
}

// hidePayload does the same to the address that the message itself says, wherever it says it.
func (c *call) hidePayload() {
	v := c.message.ctx.ip
	if c.app.Addresses == protocol.KeepAddresses || c.doc.kind(v) != kindString {
		return
	}
	left := strconv.AppendQuote(nil, hidden(c.doc.str(v), c.app.Addresses)) // an address, or nothing
	c.payload = bytes.ReplaceAll(c.event.Payload, c.doc.raw(v), left)
	c.event.Payload = c.payload
}

// hidden is what a policy leaves of an address: of an IPv4 address the first three bytes, of an IPv6
// address the first 48 bits, which are a site's.
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

// agentClass tells what shows the app or the page, by what it calls itself. What calls itself a tablet
// says so, or is an Android device that is not mobile, as Google asks of browsers.
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
