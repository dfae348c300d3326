package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Facts are derived from events by the settings of their time. They can be missing: a
// table was emptied, or a node that had not heard of new settings stored the facts of older
// ones, or a version of the settings was applied from a past date. So the stored facts
// are held against the events again: when settings change, in the standing job, and by the
// command.

// Version is a version of an app's settings.
type Version struct {
	From     int64 // in milliseconds; the first also applies before
	Settings *attribution.Settings
}

// Statements is the warehouse, with the events and the facts stored as stated by them.
type Statements interface {
	// Unstated returns events with from <= time < to that have one of names, or give money back, and no stored conversion.
	Unstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]protocol.Event, error)
	// Overstated returns conversions with one of names that are no installs.
	Overstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]attribution.Conversion, error)
	// Stating returns a page of events that may state a touch or an install.
	Stating(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]protocol.Event, error)
	// Stated returns every stored row of the touches and installs with from <= time <= to.
	Stated(ctx context.Context, app string, from, to int64) (attribution.Facts, error)
	// Restate removes facts and stores what events state instead.
	Restate(ctx context.Context, app string, drop attribution.Facts, events []protocol.Event, facts attribution.Facts) error
}

// Restater makes the stored facts match the events. All fields are required except
// Secret.
type Restater struct {
	Store    Statements
	Versions func(app string) []Version // oldest first, all that a node may have gone by
	Secret   attribution.Secret         // of fingerprints
	// Recompute brings the attributions that facts can reach up to date.
	Recompute func(ctx context.Context, facts *attribution.Facts) (int, error)
}

// restatePage is how many events are held against the stored facts at once.
const restatePage = 5000

// Restate mends the facts of an app with from <= time < to, in milliseconds, and
// returns how many were missing or wrong.
func (r *Restater) Restate(ctx context.Context, app string, from, to int64) (int, error) {
	versions := r.Versions(app)
	if len(versions) == 0 || from >= to {
		return 0, nil
	}
	names := namesOf(versions)
	total := 0
	for i, v := range versions {
		first, end := max(from, v.From), to
		if i == 0 {
			first = from
		}
		if i+1 < len(versions) {
			end = min(end, versions[i+1].From)
		}
		if first >= end {
			continue
		}
		n, err := r.conversions(ctx, app, span{first, end, v.Settings}, names)
		total += n
		if err == nil {
			n, err = r.touches(ctx, app, span{first, end, v.Settings})
			total += n
		}
		if err != nil {
			return total, fmt.Errorf("restate the facts of app %s: %w", app, err)
		}
	}
	return total, nil
}

// span is a stretch of time under one version of the settings.
type span struct {
	from, to int64
	settings *attribution.Settings
}

// namesOf returns the names that are conversions under some version of the settings, those
// of a new app included: a node may not have heard of the app.
func namesOf(versions []Version) []string {
	names := slices.Clone(attribution.Default().ConversionEvents)
	for _, v := range versions {
		names = append(names, v.Settings.ConversionEvents...)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == attribution.InstallEvent })
}

// conversions adds those that are missing and removes those that are none.
func (r *Restater) conversions(ctx context.Context, app string, s span, names []string) (int, error) {
	listed, others := []string{attribution.InstallEvent}, []string(nil)
	for _, name := range names {
		if slices.Contains(s.settings.ConversionEvents, name) {
			listed = append(listed, name)
		} else {
			others = append(others, name)
		}
	}
	done := make(map[string]bool)
	for {
		events, err := r.Store.Unstated(ctx, app, s.from, s.to, listed, restatePage)
		if err != nil {
			return len(done), err
		}
		drop, err := r.Store.Overstated(ctx, app, s.from, s.to, others, restatePage)
		known := len(done)
		for i := range events {
			done[events[i].ID] = true
		}
		for i := range drop {
			done[drop[i].ID] = true
		}
		if err != nil || len(done) == known { // facts that are found again cannot be mended
			return len(done), err
		}
		var facts attribution.Facts
		for i := range events {
			facts.AddSecret(&events[i], s.settings, r.Secret)
		}
		if err := r.restate(ctx, app, attribution.Facts{Conversions: drop}, events, facts); err != nil {
			return len(done), err
		}
	}
}

// restate replaces the dropped facts and has the attributions that the old and the new
// ones reach recomputed.
func (r *Restater) restate(ctx context.Context, app string, drop attribution.Facts, events []protocol.Event, facts attribution.Facts) error {
	if err := r.Store.Restate(ctx, app, drop, events, facts); err != nil {
		return err
	}
	both := attribution.Facts{Touches: append(drop.Touches, facts.Touches...), Conversions: append(drop.Conversions, facts.Conversions...), Links: facts.Links}
	_, err := r.Recompute(ctx, &both)
	return err
}

