package recompute

import (
	"context"
	"errors"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/lease"
)

const (
	maxSlice = 5 * time.Minute // stored facts of no longer a time are swept between two watermarks

	// youngOverlap is how long nearly every insert takes at most. What takes longer
	// is left to the full sweep.
	youngOverlap = 10 * time.Second

	// mismatchAge is how old a fact is that the fast path should have seen long
	// ago: an attribution that does not match it by then is reported.
	mismatchAge = 60 * time.Second
)

// Sweep recomputes the attributions of facts stored since the watermark, and moves it. It does
// nothing while another node holds the lease.
func (a *Attributor) Sweep(ctx context.Context) error {
	held := false
	err := a.sweeping.Do(ctx, func(ctx context.Context, turn lease.Turn) error {
		held = true
		mark, err := turn.Watermark(ctx, "")
		if err != nil {
			return err
		}
		return a.sweepFrom(ctx, mark, turn)
	})
	if !held && err == nil {
		a.metrics.mark.Store(0)
	}
	return err
}

// sweepYoung looks only at facts stored a moment ago, where the fast path of
// another node may have missed something, and leaves the watermark alone.
func (a *Attributor) sweepYoung(ctx context.Context) error {
	return a.sweeping.Do(ctx, func(ctx context.Context, _ lease.Turn) error {
		now, err := a.o.Feed.Now(ctx)
		if err != nil {
			return err
		}
		_, err = a.sweepRange(ctx, later(now.Add(-a.o.Young), a.last.Add(-youngOverlap)), now, a.young)
		if err == nil {
			a.last = now
		}
		return err
	})
}

func (a *Attributor) sweepFrom(ctx context.Context, mark time.Time, turn lease.Turn) error {
	wrong := 0
	if mark.IsZero() {
		a.metrics.mark.Store(time.Now().UnixMilli()) // nothing was ever swept: the lag grows from here
	} else {
		a.metrics.mark.Store(mark.UnixMilli())
	}
	for {
		now, err := a.o.Feed.Now(ctx) // before anything is read: later facts are for the next sweep
		if err != nil {
			return err
		}
		s := slice{since: mark.Add(-a.o.Margin), until: now, now: now}
		if mark.IsZero() {
			s.since = time.UnixMilli(0)
		} else if now.Sub(mark) > maxSlice {
			s.until = mark.Add(maxSlice)
		}
		n, err := a.sweepSlice(ctx, s)
		wrong += n
		a.metrics.mismatch(wrong)
		if err != nil {
			return err
		}
		if err := turn.SetWatermark(ctx, "", s.until); err != nil {
			return err
		}
		mark = s.until
		a.metrics.mark.Store(mark.UnixMilli())
		if !mark.Before(now) {
			return nil
		}
	}
}

// slice is a stretch of storage time to sweep.
type slice struct{ since, until, now time.Time }

// sweepSlice sweeps oldest first and returns how many attributions did not match
// facts older than mismatchAge. An error of one page does not stop the others.
func (a *Attributor) sweepSlice(ctx context.Context, s slice) (int, error) {
	old, young := s.now.Add(-mismatchAge), s.now.Add(-a.o.Young)
	wrong, err := a.sweepRange(ctx, s.since, earlier(old, s.until), a.done)
	_, second := a.sweepRange(ctx, later(s.since, old), earlier(young, s.until), a.done)
	_, third := a.sweepRange(ctx, later(s.since, young), s.until, a.young)
	return wrong, errors.Join(err, second, third)
}

// sweepRange recomputes the attributions that the facts of a range can reach, except
// facts that mark remembers, and remembers the others. A young fact may be readable in one
// table and not yet in another, so that it is remembered apart and swept again
// when it is older.
func (a *Attributor) sweepRange(ctx context.Context, since, until time.Time, mark *seen) (int, error) {
	if !since.Before(until) {
		return 0, nil
	}
	total, cursor, before := 0, "", computed{}
	var faults []error
	for {
		facts, next, err := a.o.Feed.Since(ctx, since, until, cursor, pageFacts)
		if err != nil {
			return total, errors.Join(append(faults, err)...)
		}
		fresh := a.unseen(facts, mark)
		if size(&fresh) > 0 {
			if mark == a.young { // some of these facts were not readable when the page before was computed
				before = computed{}
			}
			n, err := a.recomputeOnce(ctx, &fresh, before)
			total += n
			if variants := attribution.Conflicts(&fresh); len(variants) > 0 {
				err = errors.Join(err, a.o.Store.RecordConflicts(ctx, variants))
			}
			if err != nil {
				faults = append(faults, err)
			} else {
				mark.add(fingerprints(&fresh))
			}
		}
		if next == "" || ctx.Err() != nil {
			return total, errors.Join(append(faults, ctx.Err())...)
		}
		cursor = next
	}
}

// unseen returns the facts that are not remembered. When one variant of a
// message id is new, all its variants are kept: attributions that a former
// winner reached have to be computed anew.
func (a *Attributor) unseen(f attribution.Facts, mark *seen) attribution.Facts {
	type name struct{ app, id string }
	touches, conversions := make(map[name]bool), make(map[name]bool)
	for i := range f.Touches {
		t := &f.Touches[i]
		if p := touchPrint(t); !a.done.has(p) && !mark.has(p) {
			touches[name{t.App, t.ID}] = true
		}
	}
	for i := range f.Conversions {
		c := &f.Conversions[i]
		if p := conversionPrint(c); !a.done.has(p) && !mark.has(p) {
			conversions[name{c.App, c.ID}] = true
		}
	}
	var fresh attribution.Facts
	for _, t := range f.Touches {
		if touches[name{t.App, t.ID}] {
			fresh.Touches = append(fresh.Touches, t)
		}
	}
	for _, c := range f.Conversions {
		if conversions[name{c.App, c.ID}] {
			fresh.Conversions = append(fresh.Conversions, c)
		}
	}
	for _, l := range f.Links {
		if p := linkPrint(&l); !a.done.knows(p, l.Received) && !mark.knows(p, l.Received) {
			fresh.Links = append(fresh.Links, l)
		}
	}
	return fresh
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
