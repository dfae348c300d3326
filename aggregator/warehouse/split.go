package warehouse

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Bounds of one insert statement. An insert makes one part in every month that
// it touches; too many parts at once are refused by the server, and only an
// insert of one block is stored as a whole.
const (
	maxMonths     = 4
	maxInsertRows = 100_000

	// maxBisections bounds the search for the rows that the server refuses. What
	// is left unsearched then goes to quarantine together, from where it can be
	// replayed.
	maxBisections = 256
)

// table says how rows of one type are stored.
type table[R any] struct {
	name     string
	columns  func(rows []*R) []column
	original func(*R) int64 // nil where the table has no partitions
	check    func(*R) string
}

// refusal is a row that can never be stored, and why.
type refusal[R any] struct {
	row    *R
	reason string
}

// storeRows stores all rows, in as many statements as it takes, and returns
// those that can never be stored.
func storeRows[R any](ctx context.Context, w *server, t table[R], rows []*R) ([]refusal[R], error) {
	var refused []refusal[R]
	if t.check != nil {
		good := make([]*R, 0, len(rows))
		for _, r := range rows {
			if reason := t.check(r); reason != "" {
				refused = append(refused, refusal[R]{r, reason})
				continue
			}
			good = append(good, r)
		}
		rows = good
	}
	budget := maxBisections
	for _, chunk := range split(rows, t.original) {
		bad, err := storeChunk(ctx, w, t, chunk, &budget)
		if err != nil {
			return nil, err
		}
		refused = append(refused, bad...)
	}
	return refused, nil
}

// storeChunk inserts rows. When the server refuses their content, it halves them
// until the offenders are alone, or the budget is used up.
func storeChunk[R any](ctx context.Context, w *server, t table[R], rows []*R, budget *int) ([]refusal[R], error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err := w.send(ctx, t.name, t.columns(rows), len(rows))
	if err == nil {
		return nil, nil
	}
	if !permanent(err) {
		return nil, err
	}
	if len(rows) == 1 || *budget <= 0 {
		refused := make([]refusal[R], len(rows))
		for i, r := range rows {
			refused[i] = refusal[R]{r, reason(err)}
		}
		return refused, nil
	}
	*budget -= 2
	half := len(rows) / 2
	left, err := storeChunk(ctx, w, t, rows[:half], budget)
	if err != nil {
		return nil, err
	}
	right, err := storeChunk(ctx, w, t, rows[half:], budget)
	if err != nil {
		return nil, err
	}
	return append(left, right...), nil
}

// split divides rows so that no part has more than maxMonths months or
// maxInsertRows rows. Rows of one month stay together as far as possible.
func split[R any](rows []*R, original func(*R) int64) [][]*R {
	if len(rows) == 0 {
		return nil
	}
	if original != nil && !fewMonths(rows, original) {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b *R) int { return cmp.Compare(month(original(a)), month(original(b))) })
	}
	var chunks [][]*R
	start, months, last := 0, make(map[int]bool, maxMonths+1), -1
	for i, r := range rows {
		if original != nil {
			if m := month(original(r)); m != last {
				months[m], last = true, m
			}
		}
		if len(months) > maxMonths || i-start == maxInsertRows {
			chunks = append(chunks, rows[start:i])
			start = i
			clear(months)
			if original != nil {
				months[last] = true
			}
		}
	}
	return append(chunks, rows[start:])
}

func fewMonths[R any](rows []*R, original func(*R) int64) bool {
	months, last := make(map[int]bool, maxMonths+1), -1
	for _, r := range rows {
		if m := month(original(r)); m != last {
			months[m], last = true, m
			if len(months) > maxMonths {
				return false
			}
		}
	}
	return true
}

// month numbers the partition of a timestamp in milliseconds.
func month(ms int64) int {
	t := time.UnixMilli(ms).UTC()
	return t.Year()*12 + int(t.Month())
}
