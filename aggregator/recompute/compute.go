package recompute

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxRepairs bounds how often a row is repaired and verified in one go; a row that
// still changes then is left to the next sweep.
const maxRepairs = 5

// errDivide says that seeds reach too much to be read together.
var errDivide = errors.New("too many keys for one recomputation")

// Recompute brings the attributions that facts can reach up to date and returns
// how many rows were wrong or missing. Facts of one chunk are read together.
func (a *Attributor) Recompute(ctx context.Context, facts *attribution.Facts) (int, error) {
	total := 0
	for _, s := range seedsOf(facts) {
		n, err := a.recomputeSeeds(ctx, s)
		if err != nil {
			return total, fmt.Errorf("recompute attributions of app %s: %w", s.app, err)
		}
		total += n
	}
	return total, nil
}

func (a *Attributor) recomputeSeeds(ctx context.Context, s seeds) (int, error) {
	total, doubtful, err := a.computeAndWrite(ctx, s, false)
	if first, second, ok := s.halves(); ok && s.divide(err) {
		n, err := a.recomputeSeeds(ctx, first)
		if err != nil {
			return n, err
		}
		m, err := a.recomputeSeeds(ctx, second)
		return n + m, err
	}
	if err != nil {
		return 0, err
	}
	n, err := a.settle(ctx, s.app, doubtful)
	return total + n, err
}

// computeAndWrite computes and writes once, and returns how many rows it wrote and the ids
// of those that have to be looked at again.
func (a *Attributor) computeAndWrite(ctx context.Context, s seeds, repair bool) (int, []string, error) {
	begun := a.writes.begin()
	defer a.writes.end(begun)
	rows, doubtful, err := a.compute(ctx, s, repair)
	if err != nil {
		return 0, nil, err
	}
	crossed, err := a.write(ctx, begun, s.app, rows)
	return len(rows), append(doubtful, crossed...), err
}

// settle looks at rows again until nobody else writes them at the same time, and
// returns how many it wrote.
func (a *Attributor) settle(ctx context.Context, app string, doubtful []string) (total int, err error) {
	for i := 0; len(doubtful) > 0; i++ {
		if i == maxRepairs {
			return total, fmt.Errorf("%d attributions changed while they were repaired", len(doubtful))
		}
		n, next, err := a.repair(ctx, app, doubtful)
		if err != nil {
			return total, err
		}
		total, doubtful = total+n, next
	}
	return total, nil
}

// repair settles rows that are stored with other inputs than were computed from.
// Either another node knew more, and then a second look agrees with it, or this
// one does, and then the row is replaced. Because the stamps are read before the
// facts, a stored row cannot have been computed from more facts than are read here.
// Read the other way round, a row could give way to one that is made of fewer facts,
// for a version tells more inputs from fewer, but not a message id's content from
// another one. A row that had to be written over is looked at again, for a node
// that knew more may have been writing meanwhile.
func (a *Attributor) repair(ctx context.Context, app string, ids []string) (int, []string, error) {
	s := seeds{app: app, ids: ids, exact: true}
	n, doubtful, err := a.computeAndWrite(ctx, s, true)
	if first, second, ok := s.halves(); ok && s.divide(err) {
		n, doubtful, err := a.repair(ctx, app, first.ids)
		if err != nil {
			return n, nil, err
		}
		m, more, err := a.repair(ctx, app, second.ids)
		return n + m, append(doubtful, more...), err
	}
	if err != nil {
		return 0, nil, err
	}
	return n, doubtful, nil
}

// minDivided is how few ids and keys must be read together, however long it takes.
const minDivided = 1000

// divide says that fewer may do where so many did not.
func (s seeds) divide(err error) bool {
	return errors.Is(err, errDivide) || errors.Is(err, attribution.ErrTooManyKeys) && len(s.ids)+len(s.keys) > minDivided
}

