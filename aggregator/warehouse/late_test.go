package warehouse

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// TestLateTouchesAreTold has a touch in time, one at the limit, one beyond it that
// a purchase would have been credited to, and one beyond it of nobody who bought.
func TestLateTouchesAreTold(t *testing.T) {
	w := open(t)
	const limit = 7 * attribution.Day
	bought := order("o1", "u1", base+1000, 1)
	bought.Received = base + 1000
	insert(t, w, bought)
	for id, late := range map[string]int64{"in time": 5, "at the limit": limit, "late": limit + 1, "later": limit + 1001, "much later": limit + 5000} {
		user := "u1"
		if id == "much later" {
			user = "u2"
		}
		e := click(id, user, base)
		e.Received = base + late
		insert(t, w, e)
	}
	got, err := w.LateTouches(t.Context(), LateQuery{App: "app", From: base, To: base + 1, Lateness: limit, Lookback: 30 * attribution.Day, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, l := range got {
		text += fmt.Sprintf("%s %d %s; ", l.ID, l.Refused, l.Kind)
	}
	if text != "much later 0 click; later 1 click; late 0 click; " {
		t.Error(text)
	}
	if got, err := w.LateTouches(t.Context(), LateQuery{App: "other", From: base, To: base + 1, Lateness: limit, Limit: 10}); err != nil || len(got) > 0 {
		t.Error(got, err)
	}
}
