package ingest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const (
	deepLinkWindow = 2 * time.Hour // after the click
	maxOpened      = 10_000        // clicks of one generation of opened
	uuidLength     = 36
)

// clickID is the id of a click on a link. The link's slug is part of it, and a
// UUID of version 7 tells its time: so any agent that knows the link can answer
// for the click, also after a restart, and none has to remember it. A slug that
// is too long for a message id is left out; such a link has no deferred deep link.
func (h *Handler) clickID(link *protocol.Link) string {
	id := h.NewID()
	if len(id)+1+len(link.Slug) > event.MaxMessageID || !event.ValidMessageID(link.Slug) {
		return id
	}
	return id + "." + link.Slug
}

// splitClickID is the inverse of clickID.
func splitClickID(id string) (slug string, at time.Time, ok bool) {
	if len(id) < uuidLength+2 || id[uuidLength] != '.' {
		return "", at, false
	}
	u, err := uuid.Parse(id[:uuidLength])
	if err != nil || u.Version() != 7 {
		return "", at, false
	}
	return id[uuidLength+1:], time.Unix(u.Time().UnixTime()), true
}

// opened remembers which clicks were answered for, in two generations: no fewer
// than maxOpened clicks, and for no less than deepLinkWindow unless they are more.
type opened struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	since      time.Time // of young
}

// first reports whether it is asked for id for the first time.
func (o *opened) first(id string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young == nil || len(o.young) >= maxOpened || now.Sub(o.since) >= deepLinkWindow {
		o.young, o.old, o.since = make(map[string]struct{}), o.young, now
	}
	_, young := o.young[id]
	_, old := o.old[id]
	if young || old {
		return false
	}
	o.young[strings.Clone(id)] = struct{}{}
	return true
}

// serveDeepLink serves GET /v1/deeplink: where in the app the person wanted to go who
// clicked a link before the app was installed. It is asked at the first open,
// with the click's id or the install referrer that holds it, and answers once.
func serveDeepLink(c *call) *problem {
	parameters := c.r.URL.Query()
	id := parameters.Get("click_id")
	if id == "" {
		id = event.ReferrerClickID(parameters.Get("referrer"))
	}
	if id == "" {
		return &problem{status: http.StatusBadRequest, code: "missing_click_id", text: "send click_id, or the install referrer as referrer"}
	}
	slug, at, ok := splitClickID(id)
	if age := c.began.Sub(at); !ok || age > deepLinkWindow || age < -event.LatestTime {
		return noDeepLink()
	}
	link, ok := c.h.Directory.Link(slug)
	if !ok && !c.h.Directory.Fresh() {
		return cutOffProblem()
	}
	if !ok || link.App != c.app.ID || len(link.DeepLinks) == 0 {
		return noDeepLink()
	}
	if c.r.Method != http.MethodHead && !c.h.opened.first(id, c.began) {
		return noDeepLink()
	}
	return writeDeepLink(c, &link, id, at)
}

func noDeepLink() *problem {
	return &problem{status: http.StatusNotFound, code: "no_deep_link",
		text: "no deep link for this click: it is older than 2 hours, was answered before, or its link has none"}
}

func writeDeepLink(c *call, link *protocol.Link, id string, at time.Time) *problem {
	all := make(map[string]string, len(link.DeepLinks))
	for platform, registered := range link.DeepLinks {
		v := visitor{platform: platform, link: link, event: &protocol.Event{ID: id, MediaSource: link.MediaSource, Campaign: link.Campaign,
			AdSet: link.AdSet, Ad: link.Ad, Keyword: link.Keyword}}
		if address := v.usable(registered); address != "" {
			all[platform] = address
		}
	}
	name := c.r.URL.Query().Get("platform")
	if name == "" {
		name = platform(c.r.UserAgent())
	}
	chosen := protocol.Choose(all, name, c.Country(c.Address()))
	body, err := json.Marshal(struct {
		Success     bool              `json:"success"`
		ClickID     string            `json:"click_id"`
		ClickedAt   time.Time         `json:"clicked_at"`
		Link        string            `json:"link"`
		DeepLink    string            `json:"deep_link,omitempty"`
		DeepLinks   map[string]string `json:"deep_links"`
		MediaSource string            `json:"media_source,omitempty"`
		Campaign    string            `json:"campaign,omitempty"`
		AdSet       string            `json:"adset,omitempty"`
		Ad          string            `json:"ad,omitempty"`
		Keyword     string            `json:"keyword,omitempty"`
	}{true, id, at.UTC(), link.Slug, chosen, all, link.MediaSource, link.Campaign, link.AdSet, link.Ad, link.Keyword})
	if err != nil {
		return &problem{status: http.StatusInternalServerError, code: "internal", text: "internal error"}
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.write(http.StatusOK, "application/json", body)
	return nil
}
