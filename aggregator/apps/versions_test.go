package apps

import (
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// TestAVersionReplacesAllFromItsBeginning: settings that are applied from a past date.
func TestAVersionReplacesAllFromItsBeginning(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		from []int
		want []uint64 // generations in force
	}{
		"in order":             {[]int{1, 5, 9}, []uint64{1, 2, 3}},
		"from a past date":     {[]int{1, 5, 9, 7}, []uint64{1, 2, 4}},
		"from the same time":   {[]int{1, 5, 5}, []uint64{1, 3}},
		"from before all":      {[]int{3, 5, 1}, []uint64{3}},
		"and another after it": {[]int{1, 5, 9, 3, 10}, []uint64{1, 4, 5}},
	} {
		var versions []SettingsVersion
		for i, from := range c.from {
			versions = inForce(versions, SettingsVersion{Settings: attribution.Settings{Generation: uint64(i + 1)}, From: day(from)})
		}
		var got []uint64
		for _, v := range versions {
			got = append(got, v.Generation)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
