package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// eraseChunk is how many ids one deletion names.
const eraseChunk = 1000

// maxErasedKeys bounds the keys of one erasure.
const maxErasedKeys = attribution.MaxKeys

// Erasures forgets people.
type Erasures struct{ *server }

// Erase removes everything that has one of the match keys, such as "user:42", and was
// received up to a time: events, also those in quarantine, touches, conversions,
// identity links and the attributions of those conversions. It leaves a tombstone, so
// that the same messages are not stored again, and returns the removed facts, from
// which the attributions that shared something with them are to be computed anew.
// A second call also removes rows that another node was storing meanwhile.
func (w *Erasures) Erase(ctx context.Context, app string, keys []string, at int64) (attribution.Facts, error) {
	e, err := w.erasure(app, keys, at)
	if err != nil {
		return attribution.Facts{}, err
	}
	if err := w.tombstones(ctx, app, keys, at); err != nil {
		return e.facts, err
	}
	if err := e.find(ctx); err != nil {
		return e.facts, fmt.Errorf("find what to erase: %w", err)
	}
	if err := e.delete(ctx); err != nil {
		return e.facts, fmt.Errorf("erase: %w", err)
	}
	return e.facts, nil
}

// Erasable returns what Erase would remove now.
func (w *Erasures) Erasable(ctx context.Context, app string, keys []string, at int64) (attribution.Facts, error) {
	e, err := w.erasure(app, keys, at)
	if err == nil {
		err = e.find(ctx)
	}
	if err != nil {
		return attribution.Facts{}, fmt.Errorf("find what to erase: %w", err)
	}
	return e.facts, nil
}

func (w *Erasures) erasure(app string, keys []string, at int64) (*erasure, error) {
	if app == "" || len(keys) == 0 || len(keys) > maxErasedKeys || slices.ContainsFunc(keys, func(k string) bool { return !strings.Contains(k, ":") }) {
		return nil, fmt.Errorf("erase: give an app and 1 to %d match keys such as user:42", maxErasedKeys)
	}
	return &erasure{w: w.server, app: app, keys: keys, at: at, touches: make(map[string]bool), conversions: make(map[string]bool)}, nil
}

// Tombstone says that nothing with a match key of an app, received up to a time, exists.
type Tombstone struct {
	App, Key string
	At       int64
}

// Unmarked returns those of the tombstones that this database does not have: it is older than their
// erasures.
func (w *Erasures) Unmarked(ctx context.Context, wanted []Tombstone) (missing []Tombstone, err error) {
	keys := make([]string, len(wanted))
	for i := range wanted {
		keys[i] = wanted[i].Key
	}
	known := make(erased)
	err = w.lookupHashes(ctx, hashesOf(keys), func(rows driver.Rows) error {
		var app string
		var hash uint64
		var at int64
		err := rows.Scan(&app, &hash, &at)
		if known[app] == nil {
			known[app] = make(map[uint64]int64)
		}
		known[app][hash] = at
		return err
	}, "SELECT app_id, key_hash, max(erased_at) FROM erasures WHERE key_hash IN (SELECT hash FROM wanted) GROUP BY app_id, key_hash")
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	for _, t := range wanted {
		if !known.has(t.App, []string{t.Key}, t.At) {
			missing = append(missing, t)
		}
	}
	return missing, nil
}

// Mark sets the tombstones of an erasure and removes nothing: from now on nothing of it is stored.
func (w *Erasures) Mark(ctx context.Context, app string, keys []string, at int64) error {
	if err := w.tombstones(ctx, app, keys, at); err != nil {
		return fmt.Errorf("set tombstones: %w", err)
	}
	return nil
}

func (w *Erasures) tombstones(ctx context.Context, app string, keys []string, at int64) error {
	all := hashesOf(keys)
	rows := pointers(all)
	return w.send(ctx, "erasures", []column{
		pick("app_id", rows, func(*uint64) string { return app }),
		pick("key_hash", rows, func(h *uint64) uint64 { return *h }),
		pick("erased_at", rows, func(*uint64) int64 { return at }),
	}, len(rows))
}

// erasure holds the findings of one Erase.
type erasure struct {
	w           *server
	app         string
	keys        []string
	at          int64
	facts       attribution.Facts
	touches     map[string]bool // ids, of every variant
	conversions map[string]bool
	refused     []refused
}

// refused names an event in quarantine.
type refused struct {
	id     string
	digest uint64 // of its bytes
}

