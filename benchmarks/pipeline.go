package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// pipeline are the cells about the whole way of an event: agent, aggregator, ClickHouse.
const pipeline = "pipeline"

const (
	pipelineRequest = 500 // events
	pipelineSenders = 8
	pipelinePeople  = 200_000
	pipelineWait    = 10 * time.Minute // longest wait for the events that were sent
	pipelineLook    = 100 * time.Millisecond
)

// pipelineCell is one of them: the cost of storing and attributing the events of a shop, handed to
// the agent as fast as it takes them.
type pipelineCell struct {
	Name        string  `json:"name"`
	Events      int     `json:"events"`
	Orders      int     `json:"orders"`
	Accepted    float64 `json:"accepted_seconds"` // until the agent had answered all with 200
	Stored      float64 `json:"stored_seconds"`   // until its queue was empty
	Credited    float64 `json:"credited_seconds"` // until every order had its attribution
	PerSecond   float64 `json:"stored_events_per_second"`
	OfInsert    float64 `json:"of_insert,omitempty"`   // as a part of the insert cell's rows a second
	OfPipeline  float64 `json:"of_pipeline,omitempty"` // of the cell with an empty store
	AgentMicros float64 `json:"agent_cpu_us"`          // an event, until credited
	Aggregator  float64 `json:"aggregator_cpu_us"`
	ClickHouse  float64 `json:"clickhouse_cpu_us"` // until merges came to rest

	Inserts  int64   `json:"inserts"`
	Rows     int64   `json:"rows_written"` // in all tables, copies counted
	Syncs    int64   `json:"file_syncs"`
	Merged   int64   `json:"rows_merged"`
	Selects  int64   `json:"selects"`
	Read     int64   `json:"rows_read"`
	AggMB    float64 `json:"aggregator_peak_mb"`
	HouseMB  float64 `json:"clickhouse_peak_mb"`
	Failures int     `json:"failed_requests"`
}

// pipelines measures the cells that are asked for.
func (s *suite) pipelines(ctx context.Context) error {
	if !wanted(pipeline+"/empty", s.only) && !wanted(pipeline+"/insert", s.only) {
		return nil
	}
	dir := filepath.Join(s.dir, pipeline)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := s.pipelineCells(ctx, dir); err != nil {
		return fmt.Errorf("measure the pipeline: %w", err)
	}
	return nil
}

// pipelineCells runs the whole system, sends it events, and then has the same rows written by a plain
// insert into a table like events: the most that a core on this machine could store.
func (s *suite) pipelineCells(ctx context.Context, dir string) (err error) {
	server, err := startConsole(ctx, dir)
	if server != nil {
		defer func() { err = errors.Join(err, server.stop(), os.RemoveAll(dir)) }()
	}
	if err != nil {
		return err
	}
	v, err := s.visibility(ctx, server, dir)
	if v != nil {
		defer func() { err = errors.Join(err, v.close()) }()
	}
	if err != nil {
		return err
	}
	p := &pipe{visibility: v, server: server}
	cell, err := p.measure(ctx, s, "empty")
	if err != nil {
		return err
	}
	limit, err := p.limit(ctx, s.pipelineEvents)
	if err != nil {
		return err
	}
	cell.OfInsert = cell.PerSecond / limit.PerSecond
	s.results.Pipeline = append(s.results.Pipeline, cell, limit)
	fmt.Fprintf(s.log, "%-20s %12s events/s stored, %s by a plain insert\n", pipeline, group(cell.PerSecond), group(limit.PerSecond))
	return nil
}

// pipe is the running system.
type pipe struct {
	*visibility
	server *server
	failed atomic.Int64
}

// measure sends the events and waits for what becomes of them.
func (p *pipe) measure(ctx context.Context, s *suite, name string) (c pipelineCell, err error) {
	c = pipelineCell{Name: name, Events: s.pipelineEvents}
	bodies, orders := shopBodies(c.Events)
	c.Orders = orders
	before, err := readCounters(ctx, p.conn)
	if err != nil {
		return c, err
	}
	parts := map[*float64]*processTime{&c.AgentMicros: {pid: p.agent.Process().PID()}, &c.Aggregator: {pid: p.server.program.Process().PID()},
		&c.ClickHouse: {pid: p.server.core.clickHouse.Process().PID()}}
	for _, part := range parts {
		if err := part.mark(); err != nil {
			return c, err
		}
	}
	stop, err := s.profileProgram(ctx, p.server, "aggregator-pipeline-"+name)
	if err != nil {
		return c, err
	}
	began := time.Now()
	p.sendAll(ctx, bodies)
	c.Accepted, c.Failures = time.Since(began).Seconds(), int(p.failed.Load())
	if err := p.drained(ctx); err != nil {
		return c, errors.Join(err, stop())
	}
	c.Stored = time.Since(began).Seconds()
	c.PerSecond = float64(c.Events) / c.Stored
	if err := p.credited(ctx, orders); err != nil {
		return c, errors.Join(err, stop())
	}
	c.Credited = time.Since(began).Seconds()
	if err := stop(); err != nil {
		return c, err
	}
	if err := (&population{conn: p.conn}).settle(ctx); err != nil {
		return c, err
	}
	for micros, part := range parts {
		used, err := part.since()
		if err != nil {
			return c, err
		}
		*micros = used.Seconds() * 1e6 / float64(c.Events)
	}
	after, err := readCounters(ctx, p.conn)
	if err != nil {
		return c, err
	}
	c.count(before, after)
	return c, errors.Join(p.peaks(&c), s.saveStatements(ctx, p.conn, name))
}

