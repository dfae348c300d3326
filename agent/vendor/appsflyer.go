package vendor

import "github.com/unmogrowp/unmogrowp/agent/document"

// AppsFlyer writes AppsFlyer's server-to-server event as a track call. Only with a time is a
// repetition of the body the same event; without one it may be the next.
func (r *Rewriter) AppsFlyer(request *Request) *Refusal {
	w, d, appID := &r.Writer, request.Doc, request.Path("app_id")
	at := d.Scalar(d.Member(0, "eventTime"))
	w.Begin("")
	w.Text("type", "track")
	w.Text("event", ownName(d.Scalar(d.Member(0, "eventName"))))
	if at != "" {
		w.Text("messageId", derivedID("af", appID, string(d.Text())))
		r.time("timestamp", at)
	}
	w.Value("anonymousId", d, d.Member(0, "appsflyer_id"))
	w.Value("userId", d, d.Member(0, "customer_user_id"))
	w.Begin("properties")
	r.appsflyerValue(d)
	w.End()
	w.Begin("context")
	appsflyerContext(w, d)
	w.End()
	w.Begin("appsflyer")
	w.Text("app_id", appID)
	w.Members(d, 0, "eventValue", "app_id", "ip")
	w.End()
	w.End()
	return nil
}

// appsflyerValue writes eventValue: JSON in a string, or by mistake an object.
func (r *Rewriter) appsflyerValue(d *document.Document) {
	w, text := &r.Writer, ""
	switch v := d.Member(0, "eventValue"); d.Kind(v) {
	case document.String:
		text = d.Contents(v)
	case document.Object:
		text = document.View(d.Raw(v))
	}
	currency := d.Scalar(d.Member(0, "eventCurrency"))
	inner, ok := r.inner(text)
	if !ok {
		w.Text("eventValue", text)
		w.Text("currency", currency)
		return
	}
	revenue := inner.Member(0, "af_revenue")
	if name := inner.Scalar(inner.Member(0, "af_currency")); name != "" {
		currency = name
	}
	var replaced []string
	if revenue != 0 {
		replaced = append(replaced, "revenue")
	}
	if currency != "" {
		replaced = append(replaced, "currency")
	}
	w.Members(inner, 0, replaced...)
	w.Value("revenue", inner, revenue)
	w.Text("currency", currency)
}

func appsflyerContext(w *document.Writer, d *document.Document) {
	w.Literal("library", `{"name":"appsflyer-s2s"}`)
	w.Value("ip", d, d.Member(0, "ip"))
	w.Begin("device")
	w.Value("gaid", d, d.Member(0, "advertising_id"))
	for _, name := range [...]string{"idfa", "idfv", "oaid"} {
		w.Value(name, d, d.Member(0, name))
	}
	if v := d.Member(0, "aie"); d.Kind(v) == document.False || d.Scalar(v) == "false" {
		w.Literal("adTrackingEnabled", "false")
	}
	w.End()
	manual := d.Named(d.Object(d.Member(0, "consent_data")), "manual")
	personal := d.Named(d.Object(manual), "ad_personalization_enabled")
	data := d.Named(d.Object(manual), "ad_user_data_enabled")
	adsConsent(w, d.Kind(personal) == document.False || d.Kind(data) == document.False, d.Kind(data) == document.True)
}

// adsConsent writes the answer to the purpose "ads", if there was one.
func adsConsent(w *document.Writer, denied, granted bool) {
	switch {
	case denied:
		w.Literal("consent", `{"ads":false}`)
	case granted:
		w.Literal("consent", `{"ads":true}`)
	}
}
