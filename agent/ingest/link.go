package ingest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// click serves GET /c/{slug}: the click is made durable, then the person is sent
// on. Should it not be storable, the person is sent on all the same and the loss
// is counted: a broken link helps nobody.
func (c *call) click() *problem {
	link, p := c.link()
	if p != nil {
		return p
	}
	id := c.h.clickID(&link)
	destination := destination(&link, platform(c.r.UserAgent()), c.countryOf(c.clientAddress()), id)
	if destination == "" {
		return &problem{status: http.StatusNotFound, code: "no_destination", text: "this link has no usable destination; set its fallback"}
	}
	if c.r.Method != http.MethodHead { // a HEAD looks where the link leads, nobody has clicked
		c.storeTouch(&link, protocol.KindClick, id)
	}
	header := c.w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer-when-downgrade")
	header.Set("Location", destination)
	c.write(http.StatusFound, "text/plain; charset=utf-8", nil)
	return nil
}

// impression serves GET /i/{slug}: a pixel, or nothing where no image is wanted.
func (c *call) impression() *problem {
	link, p := c.link()
	if p != nil {
		return p
	}
	if c.r.Method != http.MethodHead {
		c.storeTouch(&link, protocol.KindImpression, c.h.NewID())
	}
	accept := c.r.Header.Get("Accept")
	if accept == "" || strings.Contains(accept, "image/") || strings.Contains(accept, "*/*") {
		c.writeGIF()
		return nil
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// link finds the link of the path and the app that it belongs to.
func (c *call) link() (protocol.Link, *problem) {
	link, ok := c.h.Directory.Link(c.r.PathValue("slug"))
	if ok {
		if c.app, ok = c.h.Directory.App(link.App); ok && !c.app.Blocked {
			return link, nil
		}
	}
	if !c.h.Directory.Fresh() {
		return link, cutOffProblem()
	}
	return link, &problem{status: http.StatusNotFound, code: "unknown_link", text: "there is no such link"}
}

func cutOffProblem() *problem {
	return &problem{status: http.StatusServiceUnavailable, code: "link_not_known_yet", retryAfter: closingProblem().retryAfter,
		text: "this agent is cut off from its aggregators and does not know the link; try again later"}
}

// storeTouch makes a click or an impression durable.
func (c *call) storeTouch(link *protocol.Link, kind protocol.Kind, id string) {
	c.compute()
	e := &c.event
	*e = protocol.Event{
		App: link.App, ID: id, Kind: kind, LinkID: link.ID, MediaSource: link.MediaSource,
		Campaign: link.Campaign, AdSet: link.AdSet, Ad: link.Ad, Keyword: link.Keyword,
		// This agent is the client here and stamps once: its clock is the original time.
		Original: c.received, Time: c.received, Received: c.received,
		IP: c.clientAddress(), UserAgent: clip(clean(c.r.UserAgent()), maxUserAgent),
	}
	if link.Retargeting {
		e.Flags |= protocol.FlagRetargeting
	}
	c.classify()
	e.Country = c.countryOf(e.IP)
	if kind == protocol.KindClick {
		c.watchClicks()
	}
	c.hide()
	parameters := c.touchParameters()
	payload, err := json.Marshal(map[string]any{"type": kind.String(), "link": link.Slug, "query": parameters, "referrer": clip(clean(c.r.Referer()), maxReferrer)})
	if err != nil || len(payload) > c.h.Limits.EventBytes {
		payload = []byte(`{}`)
	}
	e.Payload, e.Digest = payload, digest(kind, payload)
	if c.encode() != accepted {
		c.h.metrics.lost.Inc()
		return
	}
	if p := c.append(); p != nil {
		c.h.metrics.lost.Inc()
	}
}

// touchParameters sets what the parameters of a link mean, and returns them all
// to be stored: any of them can be asked for by a postback.
func (c *call) touchParameters() map[string]string {
	e := &c.event
	values := c.r.URL.Query()
	all := make(map[string]string, min(len(values), c.h.Limits.Keys))
	cost := ""
	var networks query
	for name, list := range values {
		name, value := clean(name), clean(list[0])
		if len(all) < c.h.Limits.Keys {
			all[name] = clip(value, c.h.Limits.StringBytes)
		}
		switch f := touchField(e, name); {
		case name == "media_source": // whose link it is, is not for its visitors to say
		case name == "cost":
			cost = value
		case name == "gaid":
			e.GAID = androidID(bounded(value))
		case name == "oaid":
			e.OAID = androidID(bounded(value))
		case name == "idfa":
			e.IDFA = appleID(bounded(value))
		case name == "idfv":
			e.IDFV = appleID(bounded(value))
		case f != nil && value != "":
			*f = short(value)
		case networkName(name) != "":
			networks.take(name, url.QueryEscape(value))
		}
	}
	e.ClickID = first(e.ClickID, networks.networkID)
	if !c.setCost(cost) {
		e.Cost, e.CostCurrency = 0, "" // a wrong cost does not undo the click
	}
	return all
}

// bounded drops an id that is too long to be one, such as an unfilled macro of a
// network with text around it.
func bounded(id string) string {
	if len(id) > maxID {
		return ""
	}
	return id
}

// clean makes text from a header or an address storable.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
