package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Became is a fact that was made of an event.
type Became struct {
	Kind string `json:"kind"` // touch, opening, conversion, identity
	ID   string `json:"id"`
}

// EventItem is one message as it was received, and what became of it.
type EventItem struct {
	ID          string            `json:"id"`
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	Time        time.Time         `json:"time"`
	Received    time.Time         `json:"received"`
	Keys        map[string]string `json:"keys"`
	MediaSource string            `json:"media_source"`
	Campaign    string            `json:"campaign"`
	Link        string            `json:"link,omitempty"`
	Sub         []string          `json:"sub,omitempty"`
	ClickID     string            `json:"click_id,omitempty"`
	OrderID     string            `json:"order_id,omitempty"`
	Country     string            `json:"country"`
	Platform    string            `json:"platform"`
	Revenue     *Decimal          `json:"revenue"`
	Currency    string            `json:"currency"`
	Marks       []string          `json:"marks"` // bot, crowd, clamped, historical, refund, untrusted
	Warnings    []string          `json:"warnings"`
	Became      []Became          `json:"became"`
	Agent       string            `json:"agent"`
	Payload     json.RawMessage   `json:"payload"`

	inserted time.Time
}

// EventsResult is a page of events, newest first.
type EventsResult struct {
	Data       []EventItem `json:"data"`
	NextCursor *string     `json:"next_cursor"`
}

// eventFields are what scan reads of an event stream.
const eventFields = "x_id, x_kind, x_name, x_at, x_received, x_user, x_anonymous, x_device, x_gaid, x_idfa, x_idfv, x_oaid, x_media_source, " +
	"x_campaign, x_link, x_sub, x_click, x_order,\n" +
	"    x_country, x_platform, x_revenue, x_currency, x_flags, x_warnings, x_agent, x_payload, x_inserted"

func (e *EventItem) scan(r Row) error {
	var at, received, revenue int64
	var flags, warnings uint16
	var ids [7]string
	var payload string
	err := r.Scan(&e.ID, &e.Type, &e.Name, &at, &received, &ids[0], &ids[1], &ids[2], &ids[3], &ids[4], &ids[5], &ids[6], &e.MediaSource, &e.Campaign,
		&e.Link, &e.Sub,
		&e.ClickID, &e.OrderID, &e.Country, &e.Platform, &revenue, &e.Currency, &flags, &warnings, &e.Agent, &payload, &e.inserted)
	e.Time, e.Received = time.UnixMilli(at).UTC(), time.UnixMilli(received).UTC()
	e.Keys, e.Became, e.Marks, e.Warnings = make(map[string]string), []Became{}, []string{}, append([]string{}, protocol.Warnings(warnings).Codes()...)
	for i, name := range [...]string{"user_id", "anonymous_id", "device_id", "gaid", "idfa", "idfv", "oaid"} {
		if ids[i] != "" {
			e.Keys[name] = ids[i]
		}
	}
	f := protocol.Flags(flags)
	for _, mark := range []struct {
		name string
		set  bool
	}{{"bot", f&protocol.FlagBot != 0}, {"crowd", f&protocol.FlagCrowd != 0}, {"clamped", f&protocol.FlagClamped != 0}, {"historical",
		f&protocol.FlagHistorical != 0},
		{"refund", f&protocol.FlagRefund != 0 || revenue < 0}, {"untrusted", f&protocol.FlagHasRevenue != 0 && f&protocol.FlagTrusted == 0}} {
		if mark.set {
			e.Marks = append(e.Marks, mark.name)
		}
	}
	if f&protocol.FlagHasRevenue != 0 {
		amount := Millionths(revenue)
		e.Revenue = &amount
	}
	if e.Payload = json.RawMessage(payload); !json.Valid(e.Payload) {
		e.Payload = json.RawMessage("null")
	}
	if len(e.Keys) > 1 {
		e.Became = append(e.Became, Became{"identity", e.ID})
	}
	return err
}

