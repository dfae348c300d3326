package ingest

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// campaign sets where the person came from: context.campaign, or else the
// parameters of the page's address, or else the store's install referrer.
func (c *call) campaign() reason {
	e, m, d := &c.event, &c.message, &c.doc
	e.ClickID = short(d.scalar(m.props.clickID))
	e.Referrer = clip(c.installReferrer(), maxReferrer)
	if m.ctx.campaign != 0 {
		c.campaignContext(m.ctx.campaign)
	}
	q := query{known: e.MediaSource != "" || e.Campaign != ""}
	for _, address := range c.addresses() {
		q.read(address)
	}
	q.fill(e, visits(e))
	if e.Referrer != "" {
		q = query{known: e.MediaSource != "" || e.Campaign != ""}
		q.readReferrer(e.Referrer)
		q.fill(e, false)
		if e.ClickID == "" {
			e.ClickID = q.clickID
		}
	}
	return accepted
}

// visits reports whether an event is the visit itself. The click id in a page's
// address belongs to the visit; on a later event of the same page it would claim
// that click for whoever was sent a copy of the address.
func visits(e *protocol.Event) bool {
	switch e.Kind {
	case protocol.KindPage, protocol.KindScreen:
		return true
	case protocol.KindTrack:
		return e.Name == "Deep Link Opened" || e.Name == "Application Opened"
	}
	return false
}

func (c *call) campaignContext(campaign ref) {
	e, d := &c.event, &c.doc
	d.members(campaign, func(key string, v ref) bool {
		switch key {
		case "source":
			e.MediaSource = short(d.scalar(v))
		case "medium":
			e.Medium = short(d.scalar(v))
		case "name":
			e.Campaign = short(d.scalar(v))
		case "term":
			e.Keyword = short(d.scalar(v))
		case "content":
			e.Ad = short(d.scalar(v))
		case "adset":
			e.AdSet = short(d.scalar(v))
		}
		return true
	})
}

// installReferrer is properties.install_referrer, or context.referrer: a string,
// or an object with a url.
func (c *call) installReferrer() string {
	m, d := &c.message, &c.doc
	if s := d.str(m.props.installReferrer); s != "" {
		return s
	}
	if r := m.ctx.referrer; d.kind(r) == kindObject {
		return d.str(d.member(r, "url"))
	}
	return d.str(m.ctx.referrer)
}

// addresses are the places where the address of a page may stand.
func (c *call) addresses() [4]string {
	m, d := &c.message, &c.doc
	var a [4]string
	if m.ctx.page != 0 {
		d.members(m.ctx.page, func(key string, v ref) bool {
			switch key {
			case "search":
				a[0] = d.str(v)
			case "url":
				a[1] = d.str(v)
			}
			return true
		})
	}
	a[2], a[3] = d.str(m.props.search), d.str(m.props.url)
	return a
}

// query collects campaign parameters. The first value of each counts.
type query struct {
	known                                  bool // something else has named the campaign
	source, medium, campaign, term, adName string
	clickID                                string // our own
	networkID, network                     string // a network's, and its name
}

// read takes the parameters of an address, or of a bare query such as "?a=b".
func (q *query) read(address string) {
	_, parameters, found := strings.Cut(address, "?")
	if !found {
		return
	}
	parameters, _, _ = strings.Cut(parameters, "#")
	q.parse(parameters)
}

// readReferrer takes the parameters of a Play install referrer, which may be
// escaped as a whole. Play says "organic" where there was no campaign.
func (q *query) readReferrer(referrer string) {
	if strings.Contains(referrer, "://") {
		q.read(referrer)
		return
	}
	if !strings.Contains(referrer, "=") {
		if plain, err := url.QueryUnescape(referrer); err == nil {
			referrer = plain
		}
	}
	q.parse(strings.TrimPrefix(referrer, "?"))
	if q.medium == "organic" && q.source == "google-play" || q.source == "(not set)" {
		*q = query{known: q.known, clickID: q.clickID}
	}
}

func (q *query) parse(parameters string) {
	for parameters != "" {
		var pair string
		pair, parameters, _ = strings.Cut(parameters, "&")
		name, value, _ := strings.Cut(pair, "=")
		if value != "" {
			q.take(name, value)
		}
	}
}

func (q *query) take(name, value string) {
	field := (*string)(nil)
	network := ""
	switch name {
	case "utm_source":
		field = &q.source
	case "utm_medium":
		field = &q.medium
	case "utm_campaign":
		field = &q.campaign
	case "utm_term":
		field = &q.term
	case "utm_content":
		field = &q.adName
	case "click_id":
		field = &q.clickID
	default:
		if network = networkName(name); network == "" {
			return
		}
	}
	if network != "" && q.networkID == "" {
		field, q.network = &q.networkID, network
	}
	if field == nil || *field != "" {
		return
	}
	if strings.ContainsAny(value, "%+") {
		plain, err := url.QueryUnescape(value)
		if err != nil {
			return
		}
		value = plain
	}
	if !utf8.ValidString(value) {
		return
	}
	*field = short(strings.ReplaceAll(value, "\x00", ""))
}

// networkName is the network that adds a parameter of this name to a link.
func networkName(parameter string) string {
	switch parameter {
	case "gclid":
		return "google"
	case "fbclid":
		return "facebook"
	case "ttclid":
		return "tiktok"
	case "msclkid":
		return "microsoft"
	}
	return ""
}

// fill sets what is not known yet. Click ids are only taken if claim is set.
func (q *query) fill(e *protocol.Event, claim bool) {
	if !q.known {
		e.MediaSource = first(e.MediaSource, first(q.source, q.network))
		e.Medium = first(e.Medium, q.medium)
		e.Campaign = first(e.Campaign, q.campaign)
		e.Keyword = first(e.Keyword, q.term)
		e.Ad = first(e.Ad, q.adName)
	}
	if claim {
		e.ClickID = first(e.ClickID, first(q.clickID, q.networkID))
	}
}

// short bounds a field that the payload holds in full.
func short(s string) string { return clip(strings.TrimSpace(s), maxShort) }

// clip cuts s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
