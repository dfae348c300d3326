package ingest

import "net/http"

// measurement serves POST /mp/collect, the Measurement Protocol of Google
// Analytics 4. Its senders know no refusals and read no answer: it is always
// 204, with the reason of a refusal in a header. Only where the events were not
// stored although they may be sent again is the answer 429 or 503.
func (c *call) measurement() *problem {
	p := c.collect()
	if p != nil && (p.status == http.StatusTooManyRequests || p.status >= http.StatusInternalServerError) {
		return p
	}
	header := c.w.Header()
	switch {
	case p != nil:
		header.Set("X-Refused", p.code)
		c.h.Logger.Debug("GA4 request refused", "code", p.code, "reason", p.text)
	case len(c.rejected) > 0:
		header.Set("X-Refused", c.rejected[0].reason.explain().code)
	}
	header.Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) collect() *problem {
	key := c.r.URL.Query().Get("api_secret")
	if key == "" {
		key = headerKey(c.r)
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.openForeign(maxForeign, 3); p != nil {
		return p
	}
	if p := c.checkOrigin(); p != nil {
		return p
	}
	d := &c.doc
	list := d.member(0, "events")
	if d.kind(list) != kindArray {
		return &problem{status: http.StatusBadRequest, code: "missing_events", text: `the body needs "events", a list of events`}
	}
	if p := c.checkShared(list); p != nil {
		return p
	}
	w := c.rewriting()
	if c.fromGA4(w, list); len(w.out) > c.h.Limits.BodyBytes {
		return c.bodyProblem(errTooLarge)
	}
	if p := c.become(w, 3); p != nil {
		return p
	}
	if p := c.each(); p != nil {
		return p
	}
	return c.persist()
}

// fromGA4 writes the request as a batch.
func (c *call) fromGA4(w *writer, list ref) {
	d := &c.doc
	w.begin("")
	w.begin("context")
	w.literal("library", `{"name":"ga4-measurement-protocol"}`)
	w.value("ip", d, d.member(0, "ip_override"))
	consent := d.object(d.member(0, "consent"))
	data, personal := d.str(d.named(consent, "ad_user_data")), d.str(d.named(consent, "ad_personalization"))
	w.adsConsent(data == "DENIED" || personal == "DENIED" || d.kind(d.member(0, "non_personalized_ads")) == kindTrue, data == "GRANTED")
	w.end()
	w.out = append(w.next("batch"), '[')
	index := 0
	for item := list + 1; item < d.nodes[list].next; item = d.nodes[item].next {
		if d.kind(item) == kindObject {
			c.ga4Event(w, item, index)
		} else {
			w.out = append(w.next(""), d.raw(item)...) // refused in its turn
		}
		index++
	}
	w.out = append(w.out, ']')
	w.end()
}

func (c *call) ga4Event(w *writer, item ref, index int) {
	d := &c.doc
	name, params := d.scalar(d.member(item, "name")), d.object(d.member(item, "params"))
	client := d.member(0, "client_id")
	if d.scalar(client) == "" {
		client = d.member(0, "app_instance_id")
	}
	at := first(d.scalar(d.member(item, "timestamp_micros")), d.scalar(d.member(0, "timestamp_micros")))
	order := d.scalar(d.named(params, "transaction_id"))
	w.begin("")
	switch name {
	case "page_view":
		w.literal("type", `"page"`)
		w.text("name", d.scalar(d.named(params, "page_title")))
	case "screen_view":
		w.literal("type", `"screen"`)
		w.text("name", first(d.scalar(d.named(params, "screen_name")), d.scalar(d.named(params, "firebase_screen"))))
	default:
		w.literal("type", `"track"`)
		w.text("event", ownName(name))
	}
	switch {
	case order != "" && ownName(name) == orderCompleted:
		w.text("messageId", derivedID("ga4", d.scalar(client), name, order))
	case at != "":
		w.text("messageId", derivedID("ga4", d.scalar(client), at, itoa(index), view(d.raw(item))))
	}
	w.time("timestamp", at)
	w.value("anonymousId", d, client)
	w.value("userId", d, d.member(0, "user_id"))
	w.begin("properties")
	if params != 0 {
		w.members(d, params, "order_id")
	}
	w.text("order_id", first(order, d.scalar(d.named(params, "order_id"))))
	w.end()
	w.begin("context")
	c.ga4Context(w, name, params)
	w.end()
	w.begin("ga4")
	w.text("name", name)
	w.text("stream", first(c.r.URL.Query().Get("measurement_id"), c.r.URL.Query().Get("firebase_app_id")))
	w.value("user_properties", d, d.member(0, "user_properties"))
	w.value("device", d, d.member(0, "device"))
	w.end()
	w.end()
}

// ga4Context writes the page and the campaign that an event names.
func (c *call) ga4Context(w *writer, name string, params ref) {
	d := &c.doc
	w.begin("page")
	for _, f := range [...][2]string{{"url", "page_location"}, {"referrer", "page_referrer"}, {"title", "page_title"}} {
		w.text(f[0], d.scalar(d.named(params, f[1])))
	}
	w.end()
	if name != "campaign_details" && ownName(name) != installed {
		return
	}
	w.begin("campaign")
	for _, f := range [...][2]string{{"source", "source"}, {"medium", "medium"}, {"name", "campaign"}, {"term", "term"}, {"content", "content"}} {
		w.text(f[0], d.scalar(d.named(params, f[1])))
	}
	w.end()
}
