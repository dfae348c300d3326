package ingest

import (
	"net/netip"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/event"
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

// Country is the country of an address of an event, which is mostly that of whoever is connected. The
// events of a batch mostly have the same.
func (c *call) Country(ip string) string {
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
	if country == "" && ip == c.Address() {
		for _, name := range countryHeaders() {
			if country = event.CountryCode(c.forwarded(name)); country != "" {
				break
			}
		}
	}
	c.located = located{ip: strings.Clone(ip), country: country}
	return country
}

// located remembers where an address is.
type located struct{ ip, country string }
