package recompute

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// shelf is a store of one order each of people who have a device and a name.
type shelf struct {
	people int
	read   map[string]int // how often each order was
	rows   map[string]attribution.Row
}

func (s *shelf) person(n int) (attribution.Conversion, attribution.Link, attribution.Touch) {
	device, user := fmt.Sprintf("device:%d", n), fmt.Sprintf("user:%d", n)
	return attribution.Conversion{ID: fmt.Sprintf("order-%d", n), App: "shop", Time: 9 * attribution.Day, Keys: []string{user}},
		attribution.Link{App: "shop", A: device, B: user},
		attribution.Touch{ID: fmt.Sprintf("click-%d", n), App: "shop", Time: 8 * attribution.Day, Kind: attribution.Click, MediaSource: "google", Keys: []string{device}}
}

func (s *shelf) each(use func(attribution.Conversion, attribution.Link, attribution.Touch)) {
	for n := range s.people {
		use(s.person(n))
	}
}

func (s *shelf) Links(_ context.Context, _ string, keys []string) (list []attribution.Link, _ error) {
	s.each(func(_ attribution.Conversion, l attribution.Link, _ attribution.Touch) {
		if slices.Contains(keys, l.A) || slices.Contains(keys, l.B) {
			list = append(list, l)
		}
	})
	return list, nil
}

func (s *shelf) Touches(_ context.Context, _ string, keys []string, _, _ int64) (list []attribution.Touch, _ error) {
	s.each(func(_ attribution.Conversion, _ attribution.Link, t attribution.Touch) {
		if slices.Contains(keys, t.Keys[0]) {
			list = append(list, t)
		}
	})
	return list, nil
}

func (s *shelf) ConversionsOf(_ context.Context, _ string, keys []string, _ int64) (ids []string, _ error) {
	s.each(func(c attribution.Conversion, _ attribution.Link, _ attribution.Touch) {
		if slices.Contains(keys, c.Keys[0]) {
			ids = append(ids, c.ID)
		}
	})
	return ids, nil
}

func (s *shelf) ConversionsByID(_ context.Context, _ string, ids []string) (list []attribution.Conversion, _ error) {
	s.each(func(c attribution.Conversion, _ attribution.Link, _ attribution.Touch) {
		if slices.Contains(ids, c.ID) {
			s.read[c.ID]++
			list = append(list, c)
		}
	})
	return list, nil
}

func (s *shelf) InsertAttributions(_ context.Context, rows []attribution.Row) error {
	for _, r := range rows {
		s.rows[r.Conversion.ID] = r
	}
	return nil
}

func (s *shelf) Openings(context.Context, string, []string, int64, int64) ([]attribution.Touch, error) {
	return nil, nil
}

func (s *shelf) Stamps(context.Context, string, []string) (map[string]attribution.Stamp, error) {
	return nil, nil
}

func (s *shelf) RecordConflicts(context.Context, []attribution.Variant) error { return nil }

// TestSweepComputesEveryConversionOnce gives a sweep the facts of each person on three
// pages: clicks, links and orders.
func TestSweepComputesEveryConversionOnce(t *testing.T) {
	s := &shelf{people: 40, read: make(map[string]int), rows: make(map[string]attribution.Row)}
	settings := attribution.Default()
	a := &Attributor{o: Options{Store: s, Settings: func(string, int64) *attribution.Settings { return &settings }, Workers: 1}, metrics: newMetrics(nil), writes: newWrites()}
	var pages [3]attribution.Facts
	s.each(func(c attribution.Conversion, l attribution.Link, click attribution.Touch) {
		if c.ID != "order-7" { // its click is no news
			pages[0].Touches = append(pages[0].Touches, click)
		}
		pages[1].Links = append(pages[1].Links, l)
		pages[2].Conversions = append(pages[2].Conversions, c)
	})
	before := computed{}
	for i, want := range []int{39, 1, 0} {
		n, err := a.recomputeOnce(t.Context(), &pages[i], before)
		if err != nil || n != want {
			t.Fatalf("page %d: %d rows, want %d: %v", i, n, want, err)
		}
	}
	for id, n := range s.read {
		if n != 1 {
			t.Errorf("%s was read %d times", id, n)
		}
	}
	for id, r := range s.rows {
		if len(r.Result.Touches) != 1 || r.Result.Touches[0].Credit[attribution.Linear] != attribution.Million {
			t.Errorf("%s is credited to %v", id, r.Result.Touches)
		}
	}
}