// saveStatements writes down the costs of the kinds of statements, when profiles are asked for.
func (s *suite) saveStatements(ctx context.Context, conn chdriver.Conn, name string) error {
	if s.profile == "" {
		return nil
	}
	if err := conn.Exec(ctx, "SYSTEM FLUSH LOGS"); err != nil {
		return fmt.Errorf("statements: %w", err)
	}
	rows, err := conn.Query(ctx, `SELECT toString(count()), toString(round(sum(ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds']) / 1e6, 2)) AS cpu,
    toString(round(sum(query_duration_ms) / 1e3, 1)), toString(sum(read_rows)), toString(sum(written_rows)), any(substring(replaceRegexpAll(query, '\\s+', ' '), 1, 220))
FROM system.query_log WHERE type = 'QueryFinish' GROUP BY normalized_query_hash ORDER BY toFloat64(cpu) DESC LIMIT 40`)
	if err != nil {
		return fmt.Errorf("statements: %w", err)
	}
	defer rows.Close()
	var b bytes.Buffer
	fmt.Fprintln(&b, "times\tcpu s\tseconds\trows read\trows written\tstatement")
	for rows.Next() {
		var fields [6]string
		if err := rows.Scan(&fields[0], &fields[1], &fields[2], &fields[3], &fields[4], &fields[5]); err != nil {
			return fmt.Errorf("statements: %w", err)
		}
		fmt.Fprintln(&b, strings.Join(fields[:], "\t"))
	}
	return errors.Join(rows.Err(), os.WriteFile(filepath.Join(s.profile, "statements-"+name+".txt"), b.Bytes(), 0o644))
}

// count fills in what ClickHouse counted meanwhile.
func (c *pipelineCell) count(before, after map[string]int64) {
	of := func(name string) int64 { return after[name] - before[name] }
	c.Inserts, c.Rows, c.Syncs, c.Merged = of("InsertQuery"), of("InsertedRows"), of("FileSync"), of("MergedRows")
	c.Selects, c.Read = of("SelectQuery"), of("SelectedRows")
}

func (p *pipe) peaks(c *pipelineCell) error {
	aggregator, err := p.server.peak()
	house, fault := memoryOf(p.server.core.clickHouse.Process().PID(), "VmHWM:")
	c.AggMB, c.HouseMB = float64(aggregator>>20), float64(house>>20)
	return errors.Join(err, fault)
}

