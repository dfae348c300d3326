package reconcile

import (
	"context"
	"errors"
	"math"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// compare returns the conversions whose stored attribution is missing or differs in
// anything from a computation made after it was read, and how many could not be
// computed.
func (r *Reconciler) compare(ctx context.Context, app string, page []attribution.Conversion) (differ []attribution.Conversion, skipped int, err error) {
	ids := names(page)
	stored, err := r.o.Store.Attributions(ctx, app, ids)
	if err != nil {
		return nil, 0, err
	}
	computed, err := r.o.Store.Twin(ctx, app, ids, func(ms int64) *attribution.Settings { return r.o.Settings(app, ms) })
	if errors.Is(err, attribution.ErrTooManyKeys) {
		return r.halves(ctx, app, page)
	}
	if err != nil {
		return nil, 0, err
	}
	newest := r.o.Settings(app, math.MaxInt64).Generation
	before, after := byID(stored), byID(computed)
	for _, c := range page {
		row, result := before[c.ID], after[c.ID]
		switch {
		case result == nil: // erased meanwhile
		case row != nil && row.Result.Generation > newest: // of settings this node has not heard of yet
		case row == nil || attribution.SameRow(row, result) != nil:
			differ = append(differ, c)
		}
	}
	return differ, 0, nil
}

func byID(rows []attribution.Row) map[string]*attribution.Row {
	found := make(map[string]*attribution.Row, len(rows))
	for i := range rows {
		found[rows[i].Conversion.ID] = &rows[i]
	}
	return found
}

// halves compares fewer conversions at a time; one alone that has too many keys
// is skipped.
func (r *Reconciler) halves(ctx context.Context, app string, page []attribution.Conversion) (differ []attribution.Conversion, skipped int, err error) {
	n := len(page) / 2
	if n == 0 {
		return nil, len(page), nil
	}
	for _, half := range [][]attribution.Conversion{page[:n], page[n:]} {
		d, s, err := r.compare(ctx, app, half)
		if err != nil {
			return nil, 0, err
		}
		differ, skipped = append(differ, d...), skipped+s
	}
	return differ, skipped, nil
}
