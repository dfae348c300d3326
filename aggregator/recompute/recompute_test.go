package recompute_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const (
	minute = int64(60_000)
	day    = 24 * 60 * minute
	start  = int64(1_780_000_000_000)
)

// watermarks keeps what nodes share, as Postgres does for them.
type watermarks struct {
	mu    sync.Mutex
	marks map[string]time.Time
	owner string
}

func (w *watermarks) Watermark(_ context.Context, name string) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.marks[name], nil
}

func (w *watermarks) SetWatermark(_ context.Context, name string, t time.Time, _ int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.marks == nil {
		w.marks = make(map[string]time.Time)
	}
	w.marks[name] = t
	return nil
}

func (w *watermarks) Lease(_ context.Context, _, owner string, _ time.Duration) (int64, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner == "" {
		w.owner = owner
	}
	return 1, w.owner == owner, nil
}

func (w *watermarks) give(owner string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner = owner
}

const secret = "the same on all nodes"

// settings have everything on.
func settings() attribution.Settings {
	s := attribution.Default()
	s.Probabilistic, s.Fraud.BotAgent, s.Inactivity = true, attribution.Reject, attribution.Day
	return s
}

// node is one aggregator's warehouse and attributor.
type node struct {
	store *warehouse.Warehouse
	a     *recompute.Attributor
}