// write stores the rows of a computation that began then, and returns the ids of
// those that another one of this node wrote meanwhile.
func (a *Attributor) write(ctx context.Context, begun uint64, app string, rows []attribution.Row) (crossed []string, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	if err := a.o.Store.InsertAttributions(ctx, rows); err != nil {
		return nil, err
	}
	a.metrics.written.Add(float64(len(rows)))
	return a.writes.add(begun, app, rows), nil
}

// compute attributes what seeds can reach and returns the rows to be written,
// and the ids of those that have to be looked at again: all that have a row of
// other inputs, and in a repair those that are written over. It fails with
// errDivide when the seeds are too many to be read together.
func (a *Attributor) compute(ctx context.Context, s seeds, repair bool) (rows []attribution.Row, doubtful []string, err error) {
	var before map[string]attribution.Stamp
	if repair {
		if before, err = a.o.Store.Stamps(ctx, s.app, s.ids); err != nil {
			return nil, nil, err
		}
	}
	facts, whole, err := a.gather(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if !whole {
		if _, _, ok := s.halves(); ok {
			return nil, nil, errDivide
		}
		a.metrics.truncated.Inc()
	}
	if len(facts.Conversions) == 0 {
		return nil, nil, nil
	}
	stamps := before
	if !repair {
		all := make([]string, len(facts.Conversions))
		for i := range facts.Conversions {
			all[i] = facts.Conversions[i].ID
		}
		if stamps, err = a.o.Store.Stamps(ctx, s.app, all); err != nil {
			return nil, nil, err
		}
	}
	results := attribution.Settle(facts, a.o.Settings)
	a.metrics.computed.Add(float64(len(results)))
	byID := make(map[string]*attribution.Conversion, len(facts.Conversions))
	for i := range facts.Conversions {
		byID[facts.Conversions[i].ID] = &facts.Conversions[i]
	}
	wanted := make(map[string]bool, len(s.ids))
	for _, id := range s.ids {
		wanted[id] = true
	}
	rows = make([]attribution.Row, 0, newRows(results, stamps))
	for i := range results {
		r := &results[i]
		if s.exact && !wanted[r.ID] {
			continue
		}
		stored, ok := stamps[r.ID]
		version, verdict := judge(r, stored, ok, repair, a.newest(s.app))
		switch verdict {
		case replace:
			rows = append(rows, attribution.Row{Conversion: *byID[r.ID], Result: *r, Version: version})
			if attribution.Repair(version) > attribution.Repair(stored.Version) {
				doubtful = append(doubtful, r.ID)
			}
		case doubt:
			doubtful = append(doubtful, r.ID)
		}
	}
	return rows, doubtful, nil
}

// newRows is how many results have no row yet.
func newRows(results []attribution.Result, stamps map[string]attribution.Stamp) int {
	n := 0
	for i := range results {
		if _, ok := stamps[results[i].ID]; !ok {
			n++
		}
	}
	return n
}

type verdict int

const (
	same verdict = iota
	replace
	doubt
)

// newest is the generation of the newest settings of an app that this node has heard of.
func (a *Attributor) newest(app string) uint64 { return a.o.Settings(app, math.MaxInt64).Generation }

// judge compares a result with the stored row and returns the version to write
// it with. A row of newer settings than this node has heard of is never written over.
func judge(r *attribution.Result, stored attribution.Stamp, ok, repair bool, newest uint64) (uint64, verdict) {
	if !ok {
		return r.Version(0), replace
	}
	count := attribution.Repair(stored.Version)
	version := r.Version(count)
	switch {
	case stored.InputDigest == r.InputDigest:
		return version, same
	case version <= stored.Version && attribution.Generation(stored.Version) > newest:
		return version, same
	case !repair:
		return version, doubt // these stamps are newer than the facts
	case version > stored.Version:
		return version, replace
	case count == 255:
		return version, same // repaired too often: a fault that the mismatch metric shows
	}
	return r.Above(stored.Version), replace
}

// Eraser forgets people. The warehouse does.
type Eraser interface {
	// Erase removes everything that has one of the keys and was received up to a
	// time, and returns the removed facts.
	Erase(ctx context.Context, app string, keys []string, at int64) (attribution.Facts, error)
}

// Forget erases everything that has one of the keys and was received up to a time, and
// brings the attributions that shared something with it up to date. It returns how many
// facts went and how many rows changed.
func (a *Attributor) Forget(ctx context.Context, from Eraser, app string, keys []string, at int64) (gone, changed int, err error) {
	facts, err := from.Erase(ctx, app, keys, at)
	if err != nil {
		return size(&facts), 0, err
	}
	if changed, err = a.Recompute(ctx, &facts); err != nil {
		err = fmt.Errorf("what shared something with what was erased is not attributed anew, reconcile it: %w", err)
	}
	return size(&facts), changed, err
}

// Rewrite computes the attributions of these conversions and writes them over
// whatever is stored, also where that claims to be of the same inputs, and returns
// how many it wrote. A row of newer settings stays.
func (a *Attributor) Rewrite(ctx context.Context, app string, ids []string) (int, error) {
	return a.rewrite(ctx, seeds{app: app, ids: ids, exact: true})
}

// RewriteRead is Rewrite for conversions of one app that have just been read.
func (a *Attributor) RewriteRead(ctx context.Context, app string, conversions []attribution.Conversion) (int, error) {
	s := seeds{app: app, ids: make([]string, len(conversions)), known: conversions, exact: true}
	for i := range conversions {
		s.ids[i] = conversions[i].ID
	}
	return a.rewrite(ctx, s)
}

func (a *Attributor) rewrite(ctx context.Context, s seeds) (int, error) {
	begun := a.writes.begin()
	defer a.writes.end(begun)
	stamps, err := a.o.Store.Stamps(ctx, s.app, s.ids) // before the facts, as in repair
	if err != nil {
		return 0, err
	}
	facts, whole, err := a.gather(ctx, s)
	if err != nil && !s.divide(err) {
		return 0, err
	}
	first, second, ok := s.halves()
	if ok && (!whole || err != nil) {
		n, err := a.rewrite(ctx, first)
		if err != nil {
			return n, err
		}
		m, err := a.rewrite(ctx, second)
		return n + m, err
	}
	if err != nil {
		return 0, err
	}
	rows := a.over(s.app, facts, stamps, s.ids)
	crossed, err := a.write(ctx, begun, s.app, rows)
	if err != nil {
		return len(rows), err
	}
	n, err := a.settle(ctx, s.app, crossed)
	return len(rows) + n, err
}

// over makes the rows of ids, each with a version above the stored one's.
func (a *Attributor) over(app string, facts *attribution.Facts, stamps map[string]attribution.Stamp, ids []string) []attribution.Row {
	wanted := make(map[string]*attribution.Conversion, len(ids))
	for _, id := range ids {
		wanted[id] = nil
	}
	for i := range facts.Conversions {
		c := &facts.Conversions[i]
		if _, ok := wanted[c.ID]; ok {
			wanted[c.ID] = c
		}
	}
	rows := make([]attribution.Row, 0, len(ids))
	newest := a.newest(app)
	results := attribution.Settle(facts, a.o.Settings)
	a.metrics.computed.Add(float64(len(results)))
	for i := range results {
		r := &results[i]
		c := wanted[r.ID]
		if c == nil {
			continue
		}
		stored, ok := stamps[r.ID]
		version := r.Version(0)
		if count := attribution.Repair(stored.Version); ok {
			version = r.Version(count)
			if version <= stored.Version && count < 255 && attribution.Generation(stored.Version) <= newest {
				version = r.Above(stored.Version)
			}
		}
		if !ok || version > stored.Version {
			rows = append(rows, attribution.Row{Conversion: *c, Result: *r, Version: version})
		}
	}
	return rows
}
