package event

import (
	"github.com/unmogrowp/unmogrowp/agent/document"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// campaign sets where the person came from: context.campaign, or else the
// parameters of the page's address, or else the store's install referrer.
func (m *Maker) campaign() Reason {
	e, msg, d := &m.Event, &m.message, &m.Doc
	e.ClickID = short(d.Scalar(msg.props.clickID))
	e.Referrer = clip(m.installReferrer(), MaxReferrer)
	if msg.ctx.campaign != 0 {
		m.campaignContext(msg.ctx.campaign)
	}
	q := query{known: e.MediaSource != "" || e.Campaign != ""}
	for _, address := range m.addresses() {
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
	return Accepted
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

func (m *Maker) campaignContext(campaign document.Ref) {
	e, d := &m.Event, &m.Doc
	d.Members(campaign, func(key string, v document.Ref) bool {
		switch key {
		case "source":
			e.MediaSource = short(d.Scalar(v))
		case "medium":
			e.Medium = short(d.Scalar(v))
		case "name":
			e.Campaign = short(d.Scalar(v))
		case "term":
			e.Keyword = short(d.Scalar(v))
		case "content":
			e.Ad = short(d.Scalar(v))
		case "adset":
			e.AdSet = short(d.Scalar(v))
		}
		return true
	})
}

// installReferrer is properties.install_referrer, or context.referrer: a string,
// or an object with a url.
func (m *Maker) installReferrer() string {
	msg, d := &m.message, &m.Doc
	if s := d.Str(msg.props.installReferrer); s != "" {
		return s
	}
	if r := msg.ctx.referrer; d.Kind(r) == document.Object {
		return d.Str(d.Member(r, "url"))
	}
	return d.Str(msg.ctx.referrer)
}

// addresses are the places where the address of a page may stand.
func (m *Maker) addresses() [4]string {
	msg, d := &m.message, &m.Doc
	var a [4]string
	if msg.ctx.page != 0 {
		d.Members(msg.ctx.page, func(key string, v document.Ref) bool {
			switch key {
			case "search":
				a[0] = d.Str(v)
			case "url":
				a[1] = d.Str(v)
			}
			return true
		})
	}
	a[2], a[3] = d.Str(msg.props.search), d.Str(msg.props.url)
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

// ReferrerClickID is the click id in an install referrer, "" if there is none.
func ReferrerClickID(referrer string) string {
	var q query
	q.readReferrer(clip(referrer, MaxReferrer))
	return q.clickID
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
func short(s string) string { return clip(strings.TrimSpace(s), MaxShort) }

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
