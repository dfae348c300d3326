package event

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// The media of a visit that came from another site.
const (
	mediumReferral = "referral"
	mediumOrganic  = "organic"
)

// site is the site that a visitor came from, and whether it is a search engine, which has a name
// of its own. There is none if that is the page's own site, or one through which a visit only
// passes.
func (p *places) site() (source, medium string) {
	if p.referrer == "" {
		return "", ""
	}
	from, scheme := hostOf(p.referrer)
	if from == "" {
		return "", ""
	}
	if scheme == "android-app" {
		if strings.HasPrefix(from, "com.google.android.googlequicksearchbox") {
			return "google", mediumOrganic
		}
		return clip(from, MaxShort), mediumReferral
	}
	page := ""
	for _, address := range &p.address {
		if page, _ = hostOf(address); page != "" {
			break
		}
	}
	if page == "" || sameSite(from, page) || passing(from) {
		return "", ""
	}
	if engine := searchEngine(from); engine != "" {
		return engine, mediumOrganic
	}
	return clip(from, MaxShort), mediumReferral
}

// hostOf is the host of an address of the web or of an Android app, in lower case and without
// "www." and a port.
func hostOf(address string) (host, scheme string) {
	scheme, rest, found := strings.Cut(address, "://")
	if scheme = strings.ToLower(scheme); !found || scheme != "http" && scheme != "https" && scheme != "android-app" {
		return "", ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if colon := strings.LastIndexByte(rest, ':'); colon >= 0 && !strings.HasSuffix(rest, "]") {
		rest = rest[:colon]
	}
	host = strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(rest, ".")), "www.")
	if strings.ContainsAny(host, " \t\"<>\\%") {
		return "", ""
	}
	return host, scheme
}

// sameSite says whether two hosts belong to one site: to one registrable domain.
func sameSite(a, b string) bool {
	if a == b {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(a, "[]")); err == nil {
		return false
	}
	x, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	y, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && x == y
}

// passing knows the sites that people come back from in the middle of a visit: payment and login.
func passing(host string) bool {
	switch host {
	case "accounts.google.com", "pay.google.com", "appleid.apple.com", "login.microsoftonline.com", "login.live.com", "checkout.stripe.com", "hooks.stripe.com",
		"pay.stripe.com", "paypal.com", "checkout.paypal.com", "checkout.shopify.com", "pay.shopify.com", "shop.app", "pay.amazon.com", "payments.amazon.com",
		"checkout.klarna.com", "pay.klarna.com", "login.klarna.com",
		"checkoutshopper-live.adyen.com", "live.adyen.com", "secure.worldpay.com", "checkout.razorpay.com":
		return true
	}
	return strings.HasPrefix(host, "3ds") || strings.HasPrefix(host, "acs.")
}

// searchEngine is the name of a search engine by its host, "" if it is none. Their other services,
// such as mail, are sites like others.
func searchEngine(host string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	name, suffix, _ := strings.Cut(domain, ".")
	below := strings.TrimSuffix(host, domain)
	if below != "" && below != "m." && !strings.HasSuffix(below, "search.") && below != "lite." && below != "html." {
		return ""
	}
	switch name {
	case "google", "bing", "duckduckgo", "ecosia", "qwant", "startpage", "baidu", "yandex", "yahoo", "naver", "seznam", "ask", "aol", "sogou", "coccoc",
		"kagi", "daum", "presearch", "mojeek", "swisscows":
		return name
	case "brave":
		if below != "" {
			return name
		}
	case "ya":
		if suffix == "ru" {
			return "yandex"
		}
	}
	return ""
}
