package warehouse

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// openTwoApps has an event of each kind in two apps.
func openTwoApps(t *testing.T) *Warehouse {
	t.Helper()
	w := open(t)
	var events []protocol.Event
	for _, app := range []string{"mine", "theirs"} {
		c, o := click("click-"+app, "u", base), order("order-"+app, "u", base+1000, 5_000_000)
		c.App, o.App = app, app
		events = append(events, c, o)
	}
	insert(t, w, events...)
	return w
}

func forApps(ctx context.Context, apps ...string) context.Context {
	return pass.With(ctx, pass.Pass{Apps: apps})
}

// appsIn are the apps whose rows a table shows to whoever asks.
func appsIn(ctx context.Context, w *Warehouse, from string) (apps []string, err error) {
	err = each(ctx, w.read, func(r driver.Rows) error {
		var app string
		err := r.Scan(&app)
		apps = append(apps, app)
		return err
	}, "SELECT DISTINCT app_id FROM "+from+" ORDER BY app_id")
	return apps, err
}

// TestAReadSeesTheAppsOfItsPass asks without any condition of ours.
func TestAReadSeesTheAppsOfItsPass(t *testing.T) {
	w := openTwoApps(t)
	if !w.Walled() {
		t.Fatal("the server has no reader")
	}
	see := func(mode string) {
		t.Helper()
		for _, c := range []struct {
			pass pass.Pass
			want []string
		}{
			{pass.Pass{Apps: []string{"mine"}}, []string{"mine"}}, {pass.Pass{Apps: []string{"theirs", "none"}}, []string{"theirs"}},
			{pass.Pass{All: true}, []string{"mine", "theirs"}}, {pass.Pass{}, nil}, {pass.Pass{Apps: []string{""}}, nil},
			{pass.Pass{Apps: []string{"*"}}, nil}, {pass.Pass{Apps: []string{"none,theirs"}}, nil}, {pass.Pass{Apps: []string{"x') OR ('1' = '1", `\`, `'`}}, nil},
		} {
			for _, from := range []string{"events", "events FINAL", "touches FINAL", "touch_keys", "conversions FINAL", "(SELECT * FROM events) AS e", "events AS a JOIN touches AS b USING app_id"} {
				if got, err := appsIn(pass.With(t.Context(), c.pass), w, from); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: pass %v, %s: apps %v, %v, want %v", mode, c.pass, from, got, err, c.want)
				}
			}
		}
	}
	see("reader")
	if got, err := appsIn(t.Context(), w, "events"); err != nil || len(got) != 2 {
		t.Errorf("the system itself sees %v, %v", got, err)
	}
	// A server whose users cannot be changed: the same, by filters.
	if err := w.wall.reader.Close(); err != nil {
		t.Fatal(err)
	}
	w.wall.reader = nil
	see("filters")
}

// TestTheReaderCanOnlyRead runs what somebody could smuggle into a statement.
func TestTheReaderCanOnlyRead(t *testing.T) {
	w := openTwoApps(t)
	refused := func(says, statement string) {
		t.Helper()
		err := each(forApps(t.Context(), "mine"), w.read, func(driver.Rows) error { return nil }, statement)
		var exception *clickhouse.Exception
		if !errors.As(err, &exception) || !strings.Contains(exception.Message, says) {
			t.Errorf("%s: %v, want %q", statement, err, says)
		}
	}
	for _, statement := range []string{
		"INSERT INTO events (app_id, event_id) VALUES ('mine', 'x')", "ALTER TABLE events DELETE WHERE 1", "DELETE FROM events WHERE 1", "TRUNCATE TABLE events", "DROP TABLE events",
		"CREATE TABLE mine (x UInt8) ENGINE = MergeTree ORDER BY x", "CREATE VIEW v AS SELECT * FROM events", "RENAME TABLE events TO gone", "SYSTEM STOP MERGES events", "SYSTEM FLUSH LOGS", "OPTIMIZE TABLE events FINAL", "SYSTEM SHUTDOWN",
		"KILL QUERY WHERE 1 ASYNC", "CREATE USER other", "ALTER USER unmogrowp IDENTIFIED BY 'x'", "DROP ROW POLICY unmogrowp_apps ON events", "GRANT ALL ON *.* TO unmogrowp_reader",
		"SELECT * FROM system.users", "SELECT * FROM system.row_policies", "SELECT * FROM system.processes", "SHOW ROW POLICIES", "SHOW CREATE USER unmogrowp",
		"SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", "SELECT * FROM file('/etc/passwd', 'CSV', 'a String')", "SELECT * FROM remote('127.0.0.1', 'system', 'users')",
		"INSERT INTO FUNCTION file('x.csv') SELECT 1",
	} {
		refused("Not enough privileges", statement)
	}
	for name, value := range map[string]string{"max_execution_time": "31", "max_memory_usage": "0", "max_rows_to_read": "0", "max_bytes_to_read": "0", "max_result_rows": "0"} {
		refused("Setting "+name+" shouldn't be", "SELECT count() FROM events SETTINGS "+name+" = "+value)
	}
	refused("Cannot modify 'readonly'", "SELECT count() FROM events SETTINGS readonly = 0")
	theirs := w.wall.keys.Comment(pass.Pass{Apps: []string{"theirs"}})
	for _, comment := range []string{"*", ",theirs,", strings.Repeat("0", 64) + ",theirs,", theirs[:64] + ",mine,theirs,", theirs[:64] + "*", "", theirs[:63] + "g,theirs,"} {
		for _, statement := range []string{"events SETTINGS log_comment = '" + comment + "'", "(SELECT * FROM events SETTINGS log_comment = '" + comment + "')"} {
			if apps, err := appsIn(forApps(t.Context(), "mine"), w, statement); err != nil && !strings.Contains(err.Error(), "Syntax error") || len(apps) > 1 || len(apps) == 1 && apps[0] != "mine" {
				t.Errorf("comment %q: apps %v, %v", comment, apps, err)
			}
		}
	}
}

// TestAQuestionThatReachesTooFarIsToldSo runs into the limits.
func TestAQuestionThatReachesTooFarIsToldSo(t *testing.T) {
	w := open(t)
	for statement, busy := range map[string]bool{
		"SELECT count() FROM numbers(2000000001) WHERE NOT ignore(number)":                                                                      false,
		"SELECT * FROM (SELECT count() FROM numbers(2000000001) WHERE NOT ignore(number) SETTINGS max_rows_to_read = 0, max_bytes_to_read = 0)": false, // not lifted from within
		"SELECT sum(number) FROM numbers(1000000) SETTINGS max_rows_to_read = 10":                                                               false,
		"SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_execution_time = 1, max_block_size = 1":                                            true,
		"SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 1000000, max_untracked_memory = 1":                        true,
	} {
		var limit *report.LimitError
		err := each(forApps(t.Context(), "mine"), w.read, func(driver.Rows) error { return nil }, statement)
		if !errors.As(err, &limit) || limit.Busy != busy {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// TestEveryReportIsTheSameUnderAPass runs the reports that the console asks for.
func TestEveryReportIsTheSameUnderAPass(t *testing.T) {
	w := openTwoApps(t)
	q := report.Query{App: "mine", Apps: report.Apps{IDs: []string{"mine"}}, From: time.UnixMilli(base).AddDate(0, 0, -1).UTC(), To: time.UnixMilli(base).AddDate(0, 0, 1).UTC(),
		AppCurrency: "EUR", Interval: report.Day, Metric: report.Events, GroupBy: []report.Dimension{report.MediaSource}}
	for name, ask := range map[string]func(context.Context) (any, error){
		"overview":    func(ctx context.Context) (any, error) { return report.Overview(ctx, w, q) },
		"timeseries":  func(ctx context.Context) (any, error) { return report.Timeseries(ctx, w, q) },
		"attribution": func(ctx context.Context) (any, error) { return report.Attribution(ctx, w, q) },
		"paths":       func(ctx context.Context) (any, error) { return report.Paths(ctx, w, q) },
		"conversions": func(ctx context.Context) (any, error) { return report.ListConversions(ctx, w, q) },
		"conversion": func(ctx context.Context) (any, error) {
			c, _, err := report.Conversion(ctx, w, q, "order-mine")
			return c, err
		},
		"facts": func(ctx context.Context) (any, error) {
			return w.Touches(ctx, "mine", []string{"user:u"}, base-1000, base+1000)
		},
	} {
		want, err := ask(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := ask(forApps(t.Context(), "mine")); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s under a pass: %+v, %v, want %+v", name, got, err, want)
		}
	}
}

// TestAReaderCanBeMadeBySQL has a server that stores no users refuse each statement for that, and not
// for its syntax.
func TestAReaderCanBeMadeBySQL(t *testing.T) {
	w := open(t)
	w.wall.keys, _ = pass.ReaderOf("another", "a password")
	var exception *clickhouse.Exception
	if err := w.makeReader(t.Context()); err != nil && (!errors.As(err, &exception) || exception.Code == 62) {
		t.Errorf("make reader: %v", err)
	}
	for _, statement := range []string{
		"ALTER USER `unmogrowp_reader` IDENTIFIED WITH sha256_hash BY '" + w.wall.keys.PasswordHash() + "' SETTINGS " + pass.Profile(),
		"CREATE ROW POLICY OR REPLACE unmogrowp_apps ON `default`.* FOR SELECT USING " + w.wall.keys.Filter() + " TO `unmogrowp_reader`",
	} {
		if err := w.write.Exec(t.Context(), statement); err != nil && (!errors.As(err, &exception) || (exception.Code != 495 && exception.Code != 514)) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
