package vendor

import (
	"cmp"
	"maps"
	"net/url"
	"slices"

	"github.com/unmogrowp/unmogrowp/agent/document"
)

// Adjust writes the parameters of Adjust's server-to-server event as a track call. A repetition is the same
// event if it has Adjust's deduplication_id or a time.
func (r *Rewriter) Adjust(request *Request) *Refusal {
	w, q := &r.Writer, request.Form
	w.Begin("")
	w.Text("type", "track")
	w.Text("event", ownName(cmp.Or(q.Get("event_name"), q.Get("event_token"))))
	at := cmp.Or(q.Get("created_at_unix"), q.Get("created_at"))
	switch unique := q.Get("deduplication_id"); {
	case unique != "":
		w.Text("messageId", derivedID("adjust", q.Get("event_token"), unique))
	case at != "":
		w.Text("messageId", derivedID("adjust", q.Encode()))
	}
	r.time("timestamp", at)
	w.Text("anonymousId", q.Get("adid"))
	w.Text("userId", q.Get("user_id"))
	w.Begin("properties")
	w.Text("revenue", q.Get("revenue"))
	w.Text("currency", q.Get("currency"))
	w.Text("transaction_id", q.Get("transaction_id"))
	r.object("callback_params", q.Get("callback_params"))
	r.object("partner_params", q.Get("partner_params"))
	w.End()
	adjustContext(w, q)
	w.Begin("adjust")
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch name {
		case "app_token", "callback_params", "partner_params", "ip_address", "user_agent", "":
		default:
			w.Text(name, q.Get(name))
		}
	}
	w.End()
	w.End()
	return nil
}

func adjustContext(w *document.Writer, q url.Values) {
	w.Begin("context")
	w.Literal("library", `{"name":"adjust-s2s"}`)
	w.Text("ip", q.Get("ip_address"))
	w.Text("userAgent", q.Get("user_agent"))
	if q.Get("s2s") != "1" { // then the device itself sends
		w.Literal("direct", "true")
	}
	w.Begin("device")
	w.Text("id", q.Get("android_id"))
	w.Text("gaid", q.Get("gps_adid"))
	for _, name := range [...]string{"idfa", "idfv", "oaid"} {
		w.Text(name, q.Get(name))
	}
	if q.Get("tracking_enabled") == "0" {
		w.Literal("adTrackingEnabled", "false")
	}
	w.End()
	w.End()
}