// touches mends the keys and marks of touches and installs.
func (r *Restater) touches(ctx context.Context, app string, s span) (int, error) {
	total, after := 0, attribution.Cursor{Time: s.from}
	for {
		events, err := r.Store.Stating(ctx, app, after, s.to, restatePage)
		if err != nil || len(events) == 0 {
			return total, err
		}
		last := &events[len(events)-1]
		stored, err := r.Store.Stated(ctx, app, events[0].Time, last.Time)
		if err != nil {
			return total, err
		}
		drop, again, facts := r.differing(events, &stored, s.settings)
		if len(again) > 0 {
			if err := r.restate(ctx, app, drop, again, facts); err != nil {
				return total, err
			}
		}
		total, after = total+len(again), attribution.Cursor{Time: last.Time, ID: last.ID}
	}
}

// named is one content of a message id, as a touch or as an install.
type named struct {
	id       string
	received int64
	digest   uint64
	install  bool
}

// look is everything about a stored touch or install that may differ from what its event
// states.
type look struct {
	marks attribution.Marks
	keys  string
}

// lookOf returns the look of a fact. Whoever sent it does not matter: rows of before do not
// say. Without the address of the event, which is dropped after a while, neither what
// follows from an address does.
func lookOf(marks attribution.Marks, keys []string, address bool) look {
	marks &^= attribution.MarkTrusted
	if !address {
		marks &^= attribution.MarkBlockedAddress
		keys = slices.DeleteFunc(slices.Clone(keys), attribution.Fingerprint)
	}
	return look{marks, strings.Join(keys, "\x00")}
}

// storedLook is a stored row.
type storedLook struct {
	marks attribution.Marks
	keys  []string
}

// differing returns the events with a stored row that differs from what Derive gives now,
// or with none, the facts to drop and those to store.
func (r *Restater) differing(events []protocol.Event, stored *attribution.Facts, s *attribution.Settings) (
	drop attribution.Facts, again []protocol.Event, facts attribution.Facts) {
	rows := make(map[named][]storedLook)
	for i := range stored.Touches {
		t := &stored.Touches[i]
		n := named{t.ID, t.Received, t.Digest, false}
		rows[n] = append(rows[n], storedLook{t.Marks, t.Keys})
	}
	for i := range stored.Conversions {
		c := &stored.Conversions[i]
		n := named{c.ID, c.Received, c.Digest, true}
		rows[n] = append(rows[n], storedLook{c.Marks, c.Keys})
	}
	for i := range events {
		e, f := &events[i], attribution.Facts{}
		f.AddSecret(e, s, r.Secret)
		same := true
		check := func(n named, marks *attribution.Marks, keys *[]string) {
			want := lookOf(*marks, *keys, e.IP != "")
			same = same && len(rows[n]) > 0
			for _, row := range rows[n] {
				same = same && lookOf(row.marks, row.keys, e.IP != "") == want
				if e.IP == "" { // what followed from the address stays
					*marks |= row.marks & attribution.MarkBlockedAddress
					*keys = withLooks(*keys, row.keys)
				}
			}
		}
		for j := range f.Touches {
			t := &f.Touches[j]
			check(named{t.ID, t.Received, t.Digest, false}, &t.Marks, &t.Keys)
		}
		for j := range f.Conversions {
			if c := &f.Conversions[j]; c.Install {
				check(named{c.ID, c.Received, c.Digest, true}, &c.Marks, &c.Keys)
			}
		}
		if same {
			continue
		}
		again = append(again, *e)
		facts.Touches, facts.Conversions = append(facts.Touches, f.Touches...), append(facts.Conversions, f.Conversions...)
		facts.Links = append(facts.Links, f.Links...)
	}
	drop = attribution.Facts{Touches: slices.Clone(facts.Touches), Conversions: slices.Clone(facts.Conversions)}
	differs := make(map[string]bool, len(again))
	for i := range again {
		differs[again[i].ID] = true
	}
	for i := range stored.Touches { // their former keys say whom it mattered to
		if differs[stored.Touches[i].ID] {
			drop.Touches = append(drop.Touches, stored.Touches[i])
		}
	}
	return drop, again, facts
}

// withLooks adds the fingerprints of former keys to keys.
func withLooks(keys, former []string) []string {
	all := slices.Clone(keys)
	for _, k := range former {
		if attribution.Fingerprint(k) {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
