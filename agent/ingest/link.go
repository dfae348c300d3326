package ingest

import (
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// serveClick serves GET /c/{slug}: the click is made durable, then the person is sent
// on. Should it not be storable, the person is sent on all the same and the loss
// is counted: a broken link helps nobody.
func serveClick(c *call) *problem {
	link, p := c.link()
	if p != nil {
		return p
	}
	c.makeTouch(&link, protocol.KindClick, c.h.clickID(&link))
	v := visitor{platform: platform(c.Agent()), country: c.maker.Event.Country, event: &c.maker.Event, link: &link, parameters: event.ParseQuery(c.r.URL.RawQuery)}
	w := v.lead()
	if w.to == "" {
		return &problem{status: http.StatusNotFound, code: "no_destination", text: "this link has no usable destination; set its fallback"}
	}
	c.storeTouch()
	header := c.w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer-when-downgrade")
	if w.app != "" {
		writeTryPage(c, w)
		return nil
	}
	header.Set("Location", w.to)
	c.write(http.StatusFound, "text/plain; charset=utf-8", nil)
	return nil
}

// serveImpression serves GET /i/{slug}: a pixel, or nothing where no image is wanted.
func serveImpression(c *call) *problem {
	link, p := c.link()
	if p != nil {
		return p
	}
	c.makeTouch(&link, protocol.KindImpression, c.h.NewID())
	c.storeTouch()
	accept := c.r.Header.Get("Accept")
	if accept == "" || strings.Contains(accept, "image/") || strings.Contains(accept, "*/*") {
		writeGIF(c)
		return nil
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// link finds the link of the path and the app that it belongs to.
func (c *call) link() (protocol.Link, *problem) {
	link, ok := c.h.Directory.Link(c.r.PathValue("slug"))
	if owner, known := linkHost(c); known && owner.ID != link.App { // a host of its own shows an app's links only
		ok = false
	}
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

// makeTouch makes an event of a click or an impression.
func (c *call) makeTouch(link *protocol.Link, kind protocol.Kind, id string) {
	c.compute()
	c.maker.Begin(c.request())
	watch := c.watchClicks
	if c.looksOnly() {
		watch = func(*protocol.Event) {}
	}
	c.maker.MakeClick(&event.Click{Link: link, Kind: kind, ID: id, Parameters: event.ParseQuery(c.r.URL.RawQuery), Referrer: c.r.Referer(),
		Keys: c.h.Limits.Keys, Value: c.h.Limits.StringBytes}, watch)
}

// looksOnly says whether nobody has clicked: a HEAD looks where the link leads, and a browser that
// fetches ahead fetches what nobody may ever open.
func (c *call) looksOnly() bool {
	if c.r.Method == http.MethodHead {
		return true
	}
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		purpose := strings.ToLower(c.r.Header.Get(name))
		if strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") || strings.Contains(purpose, "preview") {
			return true
		}
	}
	return false
}

// storeTouch makes the event of a click or an impression durable.
func (c *call) storeTouch() {
	if c.looksOnly() {
		return
	}
	if c.keep(&c.maker.Event) != event.Accepted {
		c.h.metrics.lost.Inc()
		return
	}
	if p := c.append(); p != nil {
		c.h.metrics.lost.Inc()
	}
}