// sendAll hands everything to the agent, and sends refused batches again.
func (p *pipe) sendAll(ctx context.Context, bodies [][]byte) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range pipelineSenders {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(bodies) {
					return
				}
				for {
					if _, err := p.post(ctx, "/v1/batch", p.clientKey, bodies[n]); err == nil {
						break
					}
					p.failed.Add(1)
					if daemon.Sleep(ctx, 200*time.Millisecond) != nil {
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// drained waits until nothing is left in the agent's queue.
func (p *pipe) drained(ctx context.Context) error {
	return waitUntil(ctx, "the agent's queue is empty", func() (bool, error) {
		var left shipment
		err := (&server{admin: p.admin}).backlog(ctx, &left)
		return left.Events == 0, err
	})
}

// credited waits until so many orders have their attribution.
func (p *pipe) credited(ctx context.Context, orders int) error {
	return waitUntil(ctx, "every order is attributed", func() (bool, error) {
		var n uint64
		err := p.conn.QueryRow(ctx, "SELECT uniqExact(conversion_id) FROM attributions WHERE app_id = ?", p.app).Scan(&n)
		return n >= uint64(orders), err
	})
}

// waitUntil asks again and again, for pipelineWait at most.
func waitUntil(ctx context.Context, what string, ask func() (bool, error)) error {
	for end := time.Now().Add(pipelineWait); time.Now().Before(end); {
		if done, err := ask(); err != nil || done {
			return err
		}
		if err := daemon.Sleep(ctx, pipelineLook); err != nil {
			return err
		}
	}
	return fmt.Errorf("waited %s in vain until %s", pipelineWait, what)
}

// readCounters are ClickHouse's own, since it was started.
func readCounters(ctx context.Context, conn chdriver.Conn) (map[string]int64, error) {
	rows, err := conn.Query(ctx, "SELECT event, toInt64(value) FROM system.events")
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	defer rows.Close()
	counters := make(map[string]int64)
	for rows.Next() {
		var name string
		var value int64
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
		counters[name] = value
	}
	return counters, rows.Err()
}

// shopBodies are requests with so many events of a web shop: 5 % orders, 10 % landings from a campaign,
// every event with a user and an anonymous id. It returns how many orders are among them.
func shopBodies(events int) (bodies [][]byte, orders int) {
	now := time.Now()
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 3))
	g := &shopper{random: random, now: now, run: random.Uint32()}
	for first := 0; first < events; first += pipelineRequest {
		var b bytes.Buffer
		b.WriteString(`{"batch":[`)
		for i := range min(pipelineRequest, events-first) {
			if i > 0 {
				b.WriteByte(',')
			}
			if g.event(&b, first+i) {
				orders++
			}
		}
		fmt.Fprintf(&b, `],"sentAt":%q}`, now.UTC().Format("2006-01-02T15:04:05.000Z"))
		bodies = append(bodies, b.Bytes())
	}
	return bodies, orders
}

// shopper makes the events of the shop.
type shopper struct {
	random *rand.Rand
	now    time.Time
	run    uint32
}

// event appends an event and says whether it is an order.
func (g *shopper) event(b *bytes.Buffer, number int) bool {
	user := g.random.IntN(pipelinePeople)
	at := g.now.Add(-time.Duration(g.random.Int64N(int64(time.Hour)))).UTC().Format("2006-01-02T15:04:05.000Z")
	kind, order := g.random.IntN(100), false
	product := g.random.IntN(5000)
	head := func(kind string) {
		fmt.Fprintf(b, `{"type":%q,"messageId":"%08x-%04x-4%03x-8000-%012x","anonymousId":"%08x-5c1e-4d1b-9a57-%012x","userId":"u_%08d","timestamp":%q,`,
			kind, g.run, g.random.IntN(1<<16), g.random.IntN(1<<12), number, uint32(user*2654435761), uint64(user)*0x9e3779b97f4a&0xffffffffffff, user, at)
	}
	campaign := ""
	switch {
	case kind < 5:
		order = true
		head("track")
		fmt.Fprintf(b, `"event":"Order Completed","properties":{"order_id":"o-%d","revenue":%d.%02d,"currency":"EUR","products":[{"product_id":"sku-%05d"}]},`,
			number, 5+g.random.IntN(200), g.random.IntN(100), product)
	case kind < 15:
		head("page")
		campaign = fmt.Sprintf(`"campaign":{"source":%q,"medium":"cpc","name":"campaign-%d","content":"ad-%d"},`,
			[]string{"google", "meta", "tiktok", "newsletter", "partner"}[g.random.IntN(5)], g.random.IntN(40), g.random.IntN(200))
		fmt.Fprintf(b, `"name":"Landing","properties":{"path":"/l/%d","title":"Landing %d"},`, product, product)
	case kind < 50:
		head("page")
		fmt.Fprintf(b, `"name":"Product","properties":{"path":"/p/%d","title":"Product %d","referrer":"https://shop.example/c/%d"},`, product, product, product%40)
	default:
		head("track")
		fmt.Fprintf(b, `"event":"Product Viewed","properties":{"product_id":"sku-%05d","price":%d.99,"currency":"EUR","quantity":%d,"position":%d},`,
			product, 1+g.random.IntN(400), 1+g.random.IntN(3), g.random.IntN(60))
	}
	fmt.Fprintf(b, `"context":{%s"library":{"name":"analytics.js","version":"2.1.0"},"locale":"de-DE","page":{"path":"/p/%d"}}}`, campaign, product)
	return order
}

func pipelineHeader() []string {
	return []string{"pipeline", "events", "accepted s", "stored s", "credited s", "stored events/s", "of insert", "agent µs", "aggregator µs", "ClickHouse µs",
		"inserts", "rows an event", "syncs", "rows merged", "selects", "rows read", "aggregator MB", "ClickHouse MB"}
}

func (c *pipelineCell) row() []string {
	number := func(v float64, digits int) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	whole := func(v int64) string { return strings.TrimSpace(group(float64(v))) }
	return []string{c.Name, whole(int64(c.Events)), number(c.Accepted, 1), number(c.Stored, 1), number(c.Credited, 1), group(c.PerSecond), number(c.OfInsert, 2),
		number(c.AgentMicros, 1), number(c.Aggregator, 1), number(c.ClickHouse, 1), whole(c.Inserts), number(float64(c.Rows)/float64(max(c.Events, 1)), 2),
		whole(c.Syncs), whole(c.Merged), whole(c.Selects), whole(c.Read), number(c.AggMB, 0), number(c.HouseMB, 0)}
}

// profileProgram keeps a CPU profile of a program until the function that it returns is called, when
// profiles are asked for.
func (s *suite) profileProgram(ctx context.Context, server *server, name string) (stop func() error, err error) {
	if s.profile == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(s.profile, 0o755); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	done := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		data, err := server.ask(ctx, "/debug/pprof/profile?seconds=15")
		if err == nil {
			err = os.WriteFile(filepath.Join(s.profile, name+"-cpu.prof"), data, 0o644)
		}
		done <- err
	})
	return func() error { wg.Wait(); return <-done }, nil
}
