package recompute

import (
	"fmt"
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

func rowsOf(digest uint64, ids ...string) (rows []attribution.Row) {
	for _, id := range ids {
		rows = append(rows, attribution.Row{Conversion: attribution.Conversion{ID: id}, Result: attribution.Result{InputDigest: digest}})
	}
	return rows
}

func TestWritesOfOthersAreTold(t *testing.T) {
	w := newWrites()
	first := w.begin()
	second := w.begin()
	if crossed := w.add(first, "shop", rowsOf(1, "a", "b", "d")); crossed != nil {
		t.Errorf("nobody else wrote, told %q", crossed)
	}
	w.end(first)
	third := w.begin()
	if crossed := w.add(second, "game", rowsOf(2, "a")); crossed != nil {
		t.Errorf("another app's rows count: %q", crossed)
	}
	if crossed := w.add(second, "shop", rowsOf(1, "d")); crossed != nil {
		t.Errorf("the same row counts: %q", crossed)
	}
	if crossed := w.add(second, "shop", rowsOf(2, "b", "c")); !slices.Equal(crossed, []string{"b"}) {
		t.Errorf("told %q, want b", crossed)
	}
	if crossed := w.add(third, "shop", rowsOf(3, "a", "c")); !slices.Equal(crossed, []string{"c"}) {
		t.Errorf("told %q, want c: a had been written before", crossed)
	}
}

// TestWritesAreForgotten: rows are remembered while a running computation may ask for them,
// and only few others.
func TestWritesAreForgotten(t *testing.T) {
	w := newWrites()
	long := w.begin()
	for i := range 10 * minWrites {
		begun := w.begin()
		w.add(begun, "app", rowsOf(1, fmt.Sprint(i)))
		w.end(begun)
	}
	if len(w.last) != 10*minWrites {
		t.Errorf("%d rows remembered, want all since the long one began", len(w.last))
	}
	next := w.begin()
	w.end(long)
	for i := range 10 * minWrites { // somebody always computes
		w.add(next, "app", rowsOf(1, fmt.Sprint("next ", i)))
		begun := w.begin()
		w.end(next)
		next = begun
	}
	if len(w.last) > 2*minWrites {
		t.Errorf("%d rows remembered while nobody may ask for them", len(w.last))
	}
	long = w.begin()
	for i := range maxWrites + 1 {
		w.add(next, "app", rowsOf(1, fmt.Sprint("many ", i)))
	}
	if len(w.last) > maxWrites {
		t.Errorf("%d rows remembered, at most %d may be", len(w.last), maxWrites)
	}
	if crossed := w.add(long, "app", rowsOf(2, "alone")); len(crossed) != 1 {
		t.Error("what was forgotten counts as nothing")
	}
	if crossed := w.add(w.begin(), "app", rowsOf(2, "later")); crossed != nil {
		t.Error("what began later looks again")
	}
	clear(w.running)
	w.end(next)
	if len(w.last) > 0 {
		t.Errorf("%d rows remembered when nothing runs", len(w.last))
	}
}
