package runs

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// ledger is Postgres with an app.
func ledger(t *testing.T) (*accounts.Accounts, string) {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: childtest.Postgres(t), MasterKey: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	app, err := a.Apps.CreateApp(t.Context(), apps.App{Name: "Shop"})
	if err != nil {
		t.Fatal(err)
	}
	return a, app.ID
}

// running runs a Runner until stop is called.
func running(t *testing.T, o Options) (stop func()) {
	t.Helper()
	o.Poll, o.Lease = 20*time.Millisecond, 600*time.Millisecond
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// until waits for a run to be in a state.
func until(t *testing.T, a *accounts.Accounts, app, id, state string) apps.Run {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		run, err := a.Runs.Run(t.Context(), app, id)
		if err != nil {
			t.Fatal(err)
		}
		if run.State == state {
			return run
		}
		if time.Now().After(deadline) {
			t.Fatalf("the run is %s, want %s: %+v", run.State, state, run)
		}
	}
}

func order(t *testing.T, a *accounts.Accounts, app string) apps.Run {
	t.Helper()
	run, err := a.Runs.CreateRun(t.Context(), app, "test", "", map[string]int{"n": 3})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestARunGoesOnWhereADeadNodeLeftIt(t *testing.T) {
	a, app := ledger(t)
	run := order(t, a, app)
	dead, ok, err := a.Runs.TakeRun(t.Context(), "dead", 300*time.Millisecond)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := a.Runs.KeepRun(t.Context(), dead, 0.5, "half", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	running(t, Options{Store: a.Runs, Owner: "alive", Kinds: map[string]Kind{"test": func(_ context.Context, job apps.Job, _ Progress) (any, error) {
		return map[string]string{"from": job.Mark, "parameters": string(job.Parameters)}, nil
	}}})
	done := until(t, a, app, run.ID, apps.RunDone)
	if !bytes.Contains(done.Result, []byte(`"from": "half"`)) {
		t.Errorf("%s", done.Result)
	}
}

func TestANodeThatStopsGivesItsRunBack(t *testing.T) {
	a, app := ledger(t)
	run := order(t, a, app)
	began := make(chan struct{})
	stop := running(t, Options{Store: a.Runs, Owner: "first", Kinds: map[string]Kind{"test": func(ctx context.Context, _ apps.Job, progress Progress) (any, error) {
		progress(0.4, "page 4")
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	<-began
	for kept := false; !kept; {
		got, err := a.Runs.Run(t.Context(), app, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		kept = got.Progress == 0.4
	}
	stop()
	running(t, Options{Store: a.Runs, Owner: "second", Kinds: map[string]Kind{"test": func(_ context.Context, job apps.Job, _ Progress) (any, error) {
		return job.Mark, nil
	}}})
	if done := until(t, a, app, run.ID, apps.RunDone); string(done.Result) != `"page 4"` {
		t.Errorf("%s", done.Result)
	}
}

func TestACancelledRunEndsItsWork(t *testing.T) {
	a, app := ledger(t)
	run := order(t, a, app)
	began, ended := make(chan struct{}), make(chan error, 1)
	running(t, Options{Store: a.Runs, Owner: "node", Kinds: map[string]Kind{"test": func(ctx context.Context, _ apps.Job, _ Progress) (any, error) {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return "too late", nil
	}}})
	<-began
	if err := a.Runs.CancelRun(t.Context(), app, run.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, postgres.ErrFenced) {
		t.Error(err)
	}
	if got, err := a.Runs.Run(t.Context(), app, run.ID); err != nil || got.State != apps.RunCancelled || got.Result != nil {
		t.Errorf("%+v %v", got, err)
	}
}

func TestFaultsOfThePersonAreFinalOthersAreTriedAgain(t *testing.T) {
	a, app := ledger(t)
	tries := 0
	running(t, Options{Store: a.Runs, Owner: "node", Kinds: map[string]Kind{"test": func(context.Context, apps.Job, Progress) (any, error) {
		if tries++; tries == 1 {
			return nil, errors.New("ClickHouse went away")
		}
		return nil, &report.InvalidError{Reason: "ask for a shorter range"}
	}}})
	run := order(t, a, app)
	if failed := until(t, a, app, run.ID, apps.RunFailed); failed.Fault != "ask for a shorter range" || tries != 2 {
		t.Errorf("%+v after %d tries", failed, tries)
	}
	other, err := a.Runs.CreateRun(t.Context(), app, "unheard-of", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	until(t, a, app, other.ID, apps.RunFailed)
}

func TestATryThatFailsLeavesItsMark(t *testing.T) {
	a, app := ledger(t)
	run := order(t, a, app)
	running(t, Options{Store: a.Runs, Owner: "node", Kinds: map[string]Kind{"test": func(_ context.Context, job apps.Job, progress Progress) (any, error) {
		if job.Mark == "" {
			progress(0.5, "half")
			return nil, errors.New("ClickHouse went away")
		}
		return job.Mark, nil
	}}})
	if done := until(t, a, app, run.ID, apps.RunDone); string(done.Result) != `"half"` {
		t.Errorf("%s", done.Result)
	}
}