// sentStream are events with all that people are shown.
func sentStream(q *Query, more string, args ...any) *stream {
	st := &stream{has: fields()}
	st.base.add("SELECT event_id AS x_id, toString(kind) AS x_kind, name AS x_name, time AS x_at, received AS x_received, user_id AS x_user, "+
		"anonymous_id AS x_anonymous, device_id AS x_device,\n"+
		"    gaid AS x_gaid, idfa AS x_idfa, idfv AS x_idfv, oaid AS x_oaid, "+q.named("media_source",
		"''")+" AS x_media_source, campaign AS x_campaign, adset AS x_adset, ad AS x_ad,\n"+
		"    keyword AS x_keyword, sub AS x_sub, link_id AS x_link, click_id AS x_click, order_id AS x_order, country AS x_country, "+platformOf+" AS "+
		"x_platform,\n"+
		"    JSONExtractString(payload, 'context', 'app', 'version') AS x_app_version, revenue AS x_revenue, currency AS x_currency, flags AS x_flags, "+
		"warnings AS x_warnings,\n"+
		"    toString(agent_id) AS x_agent, payload AS x_payload, inserted_at AS x_inserted\nFROM events FINAL ").within(q).add(more, args...).undisputed(q)
	return st
}

// ListEvents returns a page of events of a valid query, newest first: by type, by name, by
// id, or by any id of a person (q).
func ListEvents(ctx context.Context, store Store, q Query) (EventsResult, error) {
	result := EventsResult{Data: []EventItem{}}
	after, err := q.after()
	if err != nil {
		return result, err
	}
	more, args := "", []any{}
	for name, column := range map[string]string{"type": "kind", "name": "name", "id": "event_id"} {
		if text := q.Given.Get(name); text != "" {
			more += " AND " + column + " = ?"
			args = append(args, text)
		}
	}
	if text := q.Given.Get("q"); text != "" {
		more += " AND (? IN (event_id, user_id, anonymous_id, device_id, click_id, order_id) OR lower(?) IN (lower(gaid), lower(idfa), lower(idfv), lower(oaid)))"
		args = append(args, text, text)
	}
	if after != nil {
		more += " AND (time, event_id) < (?, ?)"
		args = append(args, after.Time, after.ID)
	}
	if err := q.settle(ctx, store); err != nil {
		return result, fmt.Errorf("read events: %w", err)
	}
	var s Statement
	s.add("SELECT "+eventFields+"\n").joined(&q, sentStream(&q, more, args...), nil, false).add("\nORDER BY x_at DESC, x_id DESC LIMIT ?", q.limit()+1)
	if result.Data, err = readEvents(ctx, store, &q, s); err != nil {
		return result, err
	}
	if len(result.Data) > q.limit() {
		result.Data = result.Data[:q.limit()]
		last := result.Data[q.limit()-1]
		result.NextCursor = mark{last.Time.UnixMilli(), last.ID}.cursor()
	}
	return result, nil
}

// readEvents reads events, and of each what became of it.
func readEvents(ctx context.Context, store Store, q *Query, s Statement) ([]EventItem, error) {
	list := []EventItem{}
	if err := store.Read(ctx, into(&list, s, func(r Row, e *EventItem) error { return e.scan(r) })); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if len(list) == 0 {
		return list, nil
	}
	ids := make([]string, len(list))
	first, last := list[0].Time, list[0].Time
	for i := range list {
		ids[i] = list[i].ID
		if list[i].Time.Before(first) {
			first = list[i].Time
		}
		if list[i].Time.After(last) {
			last = list[i].Time
		}
	}
	facts := make([]map[string]string, 2)
	parts := make([]Part, 2)
	for i, of := range []struct{ table, kind string }{{"touches", "if(kind = 'open', 'opening', 'touch')"}, {"conversions", "'conversion'"}} {
		facts[i] = make(map[string]string)
		var s Statement
		id := strings.TrimSuffix(of.table, "s") + "_id"
		if of.table == "touches" {
			id = "touch_id"
		}
		s.add("SELECT "+id+", "+of.kind+" FROM "+of.table+" WHERE app_id = ? AND time >= ? AND time <= ? AND "+id+" IN (?)", q.App, first.UnixMilli(),
			last.UnixMilli(), ids)
		parts[i] = Part{s, func(r Row) error {
			var id, kind string
			err := r.Scan(&id, &kind)
			facts[i][id] = kind
			return err
		}}
	}
	if err := store.Read(ctx, parts...); err != nil {
		return nil, fmt.Errorf("read what became of events: %w", err)
	}
	for i := range list {
		for _, of := range facts {
			if kind := of[list[i].ID]; kind != "" {
				list[i].Became = append(list[i].Became, Became{kind, list[i].ID})
			}
		}
	}
	return list, nil
}

