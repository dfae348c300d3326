package apps_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestARunIsTakenOverAndItsFirstNodeIsFencedOff(t *testing.T) {
	a := accountstest.Open(t)
	ctx, app := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	system := t.Context()
	run, err := a.Runs.CreateRun(ctx, app.ID, "what_if", "Shorter windows", map[string]int{"days": 3})
	if err != nil || run.State != apps.RunPending {
		t.Fatalf("%+v %v", run, err)
	}
	_, err = a.Runs.CreateRun(ctx, app.ID, "what_if", "Shorter windows", nil)
	accountstest.WantError(t, "the same name", err, postgres.ErrExists)

	first, ok, err := a.Runs.TakeRun(system, "node-1", time.Hour)
	if err != nil || !ok || first.ID != run.ID || first.State != apps.RunRunning || first.App != app.ID {
		t.Fatalf("%+v %v %v", first, ok, err)
	}
	if _, ok, err := a.Runs.TakeRun(system, "node-2", time.Hour); ok || err != nil {
		t.Fatalf("taken twice: %v", err)
	}
	if err := a.Runs.KeepRun(system, first, 0.25, "page 7", 0); err != nil { // and dies
		t.Fatal(err)
	}
	second, ok, err := a.Runs.TakeRun(system, "node-2", time.Hour)
	if err != nil || !ok || second.Mark != "page 7" || second.Progress != 0.25 || second.Epoch == first.Epoch {
		t.Fatalf("taken over: %+v %v %v", second, ok, err)
	}
	accountstest.WantError(t, "the first goes on", a.Runs.KeepRun(system, first, 0.5, "page 9", time.Hour), postgres.ErrFenced)
	accountstest.WantError(t, "the first finishes", a.Runs.FinishRun(system, first, []byte(`{}`), ""), postgres.ErrFenced)
	if err := a.Runs.KeepRun(system, second, 0.1, "page 8", time.Hour); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "deleting it meanwhile", a.Runs.DeleteRun(ctx, app.ID, run.ID, func(apps.Run) error { return nil }), postgres.ErrExists)
	if err := a.Runs.FinishRun(system, second, []byte(`{"rows":3}`), ""); err != nil {
		t.Fatal(err)
	}
	done, err := a.Runs.Run(ctx, app.ID, run.ID)
	if err != nil || done.State != apps.RunDone || done.Progress != 1 || string(done.Result) != `{"rows": 3}` || done.Finished == nil {
		t.Errorf("%+v %v", done, err)
	}
	if list, err := a.Runs.List(ctx, app.ID, "what_if"); err != nil || len(list) != 1 || list[0].Result != nil {
		t.Errorf("%+v %v", list, err)
	}
	accountstest.WantError(t, "cancelling what is done", a.Runs.CancelRun(ctx, app.ID, run.ID), postgres.ErrNotFound)
	broken := errors.New("ClickHouse is away")
	accountstest.WantError(t, "forgetting fails", a.Runs.DeleteRun(ctx, app.ID, run.ID, func(apps.Run) error { return broken }), broken)
	if err := a.Runs.DeleteRun(ctx, app.ID, run.ID, func(apps.Run) error { return nil }); err != nil {
		t.Fatal(err)
	}
	_, err = a.Runs.Run(ctx, app.ID, run.ID)
	accountstest.WantError(t, "reading what is gone", err, postgres.ErrNotFound)
}

