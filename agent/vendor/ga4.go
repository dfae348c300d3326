package vendor

import (
	"cmp"
	"net/url"
	"strconv"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// GA4 writes a request of the Measurement Protocol of Google Analytics 4 as a batch.
func (r *Rewriter) GA4(request *Request) *Refusal {
	w, d, list := &r.Writer, request.Doc, request.List
	stream := cmp.Or(request.Parameters.Get("measurement_id"), request.Parameters.Get("firebase_app_id"))
	w.Begin("")
	w.Begin("context")
	w.Literal("library", `{"name":"ga4-measurement-protocol"}`)
	w.Value("ip", d, d.Member(0, "ip_override"))
	consent := d.Object(d.Member(0, "consent"))
	data, personal := d.Str(d.Named(consent, "ad_user_data")), d.Str(d.Named(consent, "ad_personalization"))
	adsConsent(w, data == "DENIED" || personal == "DENIED" || d.Kind(d.Member(0, "non_personalized_ads")) == document.True, data == "GRANTED")
	w.End()
	w.BeginList("batch")
	index := 0
	for item := list + 1; item < d.Next(list); item = d.Next(item) {
		if d.Kind(item) == document.Object {
			r.ga4Event(d, ga4Item{item, index, stream})
		} else {
			w.Element(d, item) // refused in its turn
		}
		index++
	}
	w.EndList()
	w.End()
	return nil
}

// ga4Item is one event of a request.
type ga4Item struct {
	self   document.Ref
	index  int
	stream string
}

func (r *Rewriter) ga4Event(d *document.Document, i ga4Item) {
	w, item := &r.Writer, i.self
	name, params := d.Scalar(d.Member(item, "name")), d.Object(d.Member(item, "params"))
	client := d.Member(0, "client_id")
	if d.Scalar(client) == "" {
		client = d.Member(0, "app_instance_id")
	}
	at := cmp.Or(d.Scalar(d.Member(item, "timestamp_micros")), d.Scalar(d.Member(0, "timestamp_micros")))
	order := d.Scalar(d.Named(params, "transaction_id"))
	w.Begin("")
	switch name {
	case "campaign_details": // what GA4 knows of where a visit came from: here, a visit
		w.Literal("type", `"page"`)
		w.Text("name", name)
	case "page_view":
		w.Literal("type", `"page"`)
		w.Text("name", d.Scalar(d.Named(params, "page_title")))
	case "screen_view":
		w.Literal("type", `"screen"`)
		w.Text("name", cmp.Or(d.Scalar(d.Named(params, "screen_name")), d.Scalar(d.Named(params, "firebase_screen"))))
	default:
		w.Literal("type", `"track"`)
		w.Text("event", ownName(name))
	}
	switch {
	case order != "" && ownName(name) == OrderCompleted:
		w.Text("messageId", derivedID("ga4", d.Scalar(client), name, order))
	case at != "":
		w.Text("messageId", derivedID("ga4", d.Scalar(client), at, strconv.Itoa(i.index), document.View(d.Raw(item))))
	}
	r.time("timestamp", at)
	w.Value("anonymousId", d, client)
	w.Value("userId", d, d.Member(0, "user_id"))
	w.Begin("properties")
	if params != 0 {
		w.Members(d, params, "order_id")
	}
	w.Text("order_id", cmp.Or(order, d.Scalar(d.Named(params, "order_id"))))
	w.End()
	w.Begin("context")
	ga4Context(w, d, name, params)
	w.End()
	w.Begin("ga4")
	w.Text("name", name)
	w.Text("stream", i.stream)
	w.Value("user_properties", d, d.Member(0, "user_properties"))
	w.Value("device", d, d.Member(0, "device"))
	w.End()
	w.End()
}

// ga4ClickID is the click id of a network among the parameters of an event, as a query.
func ga4ClickID(d *document.Document, params document.Ref) string {
	if params == 0 {
		return ""
	}
	for _, name := range protocol.NetworkParameters() {
		if id := d.Scalar(d.Member(params, name)); id != "" {
			return "?" + name + "=" + url.QueryEscape(id)
		}
	}
	return ""
}

// ga4Context writes the page and the campaign that an event names.
func ga4Context(w *document.Writer, d *document.Document, name string, params document.Ref) {
	w.Begin("page")
	for _, f := range [...][2]string{{"url", "page_location"}, {"referrer", "page_referrer"}, {"title", "page_title"}} {
		w.Text(f[0], d.Scalar(d.Named(params, f[1])))
	}
	w.Text("search", ga4ClickID(d, params))
	w.End()
	if name != "campaign_details" && ownName(name) != installed {
		return
	}
	w.Begin("campaign")
	for _, f := range [...][2]string{{"source", "source"}, {"medium", "medium"}, {"name", "campaign"}, {"term", "term"}, {"content", "content"}, {"id", "campaign_id"}} {
		w.Text(f[0], d.Scalar(d.Named(params, f[1])))
	}
	w.End()
}
