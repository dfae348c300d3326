package ingest

import (
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// platform is ios, android or web, by the browser's user agent.
func platform(agent string) string {
	switch {
	case strings.Contains(agent, "iPhone"), strings.Contains(agent, "iPad"), strings.Contains(agent, "iPod"):
		return "ios"
	case strings.Contains(agent, "Android"):
		return "android"
	}
	return "web"
}

// arrivalParameter is the name under which a click's id is appended to addresses of the web.
const arrivalParameter = "umcid"

// visitor is who clicked, and the stored event of the click, which fills the
// macros of a destination.
type visitor struct {
	platform, country string
	event             *protocol.Event
	link              *protocol.Link
	parameters        url.Values // of the link's address
}

// way is where a click leads: to one address, or to a page that tries the app first.
type way struct {
	app string // the deep link to try, "" if there is none
	to  string // where else
}

// lead finds the way of a click; to is "" if there is none. All addresses are registered with the
// link, and of the request only the values of macros get in, and the click's id: into the referrer
// of a Play store address, and into an address of the web that has no place for it. On a platform
// that has both a deep link and a store the link says how they are tried; else the order is
// redirect, store, fallback. A deep link without a store is used where the link says so.
func (v *visitor) lead() way {
	of := func(destinations map[string]string) string {
		return protocol.Choose(destinations, v.platform, v.country)
	}
	deep, store := v.usable(of(v.link.DeepLinks)), v.usable(of(v.link.Stores))
	to := v.usable(of(v.link.Redirects))
	if to == "" {
		to = store
	}
	if to == "" {
		to = v.usable(v.link.Fallback)
	}
	if deep == "" || v.platform == "web" && v.link.Open == "" {
		if to == "" {
			to = deep
		}
		return way{to: to}
	}
	switch open := v.link.Open; {
	case open == protocol.OpenApp, to == "":
		return way{to: deep}
	case open == protocol.OpenStore && store != "":
		return way{to: store}
	case open == protocol.OpenTry, open == "" && store != "":
		if store != "" {
			to = store
		}
		return way{app: deep, to: to}
	}
	return way{to: to}
}

// usable is a registered address with its macros filled, "" if it is none to send people to. The
// aggregator checks addresses as well; this is the second wall against links that run code or
// forge headers.
func (v *visitor) usable(registered string) string {
	if registered == "" {
		return ""
	}
	filled, ok := protocol.ExpandMacros(registered, v.value)
	if !ok {
		return ""
	}
	u, err := guard.Destination(filled, guard.AppScheme)
	switch {
	case err != nil:
		return ""
	case playStore(u):
		addReferrer(u, v.link, v.event.ID)
	case (u.Scheme == "https" || u.Scheme == "http") && !strings.Contains(registered, "{click_id}") && !appStore(u):
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+arrivalParameter+"="+url.QueryEscape(v.event.ID), "&")
	}
	return u.String()
}

// value is the text that a macro stands for.
func (v *visitor) value(name string) string {
	e := v.event
	switch name {
	case "click_id":
		return e.ID
	case "link":
		return v.link.Slug
	case "platform":
		return v.platform
	case "country":
		return e.Country
	case "media_source":
		return e.MediaSource
	case "medium":
		return e.Medium
	case "campaign":
		return e.Campaign
	case "adset":
		return e.AdSet
	case "ad":
		return e.Ad
	case "keyword":
		return e.Keyword
	case "gaid":
		return e.GAID
	case "idfa":
		return e.IDFA
	case "idfv":
		return e.IDFV
	case "oaid":
		return e.OAID
	case "sub1", "sub2", "sub3", "sub4", "sub5":
		return e.Sub[name[3]-'1']
	}
	return event.Clean(v.parameters.Get(name))
}

func playStore(u *url.URL) bool {
	return u.Scheme == "market" || u.Scheme == "https" && u.Host == "play.google.com"
}

// appStore says whether an address is one of Apple's or another store, which has no use for our
// parameter.
func appStore(u *url.URL) bool {
	switch u.Hostname() {
	case "apps.apple.com", "itunes.apple.com", "appgallery.huawei.com", "galaxystore.samsung.com", "apps.samsung.com", "www.amazon.com":
		return true
	}
	return false
}

// addReferrer gives the store the parameters that the app will find as its
// install referrer.
func addReferrer(u *url.URL, link *protocol.Link, id string) {
	parameters := u.Query()
	referrer := event.ParseQuery(parameters.Get("referrer"))
	referrer.Set("click_id", id)
	for name, value := range map[string]string{"utm_source": link.MediaSource, "utm_campaign": link.Campaign} {
		if value != "" && !referrer.Has(name) {
			referrer.Set(name, value)
		}
	}
	parameters.Set("referrer", referrer.Encode())
	u.RawQuery = parameters.Encode()
}