func newNode(t *testing.T, dsn, name string, marks *watermarks) node {
	t.Helper()
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	settings := settings()
	a, err := recompute.New(recompute.Options{
		Store: store, Feed: store, Watermarks: marks, Owner: name,
		Settings:   func(string, int64) *attribution.Settings { return &settings },
		SweepEvery: 100 * time.Millisecond,
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return node{store, a}
}

// insert stores events and returns their facts.
func (n node) insert(t *testing.T, events []protocol.Event) attribution.Facts {
	t.Helper()
	settings := settings()
	var b warehouse.Batch
	for i := range events {
		b.Rows = append(b.Rows, warehouse.Row{Event: events[i], Agent: "agent"})
		b.Facts.AddSecret(&events[i], &settings, attribution.Secret(secret))
	}
	if rejections, err := n.store.Insert(t.Context(), b); err != nil || len(rejections) > 0 {
		t.Fatal(err, rejections)
	}
	return b.Facts
}

// world draws events of few people, who change devices, click, buy and are
// linked, with late ones, repeated ones and message ids used twice.
func world(r *rand.Rand, count int) []protocol.Event {
	var events []protocol.Event
	some := func(values ...string) string { return values[r.IntN(len(values))] }
	for i := range count {
		person := r.IntN(25)
		at := start + r.Int64N(40*day)
		e := protocol.Event{
			App: some("shop", "shop", "game"), ID: fmt.Sprintf("m%d", i), Original: at - 50, Time: at, Received: at + 20,
			Digest: r.Uint64(), Payload: []byte("{}"),
			AnonymousID: some("", fmt.Sprintf("a%d", person), fmt.Sprintf("b%d", person)),
			UserID:      some("", "", fmt.Sprintf("u%d", person)),
			DeviceID:    some("", "", fmt.Sprintf("d%d", person)),
		}
		if r.IntN(5) == 0 {
			e.Received += r.Int64N(10 * day) // late, some over the limit
		}
		e.IP = some("", fmt.Sprintf("192.0.2.%d", person/3))
		e.UserAgent = some("Mozilla/5.0 (Linux; Android 13; Pixel 7)", "Mozilla/5.0 (Linux; Android 13; Pixel 8)")
		if r.IntN(20) == 0 {
			e.Flags |= protocol.FlagBot
		}
		if e.Digest%20 == 0 {
			e.Flags |= protocol.FlagCrowd
		}
		switch r.IntN(12) {
		case 10, 11:
			e.Kind, e.Name = protocol.KindTrack, "Application Opened"
		case 0, 1, 2, 3:
			e.Kind = protocol.KindClick
			if r.IntN(4) == 0 {
				e.Kind = protocol.KindImpression
			}
			e.MediaSource, e.Campaign = some("google", "facebook", "tiktok"), some("spring", "summer")
			e.ClickID = some("", "", fmt.Sprintf("k%d", person))
			if e.IP != "" && r.IntN(2) == 0 { // nobody known
				e.AnonymousID, e.UserID, e.DeviceID = "", "", ""
			}
			if r.IntN(3) == 0 {
				e.Flags |= protocol.FlagRetargeting
				at := e.Time + r.Int64N(day)
				events = append(events, protocol.Event{ // and opens the app
					App: e.App, ID: e.ID + "o", Kind: protocol.KindTrack, Name: "Application Opened", Original: at, Time: at, Received: at,
					AnonymousID: e.AnonymousID, UserID: e.UserID, DeviceID: e.DeviceID, Payload: []byte("{}"),
				})
			}
		case 4:
			e.Kind = protocol.KindIdentify
			if r.IntN(8) == 0 {
				e.Kind, e.UserID, e.PreviousID = protocol.KindAlias, fmt.Sprintf("u%d", person), fmt.Sprintf("u%d", r.IntN(25))
			}
		case 5, 6:
			e.Kind, e.Name = protocol.KindTrack, "Application Installed"
			e.ClickID = some("", "", fmt.Sprintf("k%d", person))
		default:
			e.Kind, e.Name = protocol.KindTrack, "Order Completed"
			e.Flags, e.Currency, e.Revenue = e.Flags|protocol.FlagHasRevenue, some("EUR", "USD"), r.Int64N(200_000_000)
		}
		events = append(events, e)
		switch r.IntN(12) {
		case 0: // an SDK's retry
			e.Time, e.Received = e.Time+7, e.Received+1000
			events = append(events, e)
		case 1: // the id used for something else, also in another month
			other := events[r.IntN(len(events))]
			other.ID, other.App, other.Digest = e.ID, e.App, r.Uint64()
			events = append(events, other)
		}
	}
	return events
}

// settled compares the stored rows with the oracle's and returns what differs.
func settled(t *testing.T, store *warehouse.Warehouse, events []protocol.Event) []error {
	t.Helper()
	s := settings()
	want := oracle.RecomputeSecret(events, func(string, int64) *attribution.Settings { return &s }, []byte(secret))
	byApp := make(map[string][]string)
	for id := range want {
		byApp[id.App] = append(byApp[id.App], id.Conversion)
	}
	var faults []error
	for app, ids := range byApp {
		rows, err := store.Attributions(t.Context(), app, ids)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(ids) {
			faults = append(faults, fmt.Errorf("app %s: %d rows, want %d", app, len(rows), len(ids)))
		}
		for _, row := range rows {
			w := want[oracle.ID{App: app, Conversion: row.Conversion.ID}]
			for i, c := range w.Candidates { // as much of a candidate's touch as is stored
				if u := c.Touch; u != nil {
					w.Candidates[i].Touch = &attribution.Touch{App: app, ID: u.ID, Time: u.Time, Kind: u.Kind, MediaSource: u.MediaSource, Campaign: u.Campaign}
				}
			}
			if err := oracle.Compare(row.Result, w); err != nil {
				faults = append(faults, err)
			}
		}
	}
	return faults
}

// TestRowsEqualTheOracle stores facts in shuffled order through two nodes, with
// lost hints, and compares every row with an independent recomputation.
func TestRowsEqualTheOracle(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 1))
	dsn, marks := childtest.ClickHouse(t), &watermarks{}
	nodes := []node{newNode(t, dsn, "one", marks), newNode(t, dsn, "two", marks)}

	events := world(r, 500)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			if err := n.a.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for batch := range slices.Chunk(events, 25) {
		n := nodes[r.IntN(len(nodes))]
		facts := n.insert(t, batch)
		if r.IntN(4) > 0 {
			n.a.Hint(facts)
		}
		if r.IntN(6) == 0 { // sent again to the other node, the first answer having been lost
			nodes[0].insert(t, batch)
		}
	}
	cancel()
	wg.Wait()
	for i, name := range []string{"two", "one"} {
		marks.give(name)
		if err := nodes[1-i].a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	met := map[string]bool{}
	s := settings()
	for _, w := range oracle.RecomputeSecret(events, func(string, int64) *attribution.Settings { return &s }, []byte(secret)) {
		met[string(w.Install.Outcome)], met[string(w.Install.Match)], met[w.Primary()] = true, true, true
	}
	for _, what := range []string{"re_attribution", "probabilistic", "retargeting"} {
		if !met[what] {
			t.Errorf("no %s in this world", what)
		}
	}
	faults := settled(t, nodes[0].store, events)
	for _, f := range faults[:min(len(faults), 5)] {
		t.Error(f)
	}
	if len(faults) > 0 {
		t.Fatalf("seed %d: %d rows differ", seed, len(faults))
	}
}

// meanwhile does something between the facts that are read and the stamps.
type meanwhile struct {
	recompute.Store
	once sync.Once
	do   func()
}

func (m *meanwhile) Stamps(ctx context.Context, app string, ids []string) (map[string]attribution.Stamp, error) {
	m.once.Do(m.do)
	return m.Store.Stamps(ctx, app, ids)
}

// ordersOfTwoAgents are orders as one agent received them, and as another had
// earlier. Of half of them the older digest is the greater one.
func ordersOfTwoAgents() (events, earlier []protocol.Event) {
	for i := range 24 {
		id := fmt.Sprintf("order-%d", i)
		e := protocol.Event{App: "app", ID: id, Kind: protocol.KindTrack, Name: "Order Completed", UserID: id, Original: start, Time: start, Received: start + 447}
		events = append(events, e)
		e.Received = start + 307
		earlier = append(earlier, e)
	}
	return events, earlier
}

// TestOldFactsDoNotReplaceNewer: while a node computes, another one stores the same
// orders as another agent had received them earlier, and attributes them.
func TestOldFactsDoNotReplaceNewer(t *testing.T) {
	marks := &watermarks{}
	quick := newNode(t, childtest.ClickHouse(t), "quick", marks)
	events, earlier := ordersOfTwoAgents()
	facts := quick.insert(t, events)
	if _, err := quick.a.Recompute(t.Context(), &facts); err != nil {
		t.Fatal(err)
	}
	s := settings()
	slow, err := recompute.New(recompute.Options{
		Store: &meanwhile{Store: quick.store, do: func() {
			facts := quick.insert(t, earlier)
			if n, err := quick.a.Recompute(t.Context(), &facts); err != nil || n != len(earlier) {
				t.Error(n, err)
			}
		}},
		Feed: quick.store, Watermarks: marks, Owner: "slow", Settings: func(string, int64) *attribution.Settings { return &s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := slow.Recompute(t.Context(), &facts); err != nil || n != 0 {
		t.Errorf("%d rows written, %v", n, err)
	}
	for _, fault := range settled(t, quick.store, append(events, earlier...)) {
		t.Error(fault)
	}
}

// between does something once, between the facts that are read and the rows.
type between struct {
	recompute.Store
	do func()
}

func (b *between) InsertAttributions(ctx context.Context, rows []attribution.Row) error {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.InsertAttributions(ctx, rows)
}

// TestTwoComputationsOfOneNode: while a node is about to write, it is told of the same
// orders as another agent had received them earlier, and attributes them. Neither
// computation finds the other's rows, and no sweep looks at what both have done.
func TestTwoComputationsOfOneNode(t *testing.T) {
	for name, again := range map[string]func(*recompute.Attributor, attribution.Facts) (int, error){
		"computed": func(a *recompute.Attributor, f attribution.Facts) (int, error) { return a.Recompute(t.Context(), &f) },
		"written over": func(a *recompute.Attributor, f attribution.Facts) (int, error) {
			var ids []string
			for i := range f.Conversions {
				ids = append(ids, f.Conversions[i].ID)
			}
			return a.Rewrite(t.Context(), "app", ids)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, childtest.ClickHouse(t), "node", &watermarks{})
			events, earlier := ordersOfTwoAgents()
			facts := n.insert(t, events)
			s, store := settings(), &between{Store: n.store}
			a, err := recompute.New(recompute.Options{
				Store: store, Feed: n.store, Watermarks: &watermarks{}, Owner: "node", Settings: func(string, int64) *attribution.Settings { return &s },
			})
			if err != nil {
				t.Fatal(err)
			}
			store.do = func() {
				facts := n.insert(t, earlier)
				if rows, err := a.Recompute(t.Context(), &facts); err != nil || rows != len(earlier) {
					t.Errorf("%d rows written, %v", rows, err)
				}
			}
			if _, err := again(a, facts); err != nil {
				t.Error(err)
			}
			for _, fault := range settled(t, n.store, append(events, earlier...)) {
				t.Error(fault)
			}
		})
	}
}
