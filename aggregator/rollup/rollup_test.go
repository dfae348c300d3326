package rollup

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// store has so many buckets to sum up, and fails when told to.
type store struct {
	due, builds, compared, cleaned int
	fail                           bool
}

func (s *store) Build(_ context.Context, margin time.Duration, limit int) (int, error) {
	s.builds++
	if s.fail || margin != time.Minute {
		return 0, errors.New("ClickHouse is away")
	}
	n := min(s.due, limit)
	s.due -= n
	return n, nil
}

func (s *store) Unsummed(context.Context) (uint64, error) { return uint64(s.due), nil }

func (s *store) Differing(context.Context, uint64, int) (int, int, error) {
	s.compared++
	return 20, 1, nil
}

func (s *store) Clean(context.Context) error { s.cleaned++; return nil }

// leases holds the lease for this node, or another one.
type leases struct{ elsewhere bool }

func (l *leases) Watermark(context.Context, string) (time.Time, error)         { return time.Time{}, nil }
func (l *leases) SetWatermark(context.Context, string, time.Time, int64) error { return nil }
func (l *leases) Lease(context.Context, string, string, time.Duration) (int64, bool, error) {
	return 1, !l.elsewhere, nil
}

func TestSumsAreMadeUntilNoneIsDueAndComparedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &store{due: 3 * buildLimit / 2, fail: true}, &leases{}
		k := New(Options{Store: s, Leases: l, Owner: "n1", Margin: time.Minute, Registerer: prometheus.NewRegistry()})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = k.Run(ctx) })
		time.Sleep(buildEvery + time.Second)
		synctest.Wait()
		if got := testutil.ToFloat64(k.failures); got != 1 || s.due == 0 {
			t.Errorf("%v failures, %d due", got, s.due)
		}
		s.fail = false
		time.Sleep(buildEvery)
		synctest.Wait()
		if s.due != 0 || testutil.ToFloat64(k.built) != 3*buildLimit/2 || testutil.ToFloat64(k.unsummed) != 0 {
			t.Errorf("%d due, %v built", s.due, testutil.ToFloat64(k.built))
		}
		time.Sleep(compareEvery * buildEvery)
		synctest.Wait()
		if s.compared != 1 || testutil.ToFloat64(k.wrong) != 1 || s.cleaned != 0 {
			t.Errorf("%d compared, %v wrong, %d cleaned", s.compared, testutil.ToFloat64(k.wrong), s.cleaned)
		}
		l.elsewhere = true
		before := s.builds
		time.Sleep(5 * buildEvery)
		synctest.Wait()
		if s.builds != before {
			t.Error("two nodes make sums")
		}
		stop()
		wg.Wait()
	})
}