func TestACancelledRunStops(t *testing.T) {
	a := accountstest.Open(t)
	ctx, app := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	run, err := a.Runs.CreateRun(ctx, app.ID, "data_driven", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	job, _, err := a.Runs.TakeRun(t.Context(), "node-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Runs.CancelRun(ctx, app.ID, run.ID); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "going on", a.Runs.KeepRun(t.Context(), job, 1, "", time.Hour), postgres.ErrFenced)
	if _, ok, err := a.Runs.TakeRun(t.Context(), "node-1", time.Hour); ok || err != nil {
		t.Errorf("a cancelled run is taken: %v", err)
	}
}

func TestARunThatKillsItsNodesIsGivenUp(t *testing.T) {
	a := accountstest.Open(t)
	ctx, app := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	run, err := a.Runs.CreateRun(ctx, app.ID, "data_driven", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // stopped in order, which counts for nothing
		job, ok, err := a.Runs.TakeRun(t.Context(), "node-1", time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := a.Runs.ReleaseRun(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	taken := 0
	for range 2 * apps.MaxRunAttempts {
		if _, ok, err := a.Runs.TakeRun(t.Context(), "node-1", 0); err != nil {
			t.Fatal(err)
		} else if ok {
			taken++
		}
	}
	got, err := a.Runs.Run(ctx, app.ID, run.ID)
	if err != nil || taken != apps.MaxRunAttempts || got.State != apps.RunFailed || got.Fault == "" {
		t.Errorf("taken %d times: %+v %v", taken, got, err)
	}
}

func TestARunThatCannotBeDoneWaitsAndAnErasureIsNeverGivenUp(t *testing.T) {
	a := accountstest.Open(t)
	ctx, app := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	for kind, want := range map[string]string{"data_driven": apps.RunFailed, "erasure": apps.RunRunning} {
		run, err := a.Runs.CreateRun(ctx, app.ID, kind, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var pauses []int64
		for range 2 * apps.MaxRunAttempts {
			job, ok, err := a.Runs.TakeRun(t.Context(), "node-1", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if err := a.Runs.PostponeRun(t.Context(), job, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			accountstest.WantError(t, "going on after that", a.Runs.KeepRun(t.Context(), job, 1, "", time.Hour), postgres.ErrFenced)
			if _, ok, err := a.Runs.TakeRun(t.Context(), "node-2", time.Hour); ok || err != nil {
				t.Fatalf("taken before the pause ends: %v", err)
			}
			var left int64
			if err := a.Pool.QueryRow(t.Context(), `UPDATE runs SET lease_until = clock_timestamp() WHERE id = $1
				RETURNING round(extract(epoch FROM (SELECT r.lease_until FROM runs r WHERE r.id = runs.id) - clock_timestamp()))::bigint`, run.ID).Scan(&left); err != nil {
				t.Fatal(err)
			}
			pauses = append(pauses, left)
		}
		if got, err := a.Runs.Run(ctx, app.ID, run.ID); err != nil || got.State != want {
			t.Errorf("%s: %+v %v", kind, got, err)
		}
		if want := []int64{10, 40, 160, 600}; len(pauses) < 5 || !slices.Equal(pauses[:4], want) || pauses[4] != 600 {
			t.Errorf("%s: pauses of %v s, want %v and then 600", kind, pauses, want)
		}
		if _, err := a.Pool.Exec(t.Context(), `DELETE FROM runs WHERE id = $1`, run.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunsAreBounded(t *testing.T) {
	a := accountstest.Open(t)
	ctx, app := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	fill := func(kind, state string, n int) {
		t.Helper()
		accountstest.Exec(t, a, `DELETE FROM runs`)
		accountstest.Exec(t, a, `INSERT INTO runs (id, app, kind, name, parameters, created_by, state) SELECT 'r' || n, $1, $2, '', '{}', 'x', $3 FROM generate_series(1, $4) n`, app.ID, kind, state, n)
	}
	for _, c := range []struct {
		kind, state string
		n           int
		order       string
		refused     bool
	}{
		{"data_driven", apps.RunPending, apps.MaxUnfinished, "what_if", true},
		{"data_driven", apps.RunPending, apps.MaxUnfinished - 1, "what_if", false},
		{"data_driven", apps.RunDone, apps.MaxRuns, "data_driven", true},
		{"data_driven", apps.RunDone, apps.MaxRuns - 1, "data_driven", false},
		{"data_driven", apps.RunPending, apps.MaxUnfinished, apps.ErasureKind, false}, // people have a right to them
		{apps.ErasureKind, apps.RunPending, apps.MaxErasures, apps.ErasureKind, true},
		{apps.ErasureKind, apps.RunPending, apps.MaxErasures, "data_driven", false},
		{apps.ErasureKind, apps.RunDone, 2 * apps.MaxErasures, apps.ErasureKind, false}, // a record that stays
	} {
		fill(c.kind, c.state, c.n)
		_, err := a.Runs.CreateRun(ctx, app.ID, c.order, "", nil)
		var bad *postgres.InvalidError
		if c.refused != errors.As(err, &bad) || !c.refused && err != nil {
			t.Errorf("a %s beside %d %s of %s: %v", c.order, c.n, c.state, c.kind, err)
		}
	}
}
