package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// WhatIf is a warehouse whose attributions are those of a named run under other
// settings. The facts are the warehouse's own; rows that it writes overwrite nothing
// except those of the same run.
type WhatIf struct {
	*Warehouse
	app, run string
}

// WhatIf opens a run of an app. A run belongs to the settings that it was begun
// with: it may be done again, and with others it is refused.
func (w *Warehouse) WhatIf(ctx context.Context, app, run, settings string) (*WhatIf, error) {
	var begun []string
	err := each(ctx, w.facts, func(r driver.Rows) error {
		var s string
		err := r.Scan(&s)
		begun = append(begun, s)
		return err
	}, "SELECT settings FROM what_if_runs WHERE app_id = ? AND run = ? ORDER BY inserted_at LIMIT 1", app, run)
	if err != nil {
		return nil, fmt.Errorf("read what-if runs: %w", err)
	}
	if len(begun) > 0 && begun[0] != settings {
		return nil, fmt.Errorf("what-if %q of app %s was begun with other settings: choose another name", run, app)
	}
	if len(begun) == 0 {
		columns := []column{{"app_id", []string{app}}, {"run", []string{run}}, {"settings", []string{settings}}}
		if err := w.send(ctx, "what_if_runs", columns, 1); err != nil {
			return nil, err
		}
	}
	return &WhatIf{w, app, run}, nil
}

// Stamps returns none: whatever is computed is written.
func (w *WhatIf) Stamps(context.Context, string, []string) (map[string]attribution.Stamp, error) {
	return nil, nil
}

// InsertAttributions stores rows of the run.
func (w *WhatIf) InsertAttributions(ctx context.Context, rows []attribution.Row) error {
	all := pointers(rows)
	for len(all) > 0 {
		n := min(len(all), maxInsertAttributions)
		columns := append(attributionColumns(all[:n]), pick("run", all[:n], func(*attribution.Row) string { return w.run }))
		if err := w.send(ctx, "what_if_attributions", columns, n); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// Shift is how the credit of one media source under one model moves.
type Shift struct {
	Model       string `json:"model"`
	MediaSource string `json:"media_source"`
	Now         int64  `json:"now"`     // millionths of conversions as attributed
	WhatIf      int64  `json:"what_if"` // and under the run's settings
}

// maxShifts bounds how many media sources are told of, for all models together.
const maxShifts = 5000

// Shifts compares the run with the attributions of the same conversions.
func (w *WhatIf) Shifts(ctx context.Context) ([]Shift, error) {
	var list []Shift
	const fields = `if(empty(touches_media_source), ['organic'], touches_media_source) AS sources,
    arrayMap(c -> if(empty(c), [toUInt32(1000000)], c), [credit_first_touch, credit_last_touch, credit_linear, credit_time_decay, credit_position_based]) AS credits`
	err := each(ctx, w.read, func(r driver.Rows) error {
		var model uint64
		var s Shift
		err := r.Scan(&model, &s.MediaSource, &s.Now, &s.WhatIf)
		s.Model = attribution.Model(model).String()
		list = append(list, s)
		return err
	}, `SELECT model, if(source = '', 'unknown', source), toInt64(sumIf(credit, NOT other)) AS now, toInt64(sumIf(credit, other)) AS what_if
FROM
(
    SELECT other, sources, toUInt64(m - 1) AS model, model_credits FROM
    (
        SELECT true AS other, `+fields+` FROM what_if_attributions FINAL WHERE app_id = ? AND run = ?
        UNION ALL
        SELECT false AS other, `+fields+` FROM attributions FINAL
        WHERE app_id = ? AND conversion_id IN (SELECT conversion_id FROM what_if_attributions WHERE app_id = ? AND run = ?)
    )
    ARRAY JOIN credits AS model_credits, arrayEnumerate(credits) AS m
)
ARRAY JOIN sources AS source, model_credits AS credit
GROUP BY model, source ORDER BY model, what_if DESC, source LIMIT ?`, w.app, w.run, w.app, w.app, w.run, maxShifts)
	if err != nil {
		return nil, fmt.Errorf("compare a what-if: %w", err)
	}
	return list, nil
}

// Compute attributes conversions by the second implementation, in SQL, and stores
// them as rows of the run without their leaving the server. Settings are those that
// at returns for the time of each conversion.
func (w *WhatIf) Compute(ctx context.Context, ids []string, at func(ms int64) *attribution.Settings) error {
	var names []string
	for _, c := range attributionColumns(nil) {
		names = append(names, c.name)
	}
	list := strings.Join(names, ", ")
	err := w.compute(ctx, w.app, ids, at, func(ctx context.Context, conn driver.Conn, result string) error {
		return conn.Exec(ctx, "INSERT INTO what_if_attributions (run, "+list+") SELECT "+quoted(w.run)+", "+list+" FROM ("+result+")")
	})
	if half := len(ids) / 2; half > 0 && errors.Is(err, attribution.ErrTooManyKeys) {
		if err := w.Compute(ctx, ids[:half], at); err != nil {
			return err
		}
		return w.Compute(ctx, ids[half:], at)
	}
	return err
}

// quoted is a text as a literal of ClickHouse.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
