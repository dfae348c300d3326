package warehouse

import (
	"fmt"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
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
	settings := attribution.Default()
	q := report.Query{App: "app", From: time.UnixMilli(base), To: time.UnixMilli(base + 1), Settings: &settings}
	got, err := report.ListLate(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, l := range got.Data {
		text += fmt.Sprintf("%s %d %s; ", l.TouchID, l.Refused, l.Kind)
	}
	if text != "much later 0 click; later 1 click; late 0 click; " {
		t.Error(text)
	}
	q.App = "other"
	if got, err := report.ListLate(t.Context(), w, q); err != nil || len(got.Data) > 0 {
		t.Error(got, err)
	}
}
