package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Effect compares the run with the attributions of the same conversions.
func (w *WhatIf) Effect(ctx context.Context) (report.EffectResult, error) {
	effect := report.NewEffect()
	var conversions, changed uint64
	var installs []installCount
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return each(ctx, w.read, func(r driver.Rows) error {
			var s report.EffectSum
			var model uint64
			if err := r.Scan(&s.Other, &model, &s.Source, &s.Paid, &s.Currency, &s.Credit, &s.Revenue); err != nil {
				return err
			}
			s.Model = attribution.Model(model).String()
			return effect.Share(s)
		}, effectSharesSQL, w.app, w.run, w.app, w.app, w.run)
	})
	g.Go(func() error {
		return each(ctx, w.read, func(r driver.Rows) error {
			var n installCount
			err := r.Scan(&n.other, &n.result, &n.source, &n.count)
			installs = append(installs, n)
			return err
		}, effectInstallsSQL, w.app, w.run, w.app, w.app, w.run)
	})
	g.Go(func() error {
		return each(ctx, w.read, func(r driver.Rows) error { return r.Scan(&conversions, &changed) },
			effectChangedSQL, w.app, w.run, w.app, w.app, w.run)
	})
	if err := g.Wait(); err != nil {
		return report.EffectResult{}, fmt.Errorf("compare a what-if: %w", err)
	}
	for _, n := range installs {
		effect.Install(n.other, n.result, n.source, n.count)
	}
	result := effect.Result()
	result.Conversions, result.Of, result.Changed = conversions, conversions, changed
	return result, nil
}

type installCount struct {
	other          bool
	result, source string
	count          int64
}

// The two sides of a comparison: the attributions of the run, and the stored ones of
// the same conversions.
const (
	otherSide = `FROM what_if_attributions FINAL WHERE app_id = ? AND run = ?`
	ownSide   = `FROM attributions FINAL
    WHERE app_id = ? AND conversion_id IN (SELECT conversion_id FROM what_if_attributions WHERE app_id = ? AND run = ?)`

	effectFields = `has_revenue AS paid, if(has_revenue, currency, '') AS money,
    if(empty(touches_id), ['organic'], touches_media_source) AS sources,
    arrayMap(c -> if(empty(touches_id), [toUInt32(1000000)], c), [credit_first_touch, credit_last_touch, credit_linear, credit_time_decay, credit_position_based]) AS credits,
    arrayMap(r -> if(empty(touches_id), [revenue], r), [revenue_first_touch, revenue_last_touch, revenue_linear, revenue_time_decay, revenue_position_based]) AS shares`

	effectSharesSQL = `SELECT other, model, source, paid, money, toString(sum(toInt128(credit))), toString(sum(toInt128(share))) FROM
(
    SELECT other, toUInt64(m - 1) AS model, sources, paid, money, model_credits, model_shares FROM
    (
    SELECT true AS other, ` + effectFields + ` ` + otherSide + `
    UNION ALL
    SELECT false AS other, ` + effectFields + ` ` + ownSide + `
    )
    ARRAY JOIN credits AS model_credits, shares AS model_shares, arrayEnumerate(credits) AS m
)
ARRAY JOIN sources AS source, model_credits AS credit, model_shares AS share
GROUP BY other, model, source, paid, money LIMIT 200000`

	effectInstallsSQL = `SELECT other, result, source, toInt64(count()) FROM
(
    SELECT true AS other, toString(outcome) AS result, media_source AS source, install ` + otherSide + `
    UNION ALL
    SELECT false AS other, toString(outcome) AS result, media_source AS source, install ` + ownSide + `
)
WHERE install GROUP BY other, result, source LIMIT 200000`

	effectHash = `sipHash128(touches_id, credit_first_touch, credit_last_touch, credit_linear, credit_time_decay, credit_position_based, toString(outcome), touch_id, media_source) AS hash`

	effectChangedSQL = `SELECT count(), countIf(different) FROM
(
    SELECT conversion_id, uniqExact(hash) > 1 AS different FROM
    (
    SELECT conversion_id, ` + effectHash + ` ` + otherSide + `
    UNION ALL
    SELECT conversion_id, ` + effectHash + ` ` + ownSide + `
    )
    GROUP BY conversion_id
)`
)

// Forget removes the run and its attributions.
func (w *Warehouse) Forget(ctx context.Context, app, run string) error {
	for _, table := range []string{"what_if_attributions", "what_if_runs"} {
		if err := w.write.Exec(ctx, "DELETE FROM "+table+" WHERE app_id = ? AND run = ?", app, run); err != nil {
			return fmt.Errorf("forget a what-if in %s: %w", table, err)
		}
	}
	return nil
}
