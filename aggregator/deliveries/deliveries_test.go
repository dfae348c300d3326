package deliveries

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postback"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// world is a source in memory: attributions with the times of storing.
type world struct {
	mu      sync.Mutex
	rows    map[string]attribution.Row
	changes []attribution.Change
	broken  bool
}

func (w *world) attribute(app, id, source string, revenue int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	row := attribution.Row{Conversion: attribution.Conversion{
		App: app, ID: id, Name: "Order Completed", Time: now.UnixMilli(), Received: now.UnixMilli(), HasRevenue: true, Currency: "EUR"}}
	row.Result.Revenue = revenue * 1_000_000
	if source != "" {
		row.Result.Install.MediaSource, row.Result.Install.TouchID = source, "touch-"+id
	}
	w.rows[id] = row
	w.changes = append(w.changes, attribution.Change{App: app, Conversion: id, Written: now.UnixMilli()})
}

func (w *world) AttributedSince(_ context.Context, since, until time.Time, cursor string, limit int) ([]attribution.Change, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return nil, "", errors.New("the warehouse is away")
	}
	begin := 0
	if cursor != "" {
		_, _ = fmt.Sscan(cursor, &begin)
	}
	var page []attribution.Change
	for i := begin; i < len(w.changes); i++ {
		c := w.changes[i]
		if c.Written < since.UnixMilli() || c.Written >= until.UnixMilli() {
			continue
		}
		if page = append(page, c); len(page) == limit {
			return page, fmt.Sprint(i + 1), nil
		}
	}
	return page, "", nil
}

