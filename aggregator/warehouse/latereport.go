package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Late tells of what came too late to change credit.
func (w *Warehouse) Late(ctx context.Context, q report.Query, s *attribution.Settings) (report.LateResult, error) {
	result := report.LateResult{LimitMS: s.Lateness, Rows: []report.LateRow{}}
	if err := q.Validate(); err != nil {
		return result, err
	}
	sql := q.Late(s)
	err := w.answer(ctx, sql.Rows, func(rows driver.Rows) error {
		var r report.LateRow
		err := rows.Scan(&r.MediaSource, &r.Kind, &r.Touches, &r.Conversions, &r.LongestMS)
		result.Rows = append(result.Rows, r)
		return err
	})
	if err == nil {
		err = w.answer(ctx, sql.Conflicts, func(rows driver.Rows) error { return rows.Scan(&result.Conflicts) })
	}
	if err != nil {
		return result, fmt.Errorf("read late data: %w", err)
	}
	return result, nil
}
