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
	id := c.h.clickID(&link)
	destination := destination(&link, platform(c.r.UserAgent()), c.Country(c.Address()), id)
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

// serveImpression serves GET /i/{slug}: a pixel, or nothing where no image is wanted.
func serveImpression(c *call) *problem {
	link, p := c.link()
	if p != nil {
		return p
	}
	if c.r.Method != http.MethodHead {
		c.storeTouch(&link, protocol.KindImpression, c.h.NewID())
	}
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
	c.maker.Begin(event.Request{App: c.app, Received: c.received, Client: c, NewID: c.h.NewID, EventBytes: c.h.Limits.EventBytes})
	c.maker.MakeClick(&event.Click{Link: link, Kind: kind, ID: id, Parameters: event.ParseQuery(c.r.URL.RawQuery), Referrer: c.r.Referer(),
		Keys: c.h.Limits.Keys, Value: c.h.Limits.StringBytes}, c.watchClicks)
	if c.keep(&c.maker.Event) != event.Accepted {
		c.h.metrics.lost.Inc()
		return
	}
	if p := c.append(); p != nil {
		c.h.metrics.lost.Inc()
	}
}
