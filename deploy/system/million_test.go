package system

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestMillion sends journeys at the edges of the rules through the running system,
// in mixed order, over two agents and two aggregators, while aggregators and the
// ClickHouse are killed and somebody changes the settings through the API. Then every stored
// attribution must equal, in every column, the one that the second implementation computes
// in SQL, and the one that the oracle computes from the stored events: to the last millionth.
//
// UNMOGROWP_CHAOS_PEOPLE says how many people there are, each with five conversions;
// 200,000 make the million. UNMOGROWP_CHAOS_KILLS and _SEED are as in the chaos test;
// UNMOGROWP_CHAOS_CHANGES is how often settings are changed at most.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute")
	}
	people, kills, seed := setting(t, "PEOPLE", 2_000), setting(t, "KILLS", 4), setting(t, "SEED", 1)
	moment := time.Now().Add(-time.Second).Truncate(time.Millisecond)
	p := startProcesses(t, childtest.Postgres(t), 2, 2, func(c *Cluster) { c.settleOn(moment, people) })
	f := &flood{storm: storm{p: p, kills: kills, due: make(chan int, kills)}, journeys: NewJourneys(uint64(seed), people, moment), people: people}
	live := &changes{f: f, most: setting(t, "CHANGES", 12)}
	began := time.Now()
	f.runWith(live)
	t.Logf("%d messages of %d people with %d conversions, %d kills, acknowledged after %s", f.journeys.Sent, people, f.journeys.Conversions, f.killed, since(began))
	m := &ledger{Cluster: p.Cluster, people: people}
	m.open()
	m.awaitStored(f.journeys, live)
	m.awaitContents(f.journeys, live)
	t.Logf("all stored after %s", since(began))
	lively := m.awaitLive()
	t.Logf("%d people with %d conversions while settings changed %d times, attributed after %s", live.people, lively, live.made, since(began))
	total := f.journeys.Conversions + lively
	m.awaitAttributed(total)
	t.Logf("all attributed after %s", since(began))
	began = time.Now()
	m.twin()
	t.Logf("computed in SQL within %s", since(began))
	m.awaitSame()
	t.Logf("rows equal in SQL after %s", since(began))
	began = time.Now()
	compared := m.recompute()
	t.Logf("%d rows equal to the oracle's, %s", compared, since(began))
	if compared != total {
		t.Errorf("%d rows compared, want %d", compared, total)
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

// settleOn gives the app the versions of its settings, before anybody reads them.
func (c *Cluster) settleOn(moment time.Time, people int) {
	c.T.Helper()
	ctx := c.T.Context()
	conn, err := pgx.Connect(ctx, c.PostgresDSN)
	if err != nil {
		c.T.Fatal(err)
	}
	defer conn.Close(ctx)
	versions, from := JourneySettings(moment, people)
	for i := range versions {
		if faults := versions[i].Validate(); len(faults) > 0 {
			c.T.Fatal(faults)
		}
		text, err := json.Marshal(versions[i])
		if err != nil {
			c.T.Fatal(err)
		}
		_, err = conn.Exec(ctx, `INSERT INTO app_settings (app, generation, settings, valid_from, created_by) VALUES ($1, $2, $3, $4, '')
			ON CONFLICT (app, generation) DO UPDATE SET settings = excluded.settings, valid_from = excluded.valid_from`, c.App, versions[i].Generation, string(text), from[i])
		if err != nil {
			c.T.Fatal(err)
		}
	}
}

// flood sends journeys.
type flood struct {
	storm
	journeys *Journeys
	people   int
}

const perFlood = 500

// runWith sends everything while settings are changed.
func (f *flood) runWith(live *changes) {
	ended := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { live.run(ended) })
	f.run()
	close(ended)
	both.Wait()
}

func (f *flood) run() {
	var senders, nemesis sync.WaitGroup
	nemesis.Go(f.kill)
	for i := range 6 {
		senders.Go(func() { f.send(f.p.Agents[i%len(f.p.Agents)]) })
	}
	senders.Wait()
	close(f.due)
	nemesis.Wait()
}

func (f *flood) send(agent *Part) {
	for {
		requests := f.next()
		if len(requests) == 0 {
			return
		}
		for _, r := range requests {
			f.deliver(agent, r)
		}
	}
}

