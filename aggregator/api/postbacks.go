package api

import (
	"context"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/postback"
)

// Tester sends a made-up conversion to a receiver. The courier does.
type Tester interface {
	Test(ctx context.Context, p deliveries.Postback) (deliveries.Tested, error)
}

// readyMade lists the templates and macros that postbacks are made with.
type readyMade struct {
	Templates []postback.Ready `json:"templates"`
	Macros    []macroItem      `json:"macros"`
}

type macroItem struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

type resendBody struct {
	Delivery    string     `json:"delivery,omitempty"` // one; else all that the rest selects
	State       string     `json:"state,omitempty"`    // dead, the default, or delivered
	MediaSource string     `json:"media_source,omitempty"`
	Campaign    string     `json:"campaign,omitempty"`
	Link        string     `json:"link,omitempty"`
	From        *time.Time `json:"from,omitempty"` // of the decision, half-open
	To          *time.Time `json:"to,omitempty"`
}

type resendAnswer struct {
	Deliveries int64 `json:"deliveries"` // that are sent again
}

func postbackRoutes() []route {
	write := needs(access.PostbacksWrite)
	const one = "apps/{app}/postbacks/{postback}"
	return []route{
		{method: "GET", path: "apps/{app}/postbacks", rule: write, handle: listPostbacks, summary: "Postbacks and webhooks, without their secrets, with the deliveries of the last 30 days", reply: page[deliveries.Item]{}},
		{method: "POST", path: "apps/{app}/postbacks", rule: write, handle: createPostback, summary: "Create a postback; its secrets are not shown again", body: deliveries.Change{}, reply: deliveries.Item{}, status: 201},
		{method: "GET", path: "apps/{app}/postbacks/templates", rule: write, handle: listTemplates, summary: "Ready-made postbacks to start from, and the macros that templates may hold", reply: readyMade{}},
		{method: "POST", path: "apps/{app}/postbacks/preview", rule: write, handle: previewPostback, summary: "The request that a postback would make of a made-up conversion; nothing is sent or stored", body: deliveries.Change{}, reply: postback.Request{}},
		{method: "GET", path: one, rule: write, handle: readPostback, summary: "One postback", reply: deliveries.Item{}},
		{method: "PUT", path: one, rule: write, handle: changePostback, summary: "Replace a postback; secrets that are not named stay", body: deliveries.Change{}, reply: deliveries.Item{}},
		{method: "DELETE", path: one, rule: write, handle: removePostback, summary: "Delete a postback with its delivery log"},
		{method: "POST", path: one + "/test", rule: write, handle: testPostback, summary: "Send a made-up conversion now, and show the exact request and the answer", reply: deliveries.Tested{}},
		{method: "GET", path: one + "/deliveries", rule: write, handle: listDeliveries, summary: "Deliveries of the last 30 days, newest first",
			query: []string{"state", "conversion", "media_source", "campaign", "link", "from", "to", "limit", "cursor"}, reply: page[deliveries.Entry]{}},
		{method: "GET", path: one + "/deliveries/{delivery}", rule: write, handle: readDelivery, summary: "One delivery with its request and the last answer", reply: deliveries.Entry{}},
		{method: "POST", path: one + "/resend", rule: write, handle: resendDeliveries, summary: "Send deliveries again: one, those that a filter selects, or all dead ones", body: resendBody{}, reply: resendAnswer{}},
	}
}

// ownPostback is the id of the path. Postbacks tell of all sources of an app, so whoever sees only some
// has nothing to do with them.
func ownPostback(c *call) (app, id string, err error) {
	whole, err := appOf(c)
	return whole.ID, c.param("postback"), err
}

func listPostbacks(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	items, err := c.Postbacks.Items(c.ctx, app.ID)
	if err != nil {
		return nil, err
	}
	return pageOf(items), nil
}

func listTemplates(c *call) (any, error) {
	if _, err := appOf(c); err != nil {
		return nil, err
	}
	answer := readyMade{Templates: postback.ReadyMade()}
	for _, m := range postback.Macros() {
		answer.Macros = append(answer.Macros, macroItem{m.Name, m.About})
	}
	return answer, nil
}

// postbackBody reads a definition whose address may be called.
func postbackBody(c *call) (deliveries.Change, error) {
	var body deliveries.Change
	if err := c.body(&body); err != nil {
		return body, err
	}
	if err := body.Definition.Check(); err != nil {
		return body, badRequest("The postback cannot be used: " + err.Error() + ".")
	}
	if err := c.Outgoing.Check(postback.Origin(body.URL)); err != nil {
		return body, badRequest("The postback cannot be used: url: " + err.Error() + ".")
	}
	return body, nil
}

func createPostback(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	body, err := postbackBody(c)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Postbacks.Create(c.ctx, app.ID, body))
}

func previewPostback(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	body, err := postbackBody(c)
	if err != nil {
		return nil, err
	}
	sample := postback.Sample(app.ID, c.Now())
	return answerOf(body.Definition.Shown(&sample, body.Secrets))
}

func readPostback(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Postbacks.Item(c.ctx, app, id))
}

func changePostback(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	body, err := postbackBody(c)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Postbacks.Replace(c.ctx, app, id, body))
}

func removePostback(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	return nil, c.Postbacks.Remove(c.ctx, app, id)
}

func testPostback(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	p, err := c.Postbacks.One(c.ctx, app, id)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Tester.Test(c.ctx, p))
}

func listDeliveries(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	f := deliveries.Filter{
		Postback: id, State: q.get("state"), Conversion: q.get("conversion"),
		MediaSource: q.get("media_source"), Campaign: q.get("campaign"), Link: q.get("link"),
	}
	for _, bound := range []struct {
		name string
		at   *time.Time
	}{{"from", &f.From}, {"to", &f.To}} {
		if text := q.get(bound.name); text != "" {
			if *bound.at, err = moment(bound.name, text, time.UTC); err != nil {
				return nil, err
			}
		}
	}
	entries, err := c.Postbacks.Entries(c.ctx, app, f, q.get("cursor"), limit+1)
	if err != nil {
		return nil, err
	}
	more := len(entries) > limit
	answer := pageOf(entries[:min(len(entries), limit)])
	if more {
		answer.Next = &answer.Data[limit-1].ID
	}
	return answer, nil
}

func readDelivery(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	entry, err := c.Postbacks.Entry(c.ctx, app, c.param("delivery"))
	if err == nil && entry.Postback != id {
		err = errNoRoute()
	}
	return entry, err
}

func resendDeliveries(c *call) (any, error) {
	app, id, err := ownPostback(c)
	if err != nil {
		return nil, err
	}
	var body resendBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	f := deliveries.Filter{Postback: id, State: body.State, MediaSource: body.MediaSource, Campaign: body.Campaign, Link: body.Link}
	switch body.State {
	case "":
		if body.Delivery == "" {
			f.State = deliveries.StateDead
		}
	case deliveries.StateDead, deliveries.StateDelivered:
	default:
		return nil, badRequest("state must be dead or delivered: what is due is sent anyway, and what was withdrawn is not wanted.")
	}
	if body.From != nil {
		f.From = *body.From
	}
	if body.To != nil {
		f.To = *body.To
	}
	n, err := c.Postbacks.Resend(c.ctx, app, body.Delivery, f)
	return resendAnswer{n}, err
}
