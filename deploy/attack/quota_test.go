package attack

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

func quotaAttacks() []attack {
	return []attack{
		{id: 52, run: attack52Times, note: "the tables of the whole installation after 10,000 claimed months"},
		{id: 55, run: attack55Flood, full: true},
	}
}

// attack52Times claims every month of 833 years, and times that are none.
func attack52Times(s *suite) {
	app, client, server := s.app("Times")
	const months = 10_000
	for part := range 4 {
		var events []map[string]any
		for i := range months / 4 {
			n := part*months/4 + i
			at := fmt.Sprintf("%04d-%02d-11T10:00:00Z", 1600+n/12, n%12+1)
			events = append(events, map[string]any{"type": "track", "event": []string{"Seen", "Order Completed", "Application Opened"}[n%3], "userId": fmt.Sprint(n % 50), "messageId": fmt.Sprintf("month-%d", n),
				"timestamp": at, "originalTimestamp": at, "properties": map[string]any{"revenue": 1, "currency": "EUR"}})
		}
		s.as("").event(s.Agents[part%2], []string{client, server}[part/2], "/v1/batch", map[string]any{"batch": events}).want(200)
	}
	odd := 0
	for _, at := range []any{"1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z", 0, -1, -1e15, 1e18, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, "1700000000", "now", "", true, []int{1}, map[string]any{}, "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:99"} {
		for i, field := range []string{"timestamp", "originalTimestamp", "sentAt"} {
			got := s.as("").event(s.Agents[i%2], server, "/v1/track", map[string]any{"event": "Odd", "userId": "u", "messageId": fmt.Sprintf("odd-%d", odd), field: at})
			if got.want(200, 400); got.status == 200 {
				odd++
			}
			s.as("").event(s.Agents[i%2], server, "/v1/s2s/touch", map[string]any{"id": fmt.Sprintf("touch-%d-%d", odd, i), "kind": "click", "media_source": "m", "time": at, "timestamp": at, "keys": map[string]string{"user_id": "u"}}).want(200, 400)
		}
	}
	s.Await("what was claimed is stored", func() error {
		if got := s.events(app); got < months+odd {
			return fmt.Errorf("%d of %d", got, months+odd)
		}
		return nil
	})
	partitions := s.partitions()
	for table, n := range partitions {
		if n > 14 {
			s.Errorf("table %s has %d partitions", table, n)
		}
	}
	if partitions["events"] == 0 || partitions["conversions"] == 0 {
		s.Errorf("partitions %v", partitions)
	}
}

// partitions counts those of every table of the warehouse.
func (s *suite) partitions() map[string]uint64 {
	s.Helper()
	options, err := clickhouse.ParseDSN(s.ClickHouseDSN)
	if err != nil {
		s.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query(s.Context(), "SELECT table, uniqExact(partition_id) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table")
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]uint64{}
	for rows.Next() {
		var table string
		var n uint64
		if err := rows.Scan(&table, &n); err != nil {
			s.Fatal(err)
		}
		counts[table] = n
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	return counts
}

// attack55Flood sends ten times the quota of a key, while another key sends half of
// its quota.
func attack55Flood(s *suite) {
	const quota, seconds = 1000, 3
	s.Configure = func(config *agent.Config) { config.KeyRate = quota }
	defer func() { s.Configure = nil }()
	at := s.StartAgent("limited", s.EnrollmentToken("limited"))
	defer at.Stop(s.T)
	flooder, flood, _ := s.app("Flooder")
	_, honest, _ := s.app("Honest")
	for _, key := range []string{flood, honest} {
		s.Await("the limited agent knows the keys", func() error {
			if got := s.quiet().event(at, key, "/v1/batch", `{"batch":[]}`); got.status != 200 {
				return fmt.Errorf("status %d", got.status)
			}
			return nil
		})
	}
	// 500 events a second, sent when they are due and not when the last was answered.
	steady := func() (served int) {
		var accepted atomic.Int64
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / 50)
		defer tick.Stop()
		for range 50 * seconds {
			<-tick.C
			wg.Go(func() {
				if s.quiet().event(at, honest, "/v1/batch", seen(10)).want(200).status == 200 {
					accepted.Add(10)
				}
			})
		}
		wg.Wait()
		return int(accepted.Load())
	}
	var alone, beside float64
	var accepted, refused int
	var took time.Duration
	sent := s.sent.Load()
	for try := 1; try == 1 || try <= 3 && beside < 0.95*alone; try++ { // a busy machine disturbs both
		s.sent.Store(sent)
		alone = rate(steady)
		var wg sync.WaitGroup
		began := time.Now()
		var more int
		wg.Go(func() { more, refused = s.pour(at, flood, 10*quota, seconds) })
		beside = rate(steady)
		wg.Wait()
		took, accepted = took+time.Since(began), accepted+more
	}
	s.Logf("the honest key had %.0f events a second alone and %.0f beside the flood, of which %d events were accepted and %d refused", alone, beside, accepted, refused)
	if beside < 0.95*alone {
		s.Errorf("the honest key had %.0f events a second alone and %.0f beside the flood", alone, beside)
	}
	if most := int(quota*took.Seconds()) + 3*5000; accepted > most+quota || refused == 0 {
		s.Errorf("%d events of the flood were accepted and %d refused", accepted, refused)
	}
	s.Await("what was accepted is stored", func() error {
		if got := s.events(flooder); got < accepted {
			return fmt.Errorf("%d of %d", got, accepted)
		}
		return nil
	})
}

// rate is how many a second were served.
func rate(do func() int) float64 {
	began := time.Now()
	return float64(do()) / time.Since(began).Seconds()
}

// seen is a batch of that many events.
func seen(events int) string {
	return `{"batch":[` + strings.TrimSuffix(strings.Repeat(`{"type":"track","event":"Seen","userId":"u"},`, events), ",") + `]}`
}

// pour sends events at a rate for so many seconds.
func (s *suite) pour(at *system.Part, key string, perSecond, seconds int) (accepted, refused int) {
	const batch = 100
	tick := time.NewTicker(time.Second * batch / time.Duration(perSecond))
	defer tick.Stop()
	body := seen(batch)
	for range perSecond * seconds / batch {
		<-tick.C
		got := s.as("127.55.0.1").event(at, key, "/v1/batch", body).want(200, 429)
		if got.status == 200 {
			accepted += batch
			continue
		}
		if refused += batch; got.header.Get("Retry-After") == "" {
			s.Errorf("%s: 429 without Retry-After", got.what)
		}
	}
	return accepted, refused
}