// next makes the next requests: one batch, and one of touches. A kill is due when
// its share of the people has begun.
func (f *flood) next() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch, touches := bytes.NewBufferString(`{"batch":[`), bytes.NewBufferString(`{"touches":[`)
	before := f.journeys.Sent
	for range perFlood {
		m, ok := f.journeys.Next()
		if !ok {
			break
		}
		b := batch
		if m.Touch {
			b = touches
		}
		if last := b.Bytes()[b.Len()-1]; last != '[' {
			b.WriteByte(',')
		}
		b.Write(m.Raw)
	}
	if f.journeys.Sent == before {
		return nil
	}
	total := 11 * f.people // about as many messages
	for k := before * (f.kills + 1) / total; k < f.journeys.Sent*(f.kills+1)/total && k < f.kills; k++ {
		f.due <- k
	}
	batch.WriteString("]}")
	touches.WriteString("]}")
	return []request{{path: "/v1/batch", body: batch.Bytes()}, {path: "/v1/s2s/touch", body: touches.Bytes()}}
}

// kill takes an aggregator, then the ClickHouse, in turn.
func (f *flood) kill() {
	for n := range f.due {
		var victim interface {
			Kill() error
			Start(ctx context.Context) error
		} = f.p.ClickHouse
		if n%3 < 2 {
			victim = f.p.Programs[n%3%f.p.aggregators]
		}
		if err := f.p.KillAndRestart(victim); err != nil {
			f.p.T.Errorf("kill %d: %v", n, err)
			return
		}
		f.killed++
	}
}

