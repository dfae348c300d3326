package attribution

import (
	"fmt"
	"testing"
)

func TestConflictsAreIDsWithSeveralContents(t *testing.T) {
	f := Facts{
		Touches: []Touch{
			{App: "a", ID: "retry", Digest: 1, Received: 1}, {App: "a", ID: "retry", Digest: 1, Received: 2},
			{App: "a", ID: "two", Digest: 7, Received: 5}, {App: "a", ID: "two", Digest: 9, Received: 4}, {App: "a", ID: "two", Digest: 7, Received: 3},
			{App: "b", ID: "two", Digest: 7, Received: 5}, {App: "a", ID: "both", Digest: 1, Received: 1}, {App: "a", ID: "same", Digest: 1, Received: 1},
		},
		Conversions: []Conversion{{App: "a", ID: "both", Digest: 2, Received: 1}, {App: "a", ID: "same", Digest: 1, Received: 1}},
	}
	if got, want := fmt.Sprint(Conflicts(&f)), "[{a both 1 1} {a both 2 1} {a two 7 3} {a two 9 4}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
