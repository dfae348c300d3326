package attribution

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func pair(a, b string) Link { return Link{App: "app", A: min(a, b), B: max(a, b)} }

func TestReachFollowsLinksBothWaysAndRoundCycles(t *testing.T) {
	links := []Link{pair("b", "a"), pair("b", "c"), pair("c", "a"), pair("c", "d"), pair("x", "y")}
	for _, start := range []string{"a", "b", "c", "d"} {
		got := Reach([]string{start}, links, 0)
		slices.Sort(got)
		if fmt.Sprint(got) != "[a b c d]" {
			t.Errorf("from %s: %v", start, got)
		}
	}
}

func TestReachEndsAfterMaxHops(t *testing.T) {
	var links []Link
	for i := range 20 {
		links = append(links, pair(fmt.Sprintf("k%02d", i), fmt.Sprintf("k%02d", i+1)))
	}
	if got := Reach([]string{"k00"}, links, 0); len(got) != MaxHops+1 || got[MaxHops] != "k08" {
		t.Errorf("reached %v", got)
	}
}

// TestReachCapKeepsTheNearestAndSmallest: a shared device with a thousand users.
func TestReachCapKeepsTheNearestAndSmallest(t *testing.T) {
	var links []Link
	for i := range 1000 {
		links = append(links, pair("device:kiosk", fmt.Sprintf("user:%04d", i)))
		links = append(links, pair(fmt.Sprintf("user:%04d", i), fmt.Sprintf("anon:%04d", i)))
	}
	got := Reach([]string{"device:kiosk"}, links, 10)
	if len(got) != 10 || got[0] != "device:kiosk" || got[1] != "user:0000" || got[9] != "user:0008" {
		t.Errorf("reached %v", got)
	}
}

func TestReachDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.Map(rapid.IntRange(0, 30), func(i int) string { return fmt.Sprintf("k%02d", i) })
		links := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Link { return pair(key.Draw(t, "a"), key.Draw(t, "b")) }), 1, 60).Draw(t, "links")
		start := rapid.SliceOfN(key, 1, 3).Draw(t, "start")
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		want := Reach(start, links, limit)
		if got := Reach(rapid.Permutation(start).Draw(t, "start again"), rapid.Permutation(links).Draw(t, "shuffled"), limit); !slices.Equal(got, want) {
			t.Fatalf("reached %v, then %v", want, got)
		}
		if len(want) > limit {
			t.Fatalf("reached %d keys, limit %d", len(want), limit)
		}
	})
}

// TestAKeyWithManyLinksFollowsItsFirst: by when they were heard of, whatever else
// is offered.
func TestAKeyWithManyLinksFollowsItsFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		more := rapid.IntRange(1, 40).Draw(t, "more")
		var links []Link
		for i := range MaxLinks + more {
			l := pair("device:kiosk", fmt.Sprintf("user:%04d", i))
			l.Received = int64(MaxLinks + more - i)
			links = append(links, l)
		}
		got := Reach([]string{"device:kiosk"}, rapid.Permutation(links).Draw(t, "shuffled"), 2*MaxLinks)
		if want := fmt.Sprintf("user:%04d", more); len(got) != MaxLinks+1 || got[1] != want {
			t.Fatalf("reached %d keys, first %s, want %d and %s", len(got), got[1], MaxLinks+1, want)
		}
		last := links[0].B // heard of last: it leads to the device and not back
		if got := Reach([]string{last}, links, 2*MaxLinks); len(got) != MaxLinks+2 || got[1] != "device:kiosk" {
			t.Fatalf("from %s %d keys", last, len(got))
		}
	})
}