// deliver sends until it is answered 200, with a pause between.
func (f *flood) deliver(agent *Part, r request) {
	for deadline := time.Now().Add(10 * Patience); ; {
		err := f.post(agent, r)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			f.p.T.Errorf("%s never took a request: %v", agent.Name, err)
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

// ledger compares the stored attributions.
type ledger struct {
	*Cluster
	people   int
	versions []apps.SettingsVersion
	store    *warehouse.Warehouse
	run      *warehouse.WhatIf
}

func (m *ledger) open() {
	m.T.Helper()
	m.versions = versionsOf(m.Cluster)
	var err error
	if m.store, err = warehouse.Open(m.T.Context(), warehouse.Options{DSN: m.ClickHouseDSN}); err != nil {
		m.T.Fatal(err)
	}
	m.T.Cleanup(func() { _ = m.store.Close() })
	if m.run, err = m.store.WhatIf(m.T.Context(), m.App, "twin", "{}"); err != nil {
		m.T.Fatal(err)
	}
}

func (m *ledger) at(ms int64) *attribution.Settings {
	for i := len(m.versions) - 1; i > 0; i-- {
		if m.versions[i].From.UnixMilli() <= ms {
			return &m.versions[i].Settings
		}
	}
	return &m.versions[0].Settings
}

// count runs a query of numbers.
func (m *ledger) count(query string, to ...any) error {
	conn, err := m.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.QueryRow(m.T.Context(), query).Scan(to...)
}

// awaitStored waits until exactly the ids that were sent are stored.
func (m *ledger) awaitStored(j *Journeys, live *changes) {
	m.T.Helper()
	m.awaitWhileGrowing("message ids stored", `SELECT count(), groupBitXor(cityHash64(event_id)) FROM (SELECT DISTINCT event_id FROM events)`, uint64(j.Distinct+live.distinct), j.Sum^live.sum)
}

// awaitContents waits until every content of every id is stored: which one counts
// cannot be told before.
func (m *ledger) awaitContents(j *Journeys, live *changes) {
	m.T.Helper()
	m.awaitWhileGrowing("contents of messages stored", `SELECT uniqExact((id_hash, digest)), toUInt64(0) FROM event_ids`, uint64(j.Contents+live.distinct), 0)
}

// awaitAttributed waits until every conversion has a row.
func (m *ledger) awaitAttributed(conversions int) {
	m.T.Helper()
	m.awaitWhileGrowing("conversions attributed", `SELECT uniqExact(conversion_id), toUInt64(0) FROM attributions`, uint64(conversions), 0)
}

// awaitWhileGrowing waits for a query's number and sum, as long as the number grows.
func (m *ledger) awaitWhileGrowing(what, query string, want, wantSum uint64) {
	m.T.Helper()
	last, deadline := uint64(0), time.Now().Add(2*Patience)
	for {
		var n, sum uint64
		err := m.count(query, &n, &sum)
		switch {
		case err == nil && n == want && sum == wantSum:
			return
		case n > last:
			last, deadline = n, time.Now().Add(2*Patience)
		case time.Now().After(deadline):
			m.T.Fatalf("%d %s, want %d: %v", n, what, want, err)
		}
		<-time.After(time.Second)
	}
}

// peoplePerPage is how many people are computed at once, on each of two threads.
const peoplePerPage = 4_000

// pages does all people, page by page, and fails the test with the first error.
func (m *ledger) pages(do func(first, end string) error) {
	m.T.Helper()
	var pages errgroup.Group
	pages.SetLimit(2)
	for from := 0; from < m.people; from += peoplePerPage {
		pages.Go(func() error {
			if m.T.Failed() {
				return nil
			}
			return do(fmt.Sprintf("p%07d", from), fmt.Sprintf("p%07d", from+peoplePerPage))
		})
	}
	pages.Go(func() error { return do("q", "r") }) // those who acted while settings changed
	if err := pages.Wait(); err != nil {
		m.T.Fatal(err)
	}
}

// twin computes everything in SQL.
func (m *ledger) twin() {
	m.T.Helper()
	m.pages(func(first, end string) error {
		ids, err := m.ids(`SELECT DISTINCT conversion_id FROM conversion_ids WHERE conversion_id >= ? AND conversion_id < ?`, first, end)
		if err != nil {
			return err
		}
		return m.run.Compute(m.T.Context(), ids, m.at)
	})
}

func (m *ledger) ids(query string, args ...any) ([]string, error) {
	conn, err := m.connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.Query(m.T.Context(), query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// awaitSame waits until no stored row differs from the one computed in SQL, in any
// column except the clock's and, in the version, the bits above the inputs. Rows that the sweep
// has not yet come to are the only ones that may differ at first.
func (m *ledger) awaitSame() {
	m.T.Helper()
	m.Await("no row that differs from the SQL", func() error {
		differ, err := m.ids(`SELECT conversion_id FROM
(
    SELECT conversion_id, cityHash64(tuple(bitAnd(version, toUInt64(0xFFFFFFFF)), * EXCEPT (version, inserted_at))) AS row FROM attributions FINAL
    UNION ALL
    SELECT conversion_id, cityHash64(tuple(bitAnd(version, toUInt64(0xFFFFFFFF)), * EXCEPT (version, inserted_at, run))) AS row FROM what_if_attributions FINAL WHERE run = 'twin'
)
GROUP BY conversion_id HAVING count() != 2 OR min(row) != max(row) LIMIT 100000`)
		if err != nil || len(differ) == 0 {
			return err
		}
		return fmt.Errorf("%d rows differ, one is %s: %s", len(differ), differ[0], m.difference(differ[0]))
	})
}

// difference says what differs.
func (m *ledger) difference(id string) string {
	stored, err := m.store.Attributions(m.T.Context(), m.App, []string{id})
	if err != nil || len(stored) == 0 {
		return fmt.Sprintf("not stored: %v", err)
	}
	computed, err := m.store.Twin(m.T.Context(), m.App, []string{id}, m.at)
	if err != nil || len(computed) == 0 {
		return fmt.Sprintf("not computed: %v", err)
	}
	return fmt.Sprint(attribution.SameRow(&stored[0], &computed[0]))
}

// recompute compares every row with the oracle, some people at a time.
func (m *ledger) recompute() int {
	m.T.Helper()
	var compared atomic.Int64
	m.pages(func(first, end string) error {
		n, err := m.recomputePage(first, end)
		compared.Add(int64(n))
		return err
	})
	return int(compared.Load())
}

// recomputePage compares the rows of some people.
func (m *ledger) recomputePage(first, end string) (int, error) {
	events, err := m.eventsWhere("event_id >= ? AND event_id < ?", first, end)
	if err != nil {
		return 0, err
	}
	stored, err := m.attributionsWhere("conversion_id >= ? AND conversion_id < ?", first, end)
	if err != nil {
		return 0, err
	}
	want := oracle.RecomputeAt(events, func(_ string, ms int64) *attribution.Settings { return m.at(ms) })
	for id, result := range want {
		got, ok := stored[id.Conversion]
		if expected := expectation(&result); !ok || fmt.Sprint(got) != fmt.Sprint(expected) {
			return 0, fmt.Errorf("%s: stored (%t) %v, want %v", id.Conversion, ok, got, expected)
		}
	}
	if len(stored) != len(want) {
		return 0, fmt.Errorf("people from %s on: %d rows, want %d", first, len(stored), len(want))
	}
	return len(want), nil
}
