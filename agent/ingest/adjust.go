package ingest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// adjustEvent serves GET and POST /event, Adjust's server-to-server event, with
// parameters in the address or in a form. The key is a Bearer token or app_token.
func (c *call) adjustEvent() *problem {
	parameters, p := c.adjustParameters()
	if p != nil {
		return p
	}
	key := headerKey(c.r)
	if key == "" {
		key = parameters.Get("app_token")
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.checkOrigin(); p != nil {
		return p
	}
	w := c.rewriting()
	c.fromAdjust(w, parameters)
	if p := c.become(w, 1); p != nil {
		return p
	}
	if p := c.one(protocol.KindTrack); p != nil {
		return p
	}
	if p := c.persist(); p != nil {
		return p
	}
	c.write(http.StatusOK, "application/json", []byte(`{"success":true,"status":"OK"}`))
	return nil
}

func (c *call) adjustParameters() (url.Values, *problem) {
	text := c.r.URL.RawQuery
	if c.r.Method == http.MethodPost {
		if p := c.readForeign(c.h.Limits.EventBytes); p != nil {
			return nil, p
		}
		text = strings.Trim(text+"&"+string(c.body), "&\r\n")
	} else {
		c.compute()
	}
	if strings.Count(text, "&") >= c.h.Limits.Keys {
		return nil, &problem{status: http.StatusBadRequest, code: "too_many_keys", text: "more than " + itoa(c.h.Limits.Keys) + " parameters; send fewer"}
	}
	parameters, err := url.ParseQuery(text)
	if err != nil {
		return nil, &problem{status: http.StatusBadRequest, code: "malformed_form", text: "the parameters are not URL-encoded: escape % and ; as %25 and %3B"}
	}
	return parameters, nil
}

// fromAdjust writes the parameters as a track call. A repetition is the same
// event if it has Adjust's deduplication_id or a time.
func (c *call) fromAdjust(w *writer, q url.Values) {
	w.begin("")
	w.text("type", "track")
	w.text("event", ownName(first(q.Get("event_name"), q.Get("event_token"))))
	at := first(q.Get("created_at_unix"), q.Get("created_at"))
	switch unique := q.Get("deduplication_id"); {
	case unique != "":
		w.text("messageId", derivedID("adjust", q.Get("event_token"), unique))
	case at != "":
		w.text("messageId", derivedID("adjust", q.Encode()))
	}
	w.time("timestamp", at)
	w.text("anonymousId", q.Get("adid"))
	w.text("userId", q.Get("user_id"))
	w.begin("properties")
	w.text("revenue", q.Get("revenue"))
	w.text("currency", q.Get("currency"))
	w.object(c, "callback_params", q.Get("callback_params"))
	w.object(c, "partner_params", q.Get("partner_params"))
	w.end()
	adjustContext(w, q)
	w.begin("adjust")
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch name {
		case "app_token", "callback_params", "partner_params", "ip_address", "user_agent", "":
		default:
			w.text(name, q.Get(name))
		}
	}
	w.end()
	w.end()
}

func adjustContext(w *writer, q url.Values) {
	w.begin("context")
	w.literal("library", `{"name":"adjust-s2s"}`)
	w.text("ip", q.Get("ip_address"))
	w.text("userAgent", q.Get("user_agent"))
	if q.Get("s2s") != "1" { // then the device itself sends
		w.literal("direct", "true")
	}
	w.begin("device")
	w.text("id", q.Get("android_id"))
	w.text("gaid", q.Get("gps_adid"))
	for _, name := range [...]string{"idfa", "idfv", "oaid"} {
		w.text(name, q.Get(name))
	}
	if q.Get("tracking_enabled") == "0" {
		w.literal("adTrackingEnabled", "false")
	}
	w.end()
	w.end()
}