func (e *erasure) find(ctx context.Context) error {
	touch := func(rows driver.Rows) error {
		t := attribution.Touch{App: e.app}
		err := rows.Scan(&t.ID, &t.Time, &t.Keys)
		e.touches[t.ID] = true
		e.facts.Touches = append(e.facts.Touches, t)
		return err
	}
	conversion := func(rows driver.Rows) error {
		c := attribution.Conversion{App: e.app}
		err := rows.Scan(&c.ID, &c.Time, &c.Keys)
		e.conversions[c.ID] = true
		e.facts.Conversions = append(e.facts.Conversions, c)
		return err
	}
	link := func(rows driver.Rows) error {
		l := attribution.Link{App: e.app}
		err := rows.Scan(&l.A, &l.B)
		e.facts.Links = append(e.facts.Links, l)
		return err
	}
	const of = "\nWHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted) AND received <= ?"
	return errors.Join(
		e.w.lookup(ctx, e.keys, touch, "SELECT DISTINCT touch_id, time, keys FROM touch_keys"+of, e.app, e.at),
		e.w.lookup(ctx, e.keys, touch, "SELECT DISTINCT touch_id, time, keys FROM open_keys"+of, e.app, e.at),
		e.w.lookup(ctx, e.keys, conversion, "SELECT DISTINCT conversion_id, time, keys FROM conversion_keys"+of, e.app, e.at),
		e.w.lookup(ctx, e.keys, link, "SELECT DISTINCT a, b FROM identity_links\nWHERE app_id = ? AND a_hash IN (SELECT hash FROM wanted) AND a IN (SELECT value FROM wanted) AND received <= ?", e.app, e.at),
		e.quarantined(ctx),
	)
}

