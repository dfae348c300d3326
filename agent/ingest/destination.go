package ingest

import (
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// platform is ios, android or web, by what the browser calls itself.
func platform(agent string) string {
	switch {
	case strings.Contains(agent, "iPhone"), strings.Contains(agent, "iPad"), strings.Contains(agent, "iPod"):
		return "ios"
	case strings.Contains(agent, "Android"):
		return "android"
	}
	return "web"
}

// destination is where a click leads, "" if nowhere: the deep link for the
// platform and country, or else the redirect, or else the store, or else the fallback. All of them
// are registered with the link; of the request only the click's id gets in, in
// place of {click_id} and as part of the referrer of a Play store address.
func destination(link *protocol.Link, platform, country, id string) string {
	of := func(destinations map[string]string) string { return protocol.Choose(destinations, platform, country) }
	for _, registered := range [...]string{of(link.DeepLinks), of(link.Redirects), of(link.Stores), link.Fallback} {
		if registered == "" {
			continue
		}
		u, ok := usable(registered, id)
		if !ok {
			continue
		}
		if playStore(u) {
			addReferrer(u, link, id)
		}
		return u.String()
	}
	return ""
}

// usable parses a registered address with a click's id in its place. The
// aggregator checks addresses as well; this is the second wall against links that
// run code or forge headers.
func usable(registered, id string) (*url.URL, bool) {
	u, err := guard.Destination(strings.ReplaceAll(registered, "{click_id}", id), guard.AppScheme)
	return u, err == nil
}

func playStore(u *url.URL) bool {
	return u.Scheme == "market" || u.Scheme == "https" && u.Host == "play.google.com"
}

// addReferrer gives the store what the app will find as its install referrer.
func addReferrer(u *url.URL, link *protocol.Link, id string) {
	parameters := u.Query()
	referrer, err := url.ParseQuery(parameters.Get("referrer"))
	if err != nil {
		referrer = url.Values{}
	}
	referrer.Set("click_id", id)
	for name, value := range map[string]string{"utm_source": link.MediaSource, "utm_campaign": link.Campaign} {
		if value != "" && !referrer.Has(name) {
			referrer.Set(name, value)
		}
	}
	parameters.Set("referrer", referrer.Encode())
	u.RawQuery = parameters.Encode()
}
