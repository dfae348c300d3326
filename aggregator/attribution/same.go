package attribution

import "fmt"

// SameShares returns nil if two results of one conversion agree in the path and
// in every share of credit and revenue, else the first thing that differs. What
// is known of installs and the input digest are not compared.
func SameShares(got, want *Result) error {
	differs := func(what string, a, b any) error {
		return fmt.Errorf("conversion %s of app %s: %s %v, want %v", want.ID, want.App, what, a, b)
	}
	switch {
	case got.App != want.App || got.ID != want.ID:
		return differs("it is", got.App+"/"+got.ID, want.App+"/"+want.ID)
	case got.Generation != want.Generation:
		return differs("generation", got.Generation, want.Generation)
	case got.Revenue != want.Revenue:
		return differs("revenue", got.Revenue, want.Revenue)
	case got.Truncated != want.Truncated:
		return differs("truncated", got.Truncated, want.Truncated)
	case len(got.Touches) != len(want.Touches):
		return differs("touches on the path", len(got.Touches), len(want.Touches))
	}
	for i := range want.Touches {
		g, w := &got.Touches[i], &want.Touches[i]
		if string(appendTouch(nil, g.Touch)) != string(appendTouch(nil, w.Touch)) {
			return differs(fmt.Sprintf("touch %d of the path", i+1), *g.Touch, *w.Touch)
		}
		if g.Credit != w.Credit {
			return differs("credit of touch "+w.Touch.ID, g.Credit, w.Credit)
		}
		if g.Revenue != w.Revenue {
			return differs("revenue of touch "+w.Touch.ID, g.Revenue, w.Revenue)
		}
	}
	return nil
}
