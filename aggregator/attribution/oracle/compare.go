package oracle

import (
	"bytes"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Compare returns nil if two results of one conversion are the same, else what
// differs.
func Compare(got, want attribution.Result) error {
	a, _ := got.AppendBinary(nil)
	b, _ := want.AppendBinary(nil)
	if bytes.Equal(a, b) {
		return nil
	}
	return fmt.Errorf("conversion %s differs:\n got %s\nwant %s", want.ID, describe(&got), describe(&want))
}

func describe(r *attribution.Result) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "generation %d, %d inputs %016x, revenue %d, truncated %t, install %+v",
		r.Generation, r.Inputs, r.InputDigest, r.Revenue, r.Truncated, r.Install)
	for _, t := range r.Touches {
		fmt.Fprintf(&b, "\n  touch %s at %d (%s): credit %d, revenue %d", t.Touch.ID, t.Touch.Time, t.Touch.MediaSource, t.Credit, t.Revenue)
	}
	for _, c := range r.Candidates {
		id := c.Claim
		if c.Touch != nil {
			id = fmt.Sprintf("%s at %d", c.Touch.ID, c.Touch.Time)
		}
		fmt.Fprintf(&b, "\n  candidate %s by %s: %s", id, c.Match, c.Verdict)
	}
	return b.String()
}
