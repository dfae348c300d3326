package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal records what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// waiting is a part that runs until it is stopped and takes its time to stop, which passes only
// in a synctest bubble.
func (j *journal) waiting(name string, takes time.Duration) Part {
	return PartFunc(func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(takes)
		j.add(name)
		return ctx.Err()
	})
}

func TestGroupStopsInReverseEachAfterTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var g Group
		g.Add("disk", j.waiting("disk", 0))
		g.Add("middle", j.waiting("middle", 3*time.Second))
		g.Add("tap", j.waiting("tap", time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []string{"tap", "middle", "disk"}; !slices.Equal(j.read(), want) {
			t.Errorf("stopped %v, want %v", j.read(), want)
		}
		if took := time.Since(begin); took != time.Minute+4*time.Second {
			t.Errorf("took %s: the parts did not wait for one another", took)
		}
	})
}

func TestGroupNamesThePartThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		boom := errors.New("boom")
		var g Group
		g.Add("disk", j.waiting("disk", 0))
		g.Add("uplink", PartFunc(func(context.Context) error { return boom }))
		err := g.Run(t.Context())
		if !errors.Is(err, boom) || err.Error() != "part uplink: boom" {
			t.Errorf("error %v", err)
		}
		if len(j.read()) != 1 {
			t.Error("the other part was not stopped")
		}
	})
}

func TestGroupTakesAnEarlyReturnForAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add("uplink", PartFunc(func(context.Context) error { return nil }))
		if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "part uplink: returned before") {
			t.Errorf("error %v", err)
		}
	})
}

func TestGroupLeavesBehindWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := Group{StopTimeout: 2 * time.Second}
		g.Add("disk", j.waiting("disk", 0))
		g.Add("stuck", j.waiting("stuck", time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := g.Run(ctx)
		if err == nil || err.Error() != "stop part stuck: still running after 2s" {
			t.Errorf("error %v", err)
		}
		if !slices.Equal(j.read(), []string{"disk"}) {
			t.Errorf("stopped %v", j.read())
		}
		time.Sleep(2 * time.Hour) // the stuck part ends with the bubble
	})
}

func TestGroupReportsErrorsOfTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add("buffer", PartFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("sync: input/output error")
		}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ctx); err == nil || err.Error() != "stop part buffer: sync: input/output error" {
			t.Errorf("error %v", err)
		}
	})
}

func TestPeriodicRunsAtOnceThenAfterEachPauseAndNeverOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		p := Periodic{Every: 2 * time.Second, Do: func(context.Context) error {
			at = append(at, time.Since(begin))
			time.Sleep(time.Second)
			return errors.New("an error does not end the work")
		}}
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{0, 3 * time.Second, 6 * time.Second, 9 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("ran at %v, want %v", at, want)
		}
	})
}

func TestSleepEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Sleep(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("slept %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("slept %s: %v", time.Since(began), err)
		}
		for _, d := range []time.Duration{0, -time.Hour} {
			if Sleep(t.Context(), d) != nil || Sleep(ctx, d) == nil {
				t.Errorf("%s does not ask for the context", d)
			}
		}
	})
}

func TestPeriodicPauseStaysWithinItsJitter(t *testing.T) {
	p := Periodic{Every: time.Second, Jitter: 0.2}
	for range 1000 {
		if d := p.pause(); d < 800*time.Millisecond || d > 1200*time.Millisecond {
			t.Fatalf("pause %s", d)
		}
	}
}
