package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
)

// heavy is a store with one conversion that no second computation can do.
type heavy struct {
	conversions []attribution.Conversion
	poison      string
	compared    []string
}

func (h *heavy) ConversionsAfter(_ context.Context, _ string, after attribution.Cursor, _ int64, limit int) ([]attribution.Conversion, attribution.Cursor, bool, error) {
	from := slices.IndexFunc(h.conversions, func(c attribution.Conversion) bool { return c.Time > after.Time })
	if from < 0 {
		return nil, after, false, nil
	}
	page := h.conversions[from:min(from+limit, len(h.conversions))]
	last := page[len(page)-1]
	return page, attribution.Cursor{Time: last.Time, ID: last.ID}, true, nil
}

func (h *heavy) Attributions(_ context.Context, _ string, ids []string) ([]attribution.Row, error) {
	return rowsOf(ids), nil
}

func (h *heavy) Twin(_ context.Context, _ string, ids []string, _ func(int64) *attribution.Settings) ([]attribution.Row, error) {
	if slices.Contains(ids, h.poison) {
		return nil, errors.New("memory limit exceeded")
	}
	h.compared = append(h.compared, ids...)
	return rowsOf(ids), nil
}

func rowsOf(ids []string) []attribution.Row {
	rows := make([]attribution.Row, len(ids))
	for i, id := range ids {
		rows[i].Conversion.ID = id
	}
	return rows
}

type nothing struct{}

func (nothing) Recompute(context.Context, *attribution.Facts) (int, error) { return 0, nil }
func (nothing) Rewrite(context.Context, string, []string) (int, error)     { return 0, nil }

func TestOneConversionDoesNotStopTheStandingJob(t *testing.T) {
	now := time.UnixMilli(start + attribution.Day)
	h := &heavy{poison: "c037"}
	for i := range 100 {
		h.conversions = append(h.conversions, attribution.Conversion{App: "a", ID: fmt.Sprintf("c%03d", i), Time: start + int64(i)})
	}
	before := attribution.Default()
	r, err := reconcile.New(reconcile.Options{Store: h, Repairer: nothing{}, Settle: -1, PageSize: 50, Owner: "one",
		Leases: &leases{marks: map[string]time.Time{}, owner: "one"}, Apps: func() []string { return []string{"a"} },
		Settings: func(string, int64) *attribution.Settings { return &before }})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for turn := 0; len(h.compared) < 99; turn++ {
		if turn == 100 {
			t.Fatalf("only %d of 99 conversions were compared", len(h.compared))
		}
		if r.Step(t.Context(), now, turn) != nil {
			failed++
		}
	}
	if slices.Sort(h.compared); failed == 0 || failed > 10 || len(slices.Compact(h.compared)) != 99 {
		t.Errorf("%d steps failed, and of 100 conversions %d were compared", failed, len(slices.Compact(h.compared)))
	}
}
