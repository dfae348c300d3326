package ingest

import "github.com/unmogrowp/unmogrowp/protocol"

// appsflyerEvent serves POST /inappevent/{app_id}, AppsFlyer's server-to-server
// event, with a write key in the header "authentication".
func (c *call) appsflyerEvent() *problem {
	key := c.r.Header.Get("Authentication")
	if key == "" {
		key = headerKey(c.r)
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.openForeign(c.h.Limits.EventBytes, 1); p != nil {
		return p
	}
	w := c.rewriting()
	c.fromAppsFlyer(w)
	if p := c.become(w, 1); p != nil {
		return p
	}
	if p := c.one(protocol.KindTrack); p != nil {
		return p
	}
	return c.store()
}

// fromAppsFlyer writes the request as a track call. Only with a time is a
// repetition of the body the same event; without one it may be the next.
func (c *call) fromAppsFlyer(w *writer) {
	d := &c.doc
	at := d.scalar(d.member(0, "eventTime"))
	w.begin("")
	w.text("type", "track")
	w.text("event", ownName(d.scalar(d.member(0, "eventName"))))
	if at != "" {
		w.text("messageId", derivedID("af", c.r.PathValue("app_id"), string(c.body)))
		w.time("timestamp", at)
	}
	w.value("anonymousId", d, d.member(0, "appsflyer_id"))
	w.value("userId", d, d.member(0, "customer_user_id"))
	w.begin("properties")
	c.appsflyerValue(w)
	w.end()
	w.begin("context")
	c.appsflyerContext(w)
	w.end()
	w.begin("appsflyer")
	w.text("app_id", c.r.PathValue("app_id"))
	w.members(d, 0, "eventValue", "app_id", "ip")
	w.end()
	w.end()
}

// appsflyerValue writes eventValue: JSON in a string, or by mistake an object.
func (c *call) appsflyerValue(w *writer) {
	d, text := &c.doc, ""
	switch v := d.member(0, "eventValue"); d.kind(v) {
	case kindString:
		text = d.contents(v)
	case kindObject:
		text = view(d.raw(v))
	}
	currency := d.scalar(d.member(0, "eventCurrency"))
	inner, ok := c.inner(text)
	if !ok {
		w.text("eventValue", text)
		w.text("currency", currency)
		return
	}
	revenue := inner.member(0, "af_revenue")
	if name := inner.scalar(inner.member(0, "af_currency")); name != "" {
		currency = name
	}
	var replaced []string
	if revenue != 0 {
		replaced = append(replaced, "revenue")
	}
	if currency != "" {
		replaced = append(replaced, "currency")
	}
	w.members(inner, 0, replaced...)
	w.value("revenue", inner, revenue)
	w.text("currency", currency)
}

func (c *call) appsflyerContext(w *writer) {
	d := &c.doc
	w.literal("library", `{"name":"appsflyer-s2s"}`)
	w.value("ip", d, d.member(0, "ip"))
	w.begin("device")
	w.value("gaid", d, d.member(0, "advertising_id"))
	for _, name := range [...]string{"idfa", "idfv", "oaid"} {
		w.value(name, d, d.member(0, name))
	}
	if v := d.member(0, "aie"); d.kind(v) == kindFalse || d.scalar(v) == "false" {
		w.literal("adTrackingEnabled", "false")
	}
	w.end()
	manual := d.named(d.object(d.member(0, "consent_data")), "manual")
	personal := d.named(d.object(manual), "ad_personalization_enabled")
	data := d.named(d.object(manual), "ad_user_data_enabled")
	w.adsConsent(d.kind(personal) == kindFalse || d.kind(data) == kindFalse, d.kind(data) == kindTrue)
}

// adsConsent writes the answer to the purpose "ads", if there was one.
func (w *writer) adsConsent(denied, granted bool) {
	switch {
	case denied:
		w.literal("consent", `{"ads":false}`)
	case granted:
		w.literal("consent", `{"ads":true}`)
	}
}
