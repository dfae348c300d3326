package node_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/node"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// TestCommandsAttributeAgain stores facts that nobody attributes, and has the
// commands do it.
func TestCommandsAttributeAgain(t *testing.T) {
	clickhouse, postgres := childtest.ClickHouse(t), childtest.Postgres(t)
	environment := map[string]string{"UNMOGROWP_CLICKHOUSE_DSN": clickhouse, "UNMOGROWP_POSTGRES_DSN": postgres, "UNMOGROWP_MASTER_KEY": strings.Repeat("ab", 32)}
	run := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := daemon.ExecuteArgs(t.Context(), "aggregator", node.Commands, daemon.Streams{In: strings.NewReader(""), Out: &out, Err: &out,
			Getenv: func(name string) (string, bool) { v, ok := environment[name]; return v, ok }}, args)
		return out.String(), code
	}
	if out, code := run("migrate"); code != 0 {
		t.Fatal(out)
	}
	app := seed(t, clickhouse, postgres)
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(`{"lookback_ms": %d}`, attribution.Day)), 0o600); err != nil {
		t.Fatal(err)
	}
	month := []string{"--app", app, "--from", "2026-01-01", "--to", "2026-02-01T00:00:00Z"}
	for _, step := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a range that ends before it begins", []string{"backfill", "--app", app, "--from", "2026-02-01", "--to", "2026-01-01"}, 2, "--from"},
		{"an app that does not exist", []string{"reconcile", "--app", "nobody", "--from", "2026-01-01", "--to", "2026-02-01"}, 1, "nobody"},
		{"what-if without settings", append([]string{"backfill", "--what-if", "x"}, month...), 2, "go together"},
		{"reconcile what was never attributed", append([]string{"reconcile", "--settle", "0"}, month...), 0, `{"compared":2,"different":2,"repaired":2,"disputed":0,"skipped":0,"restated":0}`},
		{"backfill", append([]string{"backfill"}, month...), 0, "Attributed 2 conversions again; 0 attributions were new or changed."},
		{"what-if", append([]string{"backfill", "--what-if", "short", "--settings", file}, month...), 0,
			`{"model":"last_touch","media_source":"organic","now":0,"what_if":2000000}`},
		{"what-if in SQL", append([]string{"backfill", "--what-if", "sql", "--sql", "--settings", file}, month...), 0,
			`{"model":"last_touch","media_source":"organic","now":0,"what_if":2000000}`},
		{"SQL without a what-if", append([]string{"backfill", "--sql"}, month...), 2, "--sql goes with --what-if"},
		{"reconcile what a node stored that had not heard of the settings", []string{"reconcile", "--settle", "0", "--app", app, "--from", "2026-02-01", "--to", "2090-01-01"}, 0,
			`{"compared":1,"different":0,"repaired":0,"disputed":0,"skipped":0,"restated":1}`},
		{"reconcile again", append([]string{"reconcile", "--settle", "0"}, month...), 0, `"different":0`},
	} {
		if out, code := run(step.args...); code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("%s: exit code %d, want %d, and %q in:\n%s", step.name, code, step.code, step.want, out)
		}
	}
}

// seed makes an app with two orders that a click three days before led to, and a later
// sign-up that is stored by settings under which it was no conversion.
func seed(t *testing.T, clickhouse, postgres string) string {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: postgres, MasterKey: bytes.Repeat([]byte{0xab}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	app, err := a.Apps.CreateApp(t.Context(), apps.App{Name: "Shop"})
	if err != nil {
		t.Fatal(err)
	}
	newer := attribution.Default()
	newer.Generation, newer.ConversionEvents = 1, append(newer.ConversionEvents, "Signed Up")
	if _, err := a.Apps.PutSettings(t.Context(), app.ID, newer); err != nil {
		t.Fatal(err)
	}
	w, err := warehouse.Open(t.Context(), warehouse.Options{DSN: clickhouse})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	at, s := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC).UnixMilli(), attribution.Default()
	var b warehouse.Batch
	for i, e := range []protocol.Event{
		{Kind: protocol.KindClick, Time: at - 3*attribution.Day, MediaSource: "google"},
		{Kind: protocol.KindTrack, Name: "Order Completed", Time: at},
		{Kind: protocol.KindTrack, Name: "Order Completed", Time: at + 1},
		{Kind: protocol.KindTrack, Name: "Signed Up", Time: time.Now().Add(time.Hour).UnixMilli()},
	} {
		e.App, e.ID, e.UserID, e.Original, e.Received, e.Payload = app.ID, fmt.Sprintf("m%d", i), "u1", e.Time, e.Time, []byte("{}")
		b.Rows = append(b.Rows, warehouse.Row{Event: e, Agent: "agent"})
		b.Facts.Add(&e, &s)
	}
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return app.ID
}
