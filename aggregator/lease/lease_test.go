package lease

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// leases is one lease, as Postgres keeps it.
type leases struct {
	mu      sync.Mutex
	owner   string
	epoch   int64
	expires time.Time
	down    error
}

func (l *leases) Watermark(context.Context, string) (time.Time, error)         { return time.Time{}, nil }
func (l *leases) SetWatermark(context.Context, string, time.Time, int64) error { return nil }

func (l *leases) Lease(_ context.Context, _, owner string, ttl time.Duration) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.down != nil:
		return 0, false, l.down
	case l.owner != owner && now.Before(l.expires):
		return l.epoch, false, nil
	case l.owner != owner || !now.Before(l.expires):
		l.epoch++
	}
	l.owner, l.expires = owner, now.Add(ttl)
	return l.epoch, true, nil
}

func (l *leases) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// TestLongWorkKeepsItsLease has one step of the work take ten times as long as the lease.
func TestLongWorkKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leases{}
		first, second := &Job{Store: l, Owner: "first"}, &Job{Store: l, Owner: "second"}
		var wg sync.WaitGroup
		wg.Go(func() {
			err := first.Do(t.Context(), func(ctx context.Context, _ Turn) error { return wait(ctx, 10*defaultTTL) })
			if err != nil {
				t.Error(err)
			}
		})
		time.Sleep(9 * defaultTTL)
		err := second.Do(t.Context(), func(context.Context, Turn) error { return errors.New("it works too") })
		if err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// TestLostLeaseEndsTheWork takes the lease away, as a pause of the machine does, and
// then hides who has it.
func TestLostLeaseEndsTheWork(t *testing.T) {
	for name, lose := range map[string]func(*leases){
		"taken":                   func(l *leases) { l.owner, l.epoch, l.expires = "second", l.epoch+1, time.Now().Add(defaultTTL) },
		"expired and taken again": func(l *leases) { l.epoch++ },
		"nobody to ask":           func(l *leases) { l.down = errors.New("no route to host") },
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &leases{}
			j := &Job{Store: l, Owner: "first"}
			began := time.Now()
			err := j.Do(t.Context(), func(ctx context.Context, _ Turn) error {
				l.set(func() { lose(l) })
				return wait(ctx, 10*defaultTTL)
			})
			if !errors.Is(err, ErrLost) || time.Since(began) > defaultTTL+2*defaultTTL/renewals {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
		})
	}
}
