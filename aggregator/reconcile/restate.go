package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// What an event states, whether it is a conversion, which fingerprints and marks it
// has, is decided by the settings of its time. A node that has not heard of them
// yet stores what the older ones say. So when settings change, and in the standing
// job, what is stored is held against the events again. Only what can differ is
// looked at: names that are in some versions' lists and not in others, and touches
// where versions differ in what makes their keys and marks.

// Version is a version of an app's settings.
type Version struct {
	From     int64 // in milliseconds; the first also applies before
	Settings *attribution.Settings
}

// Statements is the warehouse, the events and what is stored as stated by them.
type Statements interface {
	// Unstated returns events with from <= time < to and one of names of which no conversion is stored.
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

// Restater makes what is stored say what the events state. All fields are required
// but Secret.
type Restater struct {
	Store    Statements
	Versions func(app string) []Version // oldest first, all that a node may have gone by
	Secret   attribution.Secret         // of fingerprints
	// Recompute brings the attributions that facts can reach up to date.
	Recompute func(ctx context.Context, facts *attribution.Facts) (int, error)
}

// restatePage is how many events are held against what is stored at once.
const restatePage = 5000

// Restate mends the facts of an app with from <= time < to, in milliseconds, and
// returns how many were missing or wrong.
func (r *Restater) Restate(ctx context.Context, app string, from, to int64) (int, error) {
	versions := r.Versions(app)
	if len(versions) == 0 || from >= to {
		return 0, nil
	}
	names, looks := varying(versions)
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
		if err == nil && looks {
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

// varying returns the names that are conversions under some settings and not under
// others, and whether any versions differ in what makes keys and marks of an event.
// Those of a new app are among them: a node may not have heard of the app.
func varying(versions []Version) (names []string, looks bool) {
	fallback := attribution.Default()
	all := append([]Version{{Settings: &fallback}}, versions...)
	count := make(map[string]int)
	for _, v := range all {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(v.Settings.ConversionEvents))) {
			count[name]++
		}
		looks = looks || !v.Settings.SameLooks(&fallback)
	}
	for name, n := range count {
		if n < len(all) && name != attribution.InstallEvent {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, looks
}

// conversions adds those that are missing and removes those that are none.
func (r *Restater) conversions(ctx context.Context, app string, s span, names []string) (int, error) {
	var listed, others []string
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
		if err != nil || len(done) == known { // what is found again cannot be mended
			return len(done), err
		}
		var facts attribution.Facts
		for i := range events {
			facts.AddSecret(&events[i], s.settings, r.Secret)
		}
		facts.Links = nil // no settings decide about them
		if err := r.restate(ctx, app, attribution.Facts{Conversions: drop}, events, facts); err != nil {
			return len(done), err
		}
	}
}

// restate stores the facts and has what they and the former ones reach recomputed.
func (r *Restater) restate(ctx context.Context, app string, drop attribution.Facts, events []protocol.Event, facts attribution.Facts) error {
	if err := r.Store.Restate(ctx, app, drop, events, facts); err != nil {
		return err
	}
	both := attribution.Facts{Touches: append(drop.Touches, facts.Touches...), Conversions: append(drop.Conversions, facts.Conversions...)}
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

// look is what settings decide about a touch or an install.
type look struct {
	marks attribution.Marks
	keys  string
}

// named is one content of a message id, as a touch or as an install.
type named struct {
	id       string
	received int64
	digest   uint64
	install  bool
}

// differing returns the events of which not every stored row says what they state,
// the facts to drop and those to store.
func (r *Restater) differing(events []protocol.Event, stored *attribution.Facts, s *attribution.Settings) (drop attribution.Facts, again []protocol.Event, facts attribution.Facts) {
	rows := make(map[named][]look)
	for i := range stored.Touches {
		t := &stored.Touches[i]
		n := named{t.ID, t.Received, t.Digest, false}
		rows[n] = append(rows[n], lookOf(t.Marks, t.Keys))
	}
	for i := range stored.Conversions {
		c := &stored.Conversions[i]
		n := named{c.ID, c.Received, c.Digest, true}
		rows[n] = append(rows[n], lookOf(c.Marks, c.Keys))
	}
	alike := func(n named, want look) bool {
		return len(rows[n]) > 0 && !slices.ContainsFunc(rows[n], func(l look) bool { return l != want })
	}
	for i := range events {
		f := attribution.Facts{}
		f.AddSecret(&events[i], s, r.Secret)
		same := true
		for _, t := range f.Touches {
			same = same && alike(named{t.ID, t.Received, t.Digest, false}, lookOf(t.Marks, t.Keys))
		}
		for _, c := range f.Conversions {
			same = same && (!c.Install || alike(named{c.ID, c.Received, c.Digest, true}, lookOf(c.Marks, c.Keys)))
		}
		if same {
			continue
		}
		again = append(again, events[i])
		facts.Touches, facts.Conversions = append(facts.Touches, f.Touches...), append(facts.Conversions, f.Conversions...)
	}
	drop = attribution.Facts{Touches: slices.Clone(facts.Touches), Conversions: slices.Clone(facts.Conversions)}
	for i := range stored.Touches { // their former keys say whom it mattered to
		if slices.ContainsFunc(again, func(e protocol.Event) bool { return e.ID == stored.Touches[i].ID }) {
			drop.Touches = append(drop.Touches, stored.Touches[i])
		}
	}
	return drop, again, facts
}

func lookOf(marks attribution.Marks, keys []string) look {
	return look{marks, strings.Join(keys, "\x00")}
}
