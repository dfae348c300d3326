package event

import (
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// campaign sets where the person came from, field by field: context.campaign before the address of
// the page or of the deep link, before the store's install referrer, before the network of a click
// id. A visit that names anything has a source: failing all others, the site that it came from, or
// "direct".
func (m *Maker) campaign() Reason {
	e, msg := &m.Event, &m.message
	e.ClickID = m.statedClick()
	if msg.ctx.campaign != 0 {
		m.campaignContext(msg.ctx.campaign)
		if e.MediaSource != "" || e.Campaign != "" {
			e.Stated = protocol.StatedByMessage
		}
	}
	if p := &msg.props; msg.ctx.page != 0 || p.url != 0 || p.search != 0 || p.deepLink != 0 || p.link != 0 || p.referrer != 0 {
		m.readAddresses()
	} else {
		m.pages.referrer = ""
	}
	if referrer := installReferrer(&m.Doc, msg); referrer != "" {
		var q query
		e.Referrer = clip(q.readReferrer(referrer), MaxReferrer)
		q.fill(&m.Event, protocol.StatedByReferrer, protocol.StatedByNetworkReferrer)
	}
	if visits(e) {
		m.nameSource()
	}
	return Accepted
}

// readAddresses reads the addresses of the page or of the deep link.
func (m *Maker) readAddresses() {
	var q query
	m.pages.read(&m.Doc, &m.message)
	for _, address := range &m.pages.address {
		if address != "" {
			q.read(address)
		}
	}
	q.fill(&m.Event, protocol.StatedByAddress, protocol.StatedByNetwork)
	if visits(&m.Event) && m.Link != nil && len(m.App.LinkHosts) > 0 {
		m.openedLink()
	}
}

// openedLink takes the campaign of a tracking link by which the app was opened: a system that knows
// the app's link hosts opens it without asking us, so that the opening is the only trace of the
// click.
func (m *Maker) openedLink() {
	e := &m.Event
	for _, address := range &m.pages.address {
		host, scheme := hostOf(address)
		if scheme != "https" && scheme != "http" || !slices.Contains(m.App.LinkHosts, host) && !slices.Contains(m.App.LinkHosts, "www."+host) {
			continue
		}
		_, path, _ := strings.Cut(address[len(scheme)+len("://"):], "/")
		slug, found := strings.CutPrefix(path, "c/")
		if end := strings.IndexAny(slug, "/?#"); end >= 0 {
			slug = slug[:end]
		}
		link, ok := m.Link(slug)
		if !found || !ok || link.App != e.App {
			continue
		}
		e.LinkID, e.MediaSource, e.Stated = link.ID, link.MediaSource, protocol.StatedByLink
		e.Campaign, e.AdSet, e.Ad, e.Keyword = first(e.Campaign, link.Campaign), first(e.AdSet, link.AdSet), first(e.Ad, link.Ad), first(e.Keyword, link.Keyword)
		if link.Retargeting {
			e.Flags |= protocol.FlagRetargeting
		}
		return
	}
}

// visits reports whether an event is a visit itself, if it names a campaign.
func visits(e *protocol.Event) bool {
	switch e.Kind {
	case protocol.KindPage, protocol.KindScreen:
		return true
	case protocol.KindTrack:
		return e.Name == "Deep Link Opened" || e.Name == "Application Opened"
	}
	return false
}

// statedClick is the click id among the properties: of a click of ours, or of one that a server
// reported.
func (m *Maker) statedClick() string {
	id := strings.TrimSpace(m.Doc.Scalar(m.message.props.clickID))
	if id == "" {
		return ""
	}
	if protocol.SaysNothing(id) {
		m.warn(protocol.WarnIDIgnored, id, "is no click id")
		return ""
	}
	return short(id)
}

func (m *Maker) campaignContext(campaign document.Ref) {
	e, d := &m.Event, &m.Doc
	for k, end := campaign+1, d.Next(campaign); k < end; k = d.Next(k + 1) {
		var field *string
		switch d.Contents(k) {
		case "source", "utm_source":
			field = &e.MediaSource
		case "medium", "utm_medium":
			field = &e.Medium
		case "name", "campaign", "utm_campaign":
			field = &e.Campaign
		case "term", "keyword", "utm_term":
			field = &e.Keyword
		case "content", "ad", "utm_content":
			field = &e.Ad
		case "adset":
			field = &e.AdSet
		default:
			continue
		}
		if value := d.Scalar(k + 1); *field == "" && !unnamed(value) {
			*field = short(value)
		}
	}
}

// fill sets unknown fields from the parameters of an address. A click id of ours counts more than a
// network's.
func (q *query) fill(e *protocol.Event, stated, byNetwork protocol.Stated) {
	for _, f := range [...]struct {
		field *string
		value string
	}{{&e.Medium, q.medium}, {&e.Keyword, q.term}, {&e.Ad, q.ad}, {&e.AdSet, q.adSet}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if e.MediaSource == "" && q.source != "" {
		e.MediaSource, e.Stated = q.source, stated
	}
	if e.MediaSource == "" && q.network != "" {
		e.MediaSource, e.Stated = q.network, byNetwork
	}
	if e.Campaign == "" && q.campaign != "" {
		e.Campaign = q.campaign
		if e.Stated == protocol.StatedNowhere {
			e.Stated = stated
		}
	}
	switch {
	case e.Kind != protocol.KindTrack && !visits(e): // who somebody is, is not said by how they came
	case e.ClickID != "" && e.ClickID == q.networkID: // some SDKs repeat a network's id among the properties
		e.Network = q.network
	case e.ClickID != "":
	case q.clickID != "":
		e.ClickID = q.clickID
	case q.networkID != "":
		e.ClickID, e.Network = q.networkID, q.network
	}
}

// nameSource gives a visit that names anything a source, and one that names nothing the site that
// it came from.
func (m *Maker) nameSource() {
	e := &m.Event
	if e.MediaSource != "" {
		return
	}
	if site, medium := m.pages.site(); site != "" {
		e.MediaSource, e.Stated = site, protocol.StatedBySite
		if e.Medium == "" {
			e.Medium = medium
		}
		return
	}
	if e.ClickID != "" || e.Campaign != "" || e.Medium != "" || e.Keyword != "" || e.Ad != "" || e.AdSet != "" {
		e.MediaSource = "direct"
	}
}

// places are where the address of a page or of a deep link may stand, and the page before it.
type places struct {
	address  [6]string
	referrer string
}

// read finds the places of a message.
func (p *places) read(d *document.Document, msg *message) {
	props, page := &msg.props, msg.ctx.page
	p.address = [6]string{2: d.Str(props.search), 3: d.Str(props.url), 4: d.Str(props.deepLink), 5: d.Str(props.link)}
	p.referrer = d.Str(props.referrer)
	if page == 0 {
		return
	}
	for k, end := page+1, d.Next(page); k < end; k = d.Next(k + 1) {
		switch d.Contents(k) {
		case "search":
			p.address[0] = d.Str(k + 1)
		case "url":
			p.address[1] = d.Str(k + 1)
		case "referrer":
			p.referrer = d.Str(k + 1)
		}
	}
}

// installReferrer is properties.install_referrer, or context.referrer: a string,
// or an object with a url.
func installReferrer(d *document.Document, msg *message) string {
	if s := d.Str(msg.props.installReferrer); s != "" {
		return s
	}
	if r := msg.ctx.referrer; d.Kind(r) == document.Object {
		return d.Str(d.Member(r, "url"))
	}
	return d.Str(msg.ctx.referrer)
}
