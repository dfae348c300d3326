package reconcile

import (
	"context"
	"errors"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// compare returns the conversions whose stored attribution is missing or differs
// from a computation made after it was read, and how many could not be computed.
func (r *Reconciler) compare(ctx context.Context, app string, page []attribution.Conversion) (differ []attribution.Conversion, skipped int, err error) {
	for _, group := range bySettings(app, page, r.o.Settings) {
		d, s, err := r.compareGroup(ctx, app, group)
		if err != nil {
			return nil, 0, err
		}
		differ, skipped = append(differ, d...), skipped+s
	}
	return differ, skipped, nil
}

// group are conversions under one version of the settings.
type group struct {
	settings    *attribution.Settings
	conversions []attribution.Conversion
}

func bySettings(app string, page []attribution.Conversion, at func(string, int64) *attribution.Settings) []group {
	var groups []group
	index := make(map[*attribution.Settings]int)
	for _, c := range page {
		s := at(app, c.Time)
		i, ok := index[s]
		if !ok {
			i = len(groups)
			index[s] = i
			groups = append(groups, group{settings: s})
		}
		groups[i].conversions = append(groups[i].conversions, c)
	}
	return groups
}

func (r *Reconciler) compareGroup(ctx context.Context, app string, g group) (differ []attribution.Conversion, skipped int, err error) {
	ids := names(g.conversions)
	stored, err := r.o.Store.Attributions(ctx, app, ids)
	if err != nil {
		return nil, 0, err
	}
	computed, err := r.o.Store.Twin(ctx, app, ids, g.settings)
	if errors.Is(err, attribution.ErrTooManyKeys) {
		return r.halves(ctx, app, g)
	}
	if err != nil {
		return nil, 0, err
	}
	rows := make(map[string]*attribution.Result, len(stored))
	for i := range stored {
		rows[stored[i].Conversion.ID] = &stored[i].Result
	}
	results := make(map[string]*attribution.Result, len(computed))
	for i := range computed {
		results[computed[i].Conversion.ID] = &computed[i].Result
	}
	for _, c := range g.conversions {
		row, result := rows[c.ID], results[c.ID]
		switch {
		case result == nil: // erased meanwhile
		case row != nil && row.Generation > result.Generation: // of settings this node has not heard of yet
		case row == nil || attribution.SameShares(row, result) != nil:
			differ = append(differ, c)
		}
	}
	return differ, 0, nil
}

// halves compares fewer conversions at a time; one alone that has too many keys
// is skipped.
func (r *Reconciler) halves(ctx context.Context, app string, g group) (differ []attribution.Conversion, skipped int, err error) {
	n := len(g.conversions) / 2
	if n == 0 {
		return nil, len(g.conversions), nil
	}
	for _, half := range [][]attribution.Conversion{g.conversions[:n], g.conversions[n:]} {
		d, s, err := r.compareGroup(ctx, app, group{g.settings, half})
		if err != nil {
			return nil, 0, err
		}
		differ, skipped = append(differ, d...), skipped+s
	}
	return differ, skipped, nil
}
