package warehouse

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// The facts of an event depend on the settings of its time, and a node that has not
// heard of new settings yet stores the facts under older ones. The code below finds
// such facts and mends them.

// eventFields are what scanEvent reads.
const eventFields = `event_id, toString(kind), name, original, time, received, digest, user_id, anonymous_id, device_id, gaid, idfa, idfv, oaid,
    previous_id, group_id, click_id, referrer, media_source, medium, campaign, adset, ad, keyword, sub, link_id, cost, cost_currency,
    revenue, currency, flags, consent, ip, user_agent, country, payload, order_id, network, stated, warnings, key`

func scanEvent(rows driver.Rows, app string) (protocol.Event, error) {
	e := protocol.Event{App: app}
	var kind, payload string
	var sub []string
	err := rows.Scan(&e.ID, &kind, &e.Name, &e.Original, &e.Time, &e.Received, &e.Digest, &e.UserID, &e.AnonymousID, &e.DeviceID, &e.GAID, &e.IDFA,
		&e.IDFV, &e.OAID, &e.PreviousID, &e.GroupID, &e.ClickID, &e.Referrer, &e.MediaSource, &e.Medium, &e.Campaign, &e.AdSet, &e.Ad, &e.Keyword, &sub,
		&e.LinkID, &e.Cost, &e.CostCurrency, &e.Revenue, &e.Currency, (*uint16)(&e.Flags), (*uint8)(&e.Consent), &e.IP, &e.UserAgent, &e.Country, &payload,
		&e.OrderID, &e.Network, (*uint8)(&e.Stated), (*uint16)(&e.Warnings), &e.Key)
	e.Kind, e.Payload = protocol.ParseKind(kind), []byte(payload)
	copy(e.Sub[:], sub)
	return e, err
}

// winning leaves out the losing contents of message ids that have several.
const winning = `
    AND (event_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR (event_id, digest) IN (SELECT event_id, argMin(digest, (received, digest)) FROM event_id_conflicts WHERE app_id = ? GROUP BY event_id))`

// Statements compares facts with the events that state them, and mends them.
type Statements struct{ *server }

// refundFlags are those of an event that gives money back.
const refundFlags = uint16(protocol.FlagRefund | protocol.FlagHasRevenue)

// Unstated returns the events of an app with from <= time < to that have one of names, or
// that give money back, and that have no stored conversion, at most limit of them.
func (w *Statements) Unstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]protocol.Event, error) {
	if len(names) == 0 {
		return nil, nil
	}
	events, err := w.eventsOf(ctx, app, `SELECT `+eventFields+` FROM events
WHERE app_id = ? AND time >= ? AND time < ? AND (kind IN ('track', 'page', 'screen')
    AND name IN (?) AND (kind = 'track' OR name != 'Application Installed') OR kind = 'track' AND bitAnd(flags, ?) = ? AND revenue < 0)`+winning+`
    AND (event_id, digest) NOT IN (SELECT conversion_id, digest FROM conversions WHERE app_id = ? AND time >= ? AND time < ?)
ORDER BY version DESC LIMIT 1 BY event_id LIMIT ?`, app, from, to, names, refundFlags, refundFlags, app, app, app, from, to, limit)
	if err != nil {
		return nil, fmt.Errorf("read events that should be conversions: %w", err)
	}
	return events, nil
}

// Overstated returns the conversions of an app with from <= time < to and one of names
// that are no installs and have a stored row or attribution. From an attribution it
// reads the id and the time only.
func (w *Statements) Overstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]attribution.Conversion, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var list []attribution.Conversion
	scan := func(rows driver.Rows) error {
		c := attribution.Conversion{App: app}
		err := rows.Scan(&c.ID, &c.Time, &c.Received, &c.Digest, &c.Keys)
		list = append(list, c)
		return err
	}
	err := each(ctx, w.facts, scan, `SELECT DISTINCT conversion_id, time, received, digest, keys FROM conversions
WHERE app_id = ? AND time >= ? AND time < ? AND NOT install AND name IN (?) LIMIT ?
UNION ALL
SELECT DISTINCT conversion_id, time, 0, 0, [] FROM attributions FINAL
WHERE app_id = ? AND time >= ? AND time < ? AND NOT install AND name IN (?) LIMIT ?`, app, from, to, names, limit, app, from, to, names, limit)
	if err != nil {
		return nil, fmt.Errorf("read conversions that should be none: %w", err)
	}
	return list, nil
}

