package event

import "testing"

// TestEveryReasonHasWords holds that no refusal is answered without a code of its own and how to mend it.
func TestEveryReasonHasWords(t *testing.T) {
	seen := map[string]Reason{}
	for r := Accepted + 1; r < ReasonEnd; r++ {
		e := r.Explain()
		if before, twice := seen[e.Code]; twice || e.Code == "accepted" || e.Text == "" {
			t.Errorf("reason %d is explained as %q %q, like %d", r, e.Code, e.Text, before)
		}
		seen[e.Code] = r
	}
}