// delete removes the rows. Conversions go before their attributions, or these might
// be computed once more.
func (e *erasure) delete(ctx context.Context) error {
	touches, conversions := sortedKeys(e.touches), sortedKeys(e.conversions)
	steps := []func() error{func() error { return e.deleteEvents(ctx) }, func() error { return e.deleteQuarantined(ctx) }}
	add := func(table, column string, ids []string, and string, args ...any) {
		steps = append(steps, func() error { return e.deleteIn(ctx, table, column, ids, and, args...) })
	}
	add("identity_links", "a", e.keys, " AND received <= ?", e.at)
	add("identity_links", "b", e.keys, " AND received <= ?", e.at)
	for _, table := range []string{"touch_keys", "open_keys", "touches", "touch_ids"} {
		add(table, "touch_id", touches, " AND received <= ?", e.at)
	}
	steps = append(steps, func() error { return e.deleteLookups(ctx, touches) })
	for _, table := range []string{"conversion_keys", "conversions", "conversion_ids"} {
		add(table, "conversion_id", conversions, " AND received <= ?", e.at)
	}
	for _, table := range []string{"attributions", "what_if_attributions"} {
		add(table, "conversion_id", conversions, " AND received <= ?", e.at)
	}
	if err := e.w.deciding(ctx, e.app, append(slices.Clone(touches), conversions...), changingFor); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// deleteEvents removes the events that name one of the ids, whatever they state.
func (e *erasure) deleteEvents(ctx context.Context) error {
	columns := map[string][]string{
		attribution.KeyUser: {"user_id", "previous_id"}, attribution.KeyAnon: {"anonymous_id", "previous_id"}, attribution.KeyDevice: {"device_id"},
		attribution.KeyGAID: {"gaid"}, attribution.KeyIDFA: {"idfa"}, attribution.KeyIDFV: {"idfv"}, attribution.KeyOAID: {"oaid"}, attribution.KeyClick: {"click_id"},
	}
	for _, key := range e.keys {
		kind, id, _ := strings.Cut(key, ":")
		for _, column := range columns[kind+":"] {
			as := "trimBoth(" + column + ")" // as a match key is made of it
			switch kind + ":" {
			case attribution.KeyGAID, attribution.KeyIDFA, attribution.KeyIDFV, attribution.KeyOAID:
				as = "lower(" + as + ")"
			}
			condition := "app_id = ? AND " + as + " = ? AND received <= ?"
			if err := e.w.changing(ctx, "events", condition, e.app, id, e.at); err != nil {
				return err
			}
			if err := e.w.write.Exec(ctx, "INSERT INTO erased_messages (app_id, id_hash) SELECT app_id, cityHash64(event_id) FROM events WHERE "+condition,
				e.app, id, e.at); err != nil {
				return err
			}
			if err := e.w.write.Exec(ctx, "DELETE FROM events WHERE "+condition, e.app, id, e.at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *erasure) deleteIn(ctx context.Context, table, column string, ids []string, and string, args ...any) error {
	for chunk := range slices.Chunk(ids, eraseChunk) {
		condition, given := "app_id = ? AND "+column+" IN (?)"+and, append([]any{e.app, chunk}, args...)
		if err := e.w.changing(ctx, table, condition, given...); err != nil {
			return err
		}
		if err := e.w.write.Exec(ctx, "DELETE FROM "+table+" WHERE "+condition, given...); err != nil {
			return err
		}
	}
	return nil
}

func (e *erasure) deleteLookups(ctx context.Context, touches []string) error {
	for chunk := range slices.Chunk(touches, eraseChunk) {
		if err := e.w.write.Exec(ctx, "DELETE FROM touch_lookup WHERE app_id = ? AND id_hash IN (?)", e.app, hashesOf(chunk)); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// erased are the tombstones that a batch meets.
type erased map[string]map[uint64]int64 // by app and hash of the key

// appsOf are the apps of a batch.
func appsOf(b *Batch) []string {
	apps := make(map[string]bool)
	for i := range b.Rows {
		apps[b.Rows[i].Event.App] = true
	}
	return sortedKeys(apps)
}

// tombstonesOf reads those of a batch of these apps.
func (w *server) tombstonesOf(ctx context.Context, b *Batch, names []string) (erased, error) {
	var keys []string
	for i := range b.Rows {
		keys = append(keys, attribution.EventKeys(&b.Rows[i].Event)...)
	}
	slices.Sort(keys)
	found := make(erased)
	err := w.lookupHashes(ctx, hashesOf(slices.Compact(keys)), func(rows driver.Rows) error {
		var app string
		var hash uint64
		var at int64
		err := rows.Scan(&app, &hash, &at)
		if found[app] == nil {
			found[app] = make(map[uint64]int64)
		}
		found[app][hash] = at
		return err
	}, "SELECT app_id, key_hash, max(erased_at) FROM erasures WHERE app_id IN (?) AND key_hash IN (SELECT hash FROM wanted) GROUP BY app_id, key_hash", names)
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	return found, nil
}

// sentAgain are the messages of a batch that were erased, whatever they name now and whenever they came.
func (w *server) sentAgain(ctx context.Context, b *Batch, names []string) (map[string]map[uint64]bool, error) {
	ids := make([]string, len(b.Rows))
	for i := range b.Rows {
		ids[i] = b.Rows[i].Event.ID
	}
	found := make(map[string]map[uint64]bool)
	err := w.lookupHashes(ctx, hashesOf(ids), func(rows driver.Rows) error {
		var app string
		var hash uint64
		err := rows.Scan(&app, &hash)
		if found[app] == nil {
			found[app] = make(map[uint64]bool)
		}
		found[app][hash] = true
		return err
	}, "SELECT DISTINCT app_id, id_hash FROM erased_messages WHERE app_id IN (?) AND id_hash IN (SELECT hash FROM wanted)", names)
	if err != nil {
		return nil, fmt.Errorf("read erased messages: %w", err)
	}
	return found, nil
}

func (e erased) has(app string, keys []string, received int64) bool {
	known := e[app]
	return len(known) > 0 && slices.ContainsFunc(hashesOf(keys), func(h uint64) bool {
		at, ok := known[h]
		return ok && received <= at
	})
}

// joins are the pairs of keys that erased messages state and no other message of the batch does.
type joins map[join]bool

type join struct{ app, a, b string }

func (j joins) add(e *protocol.Event, erased bool) {
	if !erased && len(j) == 0 {
		return
	}
	keys := attribution.EventKeys(e)
	for _, a := range keys {
		for _, b := range keys {
			if erased {
				j[join{e.App, a, b}] = true
			} else {
				delete(j, join{e.App, a, b})
			}
		}
	}
}

// forget returns a batch's rows and links without those that were erased, and the ids
// of the erased events. Nearly always there are no tombstones at all: some tells whether
// there are any.
func (w *server) forget(ctx context.Context, b *Batch, apps []string, some bool) (rows []*Row, links []attribution.Link, gone map[factID]bool, err error) {
	rows, links, gone = pointers(b.Rows), b.Facts.Links, make(map[factID]bool)
	if !some {
		return rows, links, gone, nil
	}
	e, err := w.tombstonesOf(ctx, b, apps)
	if err != nil {
		return rows, links, gone, err
	}
	again, err := w.sentAgain(ctx, b, apps)
	if err != nil || len(e)+len(again) == 0 {
		return rows, links, gone, err
	}
	rows, links = nil, nil
	stated := make(joins)
	for i := range b.Rows {
		event := &b.Rows[i].Event
		if again[event.App][hashesOf([]string{event.ID})[0]] {
			stated.add(event, true)
			gone[eventID(event)] = true
			continue
		}
		if e.has(event.App, attribution.EventKeys(event), event.Received) {
			gone[eventID(event)] = true
			continue
		}
		rows = append(rows, &b.Rows[i])
	}
	for i := range rows {
		stated.add(&rows[i].Event, false)
	}
	for _, l := range b.Facts.Links {
		if !stated[join{l.App, l.A, l.B}] && !e.has(l.App, []string{l.A, l.B}, l.Received) {
			links = append(links, l)
		}
	}
	return rows, links, gone, nil
}