// Stating returns a page of the events of an app that may state a touch or an install, at
// or after a place and before a time, in order of
// (time, id).
func (w *Statements) Stating(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]protocol.Event, error) {
	events, err := w.eventsOf(ctx, app, `SELECT `+eventFields+` FROM events
WHERE app_id = ? AND time >= ? AND time < ? AND (time, event_id) > (?, ?)
    AND (kind IN ('click', 'impression', 'visit', 'page', 'screen') OR kind = 'track' AND name IN ('Application Installed', 'Application Opened', 'Deep Link Opened'))`+winning+`
ORDER BY time, event_id, version DESC LIMIT 1 BY event_id LIMIT ?`, app, after.Time, to, after.Time, after.ID, app, app, limit)
	if err != nil {
		return nil, fmt.Errorf("read events that state touches: %w", err)
	}
	return events, nil
}

func (w *Statements) eventsOf(ctx context.Context, app, query string, args ...any) ([]protocol.Event, error) {
	var list []protocol.Event
	err := each(ctx, w.facts, func(rows driver.Rows) error {
		e, err := scanEvent(rows, app)
		list = append(list, e)
		return err
	}, query, args...)
	return list, err
}

// Stated returns every stored row of the touches and installs with
// from <= time <= to: their id, stamps, marks and keys.
func (w *Statements) Stated(ctx context.Context, app string, from, to int64) (attribution.Facts, error) {
	var f attribution.Facts
	touch := func(rows driver.Rows) error {
		t := attribution.Touch{App: app}
		err := rows.Scan(&t.ID, &t.Time, &t.Received, &t.Digest, (*uint8)(&t.Marks), &t.Keys)
		f.Touches = append(f.Touches, t)
		return err
	}
	install := func(rows driver.Rows) error {
		c := attribution.Conversion{App: app, Install: true}
		err := rows.Scan(&c.ID, &c.Time, &c.Received, &c.Digest, (*uint8)(&c.Marks), &c.Keys)
		f.Conversions = append(f.Conversions, c)
		return err
	}
	err := each(ctx, w.facts, touch, `SELECT touch_id, time, received, digest, marks, keys FROM touches WHERE app_id = ? AND time >= ? AND time <= ?`, app, from, to)
	if err == nil {
		err = each(ctx, w.facts, install, `SELECT conversion_id, time, received, digest, marks, keys FROM conversions WHERE app_id = ? AND time >= ? AND time <= ? AND install`, app, from, to)
	}
	if err != nil {
		return f, fmt.Errorf("read what is stored of touches: %w", err)
	}
	return f, nil
}

// Restate removes facts, each the variant of its digest, and stores what events state
// instead.
func (w *Statements) Restate(ctx context.Context, app string, drop attribution.Facts, events []protocol.Event, facts attribution.Facts) error {
	dropped := make(map[version]bool)
	touchIDs, conversionIDs := make([]string, len(drop.Touches)), make([]string, len(drop.Conversions))
	for i := range drop.Touches {
		touchIDs[i] = drop.Touches[i].ID
		dropped[version{touchIDs[i], variant{digest: drop.Touches[i].Digest}}] = true
	}
	for i := range drop.Conversions {
		conversionIDs[i] = drop.Conversions[i].ID
		dropped[version{conversionIDs[i], variant{digest: drop.Conversions[i].Digest}}] = true
	}
	other := func(m made) bool { return !dropped[version{m.id, variant{digest: m.digest}}] }
	touches, err := w.rowsOfFacts(ctx, "touch", app, touchIDs)
	if err != nil {
		return err
	}
	conversions, err := w.rowsOfFacts(ctx, "conversion", app, conversionIDs)
	if err != nil {
		return err
	}
	touches, conversions = slices.DeleteFunc(touches, other), slices.DeleteFunc(conversions, other)
	if err := w.dropFacts(ctx, app, touches, conversions); err != nil {
		return fmt.Errorf("drop what events do not state: %w", err)
	}
	b := Batch{Facts: facts}
	for i := range events {
		b.Rows = append(b.Rows, Row{Event: events[i]})
	}
	if len(b.Rows) > 0 {
		if err := (&Intake{w.server}).storeFacts(ctx, &b); err != nil {
			return fmt.Errorf("store what events state: %w", err)
		}
	}
	return w.dropOrphans(ctx, app, conversionIDs)
}

// storeFacts stores the links, touches and conversions of events that are stored.
func (w *Intake) storeFacts(ctx context.Context, b *Batch) error {
	apps := appsOf(b)
	_, some, err := w.readCondition(ctx, apps)
	if err != nil {
		return err
	}
	_, links, gone, err := w.forget(ctx, b, apps, some)
	if err != nil {
		return err
	}
	origins := newOrigins(b.Rows)
	if _, err := storeRows(ctx, w.server, linksTable(), bothWays(links)); err != nil {
		return err
	}
	if _, err := storeRows(ctx, w.server, touchesTable(origins), keep(pointers(b.Facts.Touches), gone, touchID)); err != nil {
		return err
	}
	_, err = storeRows(ctx, w.server, conversionsTable(origins), keep(pointers(b.Facts.Conversions), gone, conversionID))
	return err
}