// Live follows the stored events: Next returns the events stored since it was called before, at
// most a hundred, and those that could not be stored.
type Live struct {
	q     Query
	since time.Time
	seen  map[string]bool // of the last moments, for inserts that end in another order
}

// liveMargin is how long before the newest row a row may still appear.
const (
	liveMargin = 5 * time.Second
	liveReach  = 2 * time.Hour // events that happened longer ago are history
	liveEvents = 100
)

// NewLive begins at a time of the server's clock.
func NewLive(q Query, now time.Time) *Live {
	return &Live{q: q, since: now.Add(-liveMargin), seen: make(map[string]bool)}
}

// Refused is a message that could not be stored.
type Refused struct {
	ID       string    `json:"id"`
	Reason   string    `json:"reason"`
	Agent    string    `json:"agent"`
	Received time.Time `json:"received"`
}

// Next reads the new events and the new rejections.
func (l *Live) Next(ctx context.Context, store Store, now time.Time) (events []EventItem, refused []Refused, err error) {
	q := l.q
	q.From, q.To = now.Add(-liveReach), now.Add(24*time.Hour)
	after := l.since.Add(-liveMargin)
	var s, bad Statement
	s.add("SELECT "+eventFields+"\n").joined(&q, sentStream(&q, " AND inserted_at > fromUnixTimestamp64Milli(?, 'UTC')", after.UnixMilli()), nil, false).
		add("\nORDER BY x_inserted DESC, x_id LIMIT ?", liveEvents)
	list, err := readEvents(ctx, store, &q, s)
	if err != nil {
		return nil, nil, err
	}
	if len(q.filters()) == 0 {
		bad.add("SELECT event_id, reason, toString(agent_id), received FROM quarantine WHERE app_id = ? AND inserted_at > fromUnixTimestamp64Milli(?, "+
			"'UTC') LIMIT ?", q.App, after.UnixMilli(), liveEvents)
		err = store.Read(ctx, into(&refused, bad, func(r Row, one *Refused) error {
			var at int64
			err := r.Scan(&one.ID, &one.Reason, &one.Agent, &at)
			one.Received = time.UnixMilli(at).UTC()
			return err
		}))
		if err != nil {
			return nil, nil, fmt.Errorf("read refused events: %w", err)
		}
	}
	fresh := make(map[string]bool)
	keep := func(id string) bool {
		fresh[id] = true
		return !l.seen[id]
	}
	for i := range list {
		if list[i].inserted.After(l.since) {
			l.since = list[i].inserted
		}
		if keep("e" + list[i].ID) {
			events = append(events, list[i])
		}
	}
	refused = slices.DeleteFunc(refused, func(r Refused) bool { return !keep("r" + r.ID) })
	l.seen = fresh
	slices.Reverse(events)
	return events, refused, nil
}

// OneEvent returns the event with an id, whenever it happened, and false if there is none
// that the person may see.
func OneEvent(ctx context.Context, store Store, q Query, id string) (EventItem, bool, error) {
	var s Statement
	first, last := int64(-1), int64(-1)
	s.add("SELECT toInt64(min(hour)), toInt64(max(hour)) FROM event_ids WHERE app_id = ? AND id_hash = cityHash64(?) HAVING count() > 0", q.App, id)
	if err := store.Read(ctx, Part{s, func(r Row) error { return r.Scan(&first, &last) }}); err != nil || first < 0 {
		return EventItem{}, false, err
	}
	if err := q.settle(ctx, store); err != nil {
		return EventItem{}, false, fmt.Errorf("read an event: %w", err)
	}
	const hour = 60 * 60 * 1000
	q.From, q.To = time.UnixMilli(0), time.Date(2299, 1, 1, 0, 0, 0, 0, time.UTC)
	var one Statement
	one.add("SELECT "+eventFields+"\n").joined(&q, sentStream(&q, " AND event_id = ? AND original >= ? AND original < ?", id, first*hour,
		(last+1)*hour), nil, false).
		add("\nORDER BY x_received LIMIT 1")
	list, err := readEvents(ctx, store, &q, one)
	if err != nil || len(list) == 0 {
		return EventItem{}, false, err
	}
	return list[0], true, nil
}