func (w *world) Attributions(_ context.Context, _ string, ids []string) ([]attribution.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rows []attribution.Row
	for _, id := range ids {
		if row, found := w.rows[id]; found {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (w *world) EventsByID(_ context.Context, app string, ids []string) (map[string]protocol.Event, error) {
	events := make(map[string]protocol.Event)
	for _, id := range ids {
		events[id] = protocol.Event{App: app, ID: id, ClickID: "click-" + id, Country: "DE", OrderID: "order-" + id,
			Payload: []byte(`{"query":{"gclid":"g-` + id + `"},"context":{"traits":{"email":"A@b.example"},"device":{"type":7}}}`)}
	}
	return events, nil
}

// Now runs a little ahead, so that the last row is before it.
func (w *world) Now(context.Context) (time.Time, error) { return time.Now().Add(time.Millisecond), nil }

// ledger is Postgres with an app.
func ledger(t *testing.T) (*Ledger, string) {
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
	return NewLedger(a.Pool), app.ID
}

func courier(t *testing.T, l *Ledger, w *world, owner string) *Courier {
	t.Helper()
	outgoing := guard.NewOutgoing(guard.Options{Machine: true, AnyPort: true, Timeout: 500 * time.Millisecond})
	t.Cleanup(outgoing.CloseIdleConnections)
	c, err := New(Options{Store: l, Source: w, Client: outgoing, Key: bytes.Repeat([]byte{2}, 32), Owner: owner, Poll: 20 * time.Millisecond,
		Now: time.Now, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running runs a courier until stop is called.
func running(t *testing.T, c *Courier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// receiver takes deliveries, and is as unreliable as it is told to be.
type receiver struct {
	*httptest.Server
	mu        sync.Mutex
	effective map[string]string // by delivery: its request
	tries     int
	answer    func(n int, r *http.Request) int
}

func newReceiver(t *testing.T, answer func(n int, r *http.Request) int) *receiver {
	t.Helper()
	rec := &receiver{effective: map[string]string{}, answer: answer}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.tries++
		status := rec.answer(rec.tries, r)
		id := r.Header.Get(postback.HeaderDelivery)
		content := r.Method + " " + r.URL.String() + " " + string(body)
		// A request answered 500 after the fact, or not at all, was effective nevertheless.
		if status != 404 {
			if before, again := rec.effective[id]; again && before != content {
				t.Errorf("delivery %s changed between tries: %s, %s", id, before, content)
			}
			rec.effective[id] = content
		}
		rec.mu.Unlock()
		if status == 0 {
			<-r.Context().Done() // never answers
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "seen")
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) contents() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, content := range r.effective {
		list = append(list, content)
	}
	slices.Sort(list)
	return list
}

func definition(rec *receiver) Change {
	return Change{Definition: postback.Definition{
		Name: "P", Enabled: true, Method: "GET", Format: postback.FormatNone,
		URL: rec.URL + "/?id={conversion_id}&c={click_id}&g={param.gclid}&v={revenue}"}}
}

// until waits for a condition, and hurries what waits for its next try.
func until(t *testing.T, l *Ledger, what string, met func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for !met() {
		if _, err := l.Exec(t.Context(), `UPDATE deliveries SET next_at = clock_timestamp(),
			lease_until = CASE WHEN lease_until < clock_timestamp() + interval '43 seconds' THEN 'epoch' ELSE lease_until END
			WHERE state = 'due'`); err != nil {
			t.Fatal(err)
		}
		select {
		case <-deadline:
			t.Fatal("waited too long for " + what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (l *Ledger) states(t *testing.T) map[string]int {
	t.Helper()
	rows, err := l.Query(t.Context(), `SELECT state, count(*) FROM deliveries GROUP BY state`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	states := make(map[string]int)
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			t.Fatal(err)
		}
		states[state] = n
	}
	return states
}

// TestEveryConversionIsToldOnce runs two couriers that are stopped in the middle of everything, against a
// receiver that fails, dawdles and refuses for a while.
func TestEveryConversionIsToldOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	l, app := ledger(t)
	w := &world{rows: map[string]attribution.Row{}}
	rec := newReceiver(t, func(int, *http.Request) int {
		switch n := random.IntN(100); {
		case n < 10:
			return 500
		case n < 13:
			return 0
		case n < 16:
			return 429
		}
		return 200
	})
	for range 3 {
		if _, err := l.Create(t.Context(), app, definition(rec)); err != nil {
			t.Fatal(err)
		}
	}
	const conversions = 80
	stops := []func(){running(t, courier(t, l, w, "a")), running(t, courier(t, l, w, "b"))}
	// The first look says that earlier attributions are past.
	until(t, l, "the first watermark", func() bool {
		at, err := l.Watermark(t.Context(), leaseName)
		return err == nil && !at.IsZero()
	})
	for i := range conversions {
		w.attribute(app, fmt.Sprintf("c%03d", i), "partner", int64(i))
		if i%20 == 10 {
			k := random.IntN(2)
			stops[k]()
			stops[k] = running(t, courier(t, l, w, fmt.Sprintf("%c%d", 'a'+k, i)))
		}
	}
	until(t, l, "all to be delivered", func() bool { return l.states(t)[StateDelivered] == 3*conversions })
	for _, stop := range stops {
		stop()
	}
	if states := l.states(t); len(states) != 1 {
		t.Errorf("states %v", states)
	}
	got := rec.contents()
	if len(got) != 3*conversions {
		t.Errorf("%d effective deliveries, want %d", len(got), 3*conversions)
	}
	if want := "GET /?id=c000&c=click-touch-c000&g=g-touch-c000&v=0 "; got[0] != want {
		t.Errorf("%q, want %q", got[0], want)
	}
}

func TestWhatIsNotTold(t *testing.T) {
	l, app := ledger(t)
	w := &world{rows: map[string]attribution.Row{}}
	rec := newReceiver(t, func(int, *http.Request) int { return 200 })
	w.attribute(app, "before", "partner", 1)
	item, err := l.Create(t.Context(), app, definition(rec))
	if err != nil {
		t.Fatal(err)
	}
	c := courier(t, l, w, "a")
	if err := c.decide(t.Context()); err != nil { // the first watermark
		t.Fatal(err)
	}
	w.attribute(app, "organic", "", 1)
	w.attribute(app, "told", "partner", 1)
	w.attribute(app, "told", "partner", 1) // attributed again, alike
	for range 3 {
		c.full = time.Time{}
		if err := c.decide(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := l.Entries(t.Context(), app, Filter{Postback: item.ID}, "", 10)
	if err != nil || len(entries) != 1 || entries[0].Conversion != "told" {
		t.Fatalf("%v %v", entries, err)
	}
}

func TestCorrections(t *testing.T) {
	l, app := ledger(t)
	w := &world{rows: map[string]attribution.Row{}}
	rec := newReceiver(t, func(int, *http.Request) int { return 200 })
	change := definition(rec)
	change.Corrections = true
	if _, err := l.Create(t.Context(), app, change); err != nil {
		t.Fatal(err)
	}
	change.Corrections = false
	if _, err := l.Create(t.Context(), app, change); err != nil {
		t.Fatal(err)
	}
	stop := running(t, courier(t, l, w, "a"))
	defer stop()
	until(t, l, "the first watermark", func() bool {
		at, err := l.Watermark(t.Context(), leaseName)
		return err == nil && !at.IsZero()
	})
	w.attribute(app, "c", "partner", 1)
	until(t, l, "two deliveries", func() bool { return l.states(t)[StateDelivered] == 2 })
	w.attribute(app, "c", "partner", 2)
	until(t, l, "a correction", func() bool { return l.states(t)[StateDelivered] == 3 })
	if got := rec.contents(); len(got) != 3 || !strings.Contains(strings.Join(got, "\n"), "v=2") {
		t.Error(got)
	}
}

func TestRefusedIsDeadAndCanBeSentAgain(t *testing.T) {
	l, app := ledger(t)
	w := &world{rows: map[string]attribution.Row{}}
	status := 404
	rec := newReceiver(t, func(int, *http.Request) int { return status })
	change := definition(rec)
	change.URL += "&token={secret.token}"
	change.Secrets = map[string]string{"token": "very-secret"}
	signing := "key"
	change.Signing = &signing
	item, err := l.Create(t.Context(), app, change)
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t, courier(t, l, w, "a"))
	defer stop()
	until(t, l, "the first watermark", func() bool {
		at, err := l.Watermark(t.Context(), leaseName)
		return err == nil && !at.IsZero()
	})
	w.attribute(app, "c", "partner", 1)
	until(t, l, "a dead letter", func() bool { return l.states(t)[StateDead] == 1 })
	entries, err := l.Entries(t.Context(), app, Filter{State: StateDead}, "", 10)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	e := entries[0]
	masked := !strings.Contains(string(e.Request), "very-secret") && strings.Contains(string(e.Request), "token=•••")
	if e.Status != 404 || e.Answer != "seen" || e.Attempts != 1 || !masked {
		t.Errorf("%+v %s", e, e.Request)
	}
	rec.mu.Lock()
	status = 200
	rec.mu.Unlock()
	if n, err := l.Resend(t.Context(), app, "", Filter{Postback: item.ID, State: StateDead}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	until(t, l, "the delivery", func() bool { return l.states(t)[StateDelivered] == 1 })
	if got := rec.contents(); len(got) != 1 || !strings.Contains(got[0], "token=very-secret") {
		t.Error(got)
	}
}

// TestChangedSecretsStay holds that secrets stay unless they are named, and are never shown.
func TestChangedSecretsStay(t *testing.T) {
	l, app := ledger(t)
	rec := newReceiver(t, func(int, *http.Request) int { return 200 })
	change := definition(rec)
	change.Secrets = map[string]string{"a": "1", "b": "2"}
	item, err := l.Create(t.Context(), app, change)
	if err != nil || !slices.Equal(item.Secrets, []string{"a", "b"}) || item.Signed {
		t.Fatal(item, err)
	}
	signing := "key"
	change.Secrets, change.Signing = map[string]string{"a": ""}, &signing
	if item, err = l.Replace(t.Context(), app, item.ID, change); err != nil || !slices.Equal(item.Secrets, []string{"b"}) || !item.Signed {
		t.Fatal(item, err)
	}
	p, err := l.One(t.Context(), app, item.ID)
	if err != nil || p.Secrets.Signing != "key" || p.Secrets.Named["b"] != "2" {
		t.Fatal(p, err)
	}
	if _, err := l.Item(t.Context(), "other", item.ID); err == nil {
		t.Error("another app reads it")
	}
}

// TestOnlyPublicAddresses holds that the guard's refusal is final.
func TestOnlyPublicAddresses(t *testing.T) {
	l, app := ledger(t)
	w := &world{rows: map[string]attribution.Row{}}
	rec := newReceiver(t, func(int, *http.Request) int { return 200 })
	if _, err := l.Create(t.Context(), app, definition(rec)); err != nil {
		t.Fatal(err)
	}
	c := courier(t, l, w, "a")
	c.o.Client = guard.NewOutgoing(guard.Options{})
	stop := running(t, c)
	defer stop()
	until(t, l, "the first watermark", func() bool {
		at, err := l.Watermark(t.Context(), leaseName)
		return err == nil && !at.IsZero()
	})
	w.attribute(app, "c", "partner", 1)
	until(t, l, "a refusal", func() bool { return l.states(t)[StateDead] == 1 })
	if len(rec.contents()) != 0 {
		t.Error("a private address was called")
	}
}

func TestBreaker(t *testing.T) {
	b, now := newBreaker(), time.Unix(0, 0)
	for range tripAfter {
		if b.enter("h", now) != 0 {
			t.Fatal("closed too early")
		}
		b.saw("h", true, now)
		b.leave("h")
	}
	if wait := b.enter("h", now); wait != tripFor {
		t.Error(wait)
	}
	later := now.Add(tripFor)
	if b.enter("h", later) != 0 || b.enter("h", later) == 0 {
		t.Error("after the pause one try is let through")
	}
	b.saw("h", false, later)
	b.leave("h")
	for range atOneHost {
		if b.enter("h", later) != 0 {
			t.Fatal("not open again")
		}
	}
	if b.enter("h", later) != busyFor || b.enter("other", later) != 0 {
		t.Error("one host takes the others' slots")
	}
}
