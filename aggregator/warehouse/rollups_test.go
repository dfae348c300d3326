package warehouse

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestSumsAlwaysEqualTheRows makes random changes to the figures (events sent twice, late, under a message
// id that another one had, people who are forgotten) and has sums made in between; at every moment every
// figure from the sums must equal the figure from the rows.
func TestSumsAlwaysEqualTheRows(t *testing.T) {
	const seed, steps = 20261129, 30
	t.Logf("seed %d", seed)
	w := open(t)
	r := &rollupStory{T: t, w: w, random: rand.New(rand.NewPCG(seed, 1))}
	for step := range steps {
		switch n := r.random.IntN(10); {
		case n < 5:
			r.insert(1 + r.random.IntN(12))
		case n < 6 && len(r.sent) > 0:
			r.resend()
		case n < 7:
			r.forget()
		default:
			if _, err := w.Build(t.Context(), 0, 1+r.random.IntN(40)); err != nil {
				t.Fatal(err)
			}
		}
		r.compare(step)
		if t.Failed() {
			return
		}
	}
	if r.fromSums < steps/2 {
		t.Errorf("only %d questions were answered from sums", r.fromSums)
	}
	if err := w.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	compared, wrong, err := w.Differing(t.Context(), 1, 100)
	if err != nil || wrong != 0 || compared == 0 {
		t.Errorf("%d of %d sums are wrong, %v", wrong, compared, err)
	}
}

// TestWrongSumsAreFoundAndReadNoMore puts a false sum among the true ones.
func TestWrongSumsAreFoundAndReadNoMore(t *testing.T) {
	w, q := shop(t)
	want, err := report.Overview(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Build(t.Context(), 0, 1000); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if err := w.write.Exec(t.Context(),
		"INSERT INTO rollups SELECT * REPLACE (n + 1 AS n, concat(country, 'X') AS country) FROM rollups\nWHERE fact = 0 AND app_id = ? AND quarter * 900000 >= ? LIMIT 1", q.App, q.From.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if got, err := report.Overview(t.Context(), w, q); err != nil || got.Events == want.Events {
		t.Errorf("%d events of %d, %v: the false sum is not read", got.Events, want.Events, err)
	}
	if compared, wrong, err := w.Differing(t.Context(), 1, 1000); err != nil || wrong != 1 || compared < 2 {
		t.Errorf("%d wrong of %d, %v", wrong, compared, err)
	}
	if got, err := report.Overview(t.Context(), w, q); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
}

// rollupStory is a random life of an app.
type rollupStory struct {
	*testing.T
	w        *Warehouse
	random   *rand.Rand
	sent     [][]protocol.Event
	ids      int
	fromSums int
}

func (r *rollupStory) insert(n int) {
	var events []protocol.Event
	for range n {
		hour, user := int64(r.random.IntN(30)), fmt.Sprintf("u%d", r.random.IntN(8))
		e := protocol.Event{ID: fmt.Sprintf("m%d", r.ids), Kind: protocol.KindTrack, Name: "Viewed", UserID: user, Digest: r.random.Uint64(),
			Country: []string{"DE", "US", ""}[r.random.IntN(3)], Original: base + hour*3_600_000 + int64(r.random.IntN(3_600_000))}
		r.ids++
		if r.random.IntN(8) == 0 { // another content under an old id
			e.ID = fmt.Sprintf("m%d", r.random.IntN(r.ids))
		}
		e.Time = e.Original + int64(r.random.IntN(3))*1_200_000
		e.Received = e.Time + int64(r.random.IntN(100_000))
		switch r.random.IntN(5) {
		case 0:
			e.Kind, e.MediaSource, e.Campaign = protocol.KindClick, []string{"google", "meta"}[r.random.IntN(2)], "c"
		case 1:
			e.Kind, e.MediaSource = protocol.KindImpression, "tiktok"
		case 2:
			e.Name, e.Revenue, e.Currency, e.Flags = "Order Completed", int64(r.random.IntN(1e9)), []string{"EUR", "USD"}[r.random.IntN(2)], protocol.FlagHasRevenue
		case 3:
			e.Name = "Application Installed"
		}
		events = append(events, e)
	}
	r.store(events)
	r.sent = append(r.sent, events)
}

func (r *rollupStory) resend() { r.store(r.sent[r.random.IntN(len(r.sent))]) }

// store works as the aggregator does: it stores events, and finds and settles message ids in conflict.
func (r *rollupStory) store(events []protocol.Event) {
	r.Helper()
	before, err := r.w.Now(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if _, err := r.w.Insert(r.Context(), batch(events...)); err != nil {
		r.Fatal(err)
	}
	variants, err := r.w.FindConflicts(r.Context(), before.Add(-time.Second), before.Add(time.Hour))
	if err == nil {
		err = r.w.RecordConflicts(r.Context(), variants)
	}
	if err == nil {
		_, err = r.w.DropLost(r.Context(), variants)
	}
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rollupStory) forget() {
	r.Helper()
	if _, err := r.w.Erase(r.Context(), "app", []string{fmt.Sprintf("user:u%d", r.random.IntN(8))}, base+int64(r.random.IntN(36))*3_600_000); err != nil {
		r.Fatal(err)
	}
}

func (r *rollupStory) compare(step int) {
	r.Helper()
	q := report.Query{App: "app", Apps: report.Apps{All: true}, AppCurrency: "EUR", Interval: report.Hour}
	q.From = time.UnixMilli(base + int64(r.random.IntN(12))*3_600_000).Add(time.Duration(r.random.IntN(4)) * 7 * time.Minute)
	q.To = q.From.Add(time.Duration(1+r.random.IntN(30*60)) * time.Minute)
	if r.random.IntN(3) == 0 {
		q.Countries = []string{"DE"}
	}
	if r.random.IntN(4) == 0 {
		q.MediaSources = []string{"google"}
	}
	rows := q
	rows.FromRows = true
	got, err := report.Overview(r.Context(), r.w, q)
	want, fault := report.Overview(r.Context(), r.w, rows)
	if err != nil || fault != nil || !reflect.DeepEqual(got, want) {
		r.Errorf("step %d, %s to %s, %v %v: overview %+v, want %+v, %v %v", step, q.From, q.To, q.Countries, q.MediaSources, got, want, err, fault)
	}
	for _, m := range []report.Metric{report.Events, report.Clicks, report.Impressions, report.Installs, report.Conversions, report.Revenue} {
		q.Metric, rows.Metric = m, m
		got, err := report.Timeseries(r.Context(), r.w, q)
		want, fault := report.Timeseries(r.Context(), r.w, rows)
		if err != nil || fault != nil || !reflect.DeepEqual(got, want) {
			r.Errorf("step %d: %s %.400s, want %.400s, %v %v", step, m, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want), err, fault)
		}
	}
	var n uint64
	if n = one[uint64](r.T, r.w, "SELECT count() FROM rollup_hours"); n > 0 {
		r.fromSums++
	}
}
