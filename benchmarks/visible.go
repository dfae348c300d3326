package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const (
	visibleEvents  = 5000 // a second
	visibleRequest = 100  // events; the last one is an order
	visiblePeople  = 5000 // who order, in turn; each was seen by two clicks before
	visibleLook    = 50 * time.Millisecond
	visiblePause   = 20 * time.Second // longest wait for the last orders
)

// visibleCell runs the whole system on this machine, sends it events at a steady pace, and measures
// how long after the 200 of its request each order can be read with its credit.
func (s *suite) visibleCell(ctx context.Context, dir string) (c attributionCell, err error) {
	c = attributionCell{Name: "visible", Target: "p99 within 3 s of the 200 at 5 000 events/s"}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return c, fmt.Errorf("make directory: %w", err)
	}
	server, err := startConsole(ctx, dir)
	if server != nil {
		defer func() { err = errors.Join(err, server.stop(), os.RemoveAll(dir)) }()
	}
	if err != nil {
		return c, err
	}
	v, err := s.visibility(ctx, server, dir)
	if v != nil {
		defer func() { err = errors.Join(err, v.close()) }()
	}
	if err != nil {
		return c, err
	}
	if err := v.clicks(ctx); err != nil {
		return c, err
	}
	parts := map[string]*processTime{agent: {pid: v.agent.Process().PID()}, "aggregator": {pid: server.program.Process().PID()},
		"ClickHouse": {pid: server.core.clickHouse.Process().PID()}}
	for _, p := range parts {
		if err := p.mark(); err != nil {
			return c, err
		}
	}
	client := ownCPU()
	duration := max(4*s.duration, 10*time.Second)
	var wg sync.WaitGroup
	looking, done := context.WithCancel(ctx)
	var lookFault error
	wg.Go(func() { lookFault = v.look(looking) })
	sendFault := v.send(ctx, duration)
	cores := fmt.Sprintf("the load %.2f", (ownCPU()-client).Seconds()/duration.Seconds())
	for _, name := range []string{agent, "aggregator", "ClickHouse"} {
		used, fault := parts[name].since()
		sendFault = errors.Join(sendFault, fault)
		cores += fmt.Sprintf(", %s %.2f", name, used.Seconds()/duration.Seconds())
	}
	v.await(ctx)
	done()
	wg.Wait()
	if err := errors.Join(sendFault, lookFault); err != nil {
		return c, err
	}
	v.report(&c, duration)
	c.Note += "; cores used: " + cores
	return c, nil
}

// report fills the cell in.
func (v *visibility) report(c *attributionCell, duration time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c.Conversions, c.Seconds = int(v.latency.total), duration.Seconds()
	c.PerSecond = float64(c.Conversions) / duration.Seconds()
	c.P50, c.P99, c.Max = milliseconds(v.latency.quantile(0.5)), milliseconds(v.latency.quantile(0.99)), milliseconds(v.latency.max)
	c.Met = len(v.sent) == 0 && v.failed == 0 && c.P99 <= 3000
	c.Note = fmt.Sprintf("%.0f events/s were taken; %d requests failed, %d orders were never seen; looked for every %s",
		float64(v.taken*visibleRequest)/duration.Seconds(), v.failed, len(v.sent), visibleLook)
}

// visibility is the running system and the orders sent to it.
type visibility struct {
	agent     *children.Program
	admin     string // address of its admin listener
	url       string
	clientKey string
	serverKey string
	app       string
	conn      chdriver.Conn

	mu      sync.Mutex
	sent    map[string]time.Time // orders with a 200 that were not seen yet
	latency histogram
	taken   int // requests
	failed  int
}

// visibility starts an agent and enrols it with the aggregator.
func (s *suite) visibility(ctx context.Context, server *server, dir string) (*visibility, error) {
	v := &visibility{app: server.core.app, sent: make(map[string]time.Time)}
	var token struct {
		Token string `json:"token"`
	}
	if err := server.call(ctx, server.core.token, "agents/enrollment-tokens", map[string]string{"name": "bench", "region": "bench"}, &token); err != nil {
		return nil, err
	}
	for kind, key := range map[string]*string{"client": &v.clientKey, "server": &v.serverKey} {
		var made struct {
			Key string `json:"key"`
		}
		if err := server.call(ctx, server.core.token, "apps/"+v.app+"/keys", map[string]string{"kind": kind, "name": kind}, &made); err != nil {
			return nil, err
		}
		*key = made.Key
	}
	program := s.program
	if program == "" {
		var err error
		if program, err = build(ctx, dir, agent); err != nil {
			return nil, err
		}
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	v.url, v.admin = "http://"+listen.String(), admin.String()
	ready := &visibilityProbe{v}
	v.agent = &children.Program{
		Command: children.Command{Name: agent, Path: program, Args: []string{"run"}, Log: filepath.Join(dir, "agent.log"), StopTimeout: 15 * time.Second,
			Env: []string{"UNMOGROWP_DATA_DIR=" + filepath.Join(dir, "agent-data"), "UNMOGROWP_LISTEN=" + listen.String(), "UNMOGROWP_ADMIN_LISTEN=" + admin.String(),
				"UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_AGGREGATORS=" + server.core.agents, "UNMOGROWP_REGION=bench", "UNMOGROWP_BALLAST=0",
				"UNMOGROWP_ADDRESS_RATE=0", "UNMOGROWP_KEY_RATE=0", "UNMOGROWP_ENROLL_TOKEN=" + token.Token, "UNMOGROWP_LOG_LEVEL=warn"}},
		Ready: ready.ask,
	}
	if err := v.agent.Start(ctx); err != nil {
		return v, err
	}
	options, err := clickhouse.ParseDSN(server.core.clickHouse.DSN("unmogrowp"))
	if err != nil {
		return v, err
	}
	v.conn, err = clickhouse.Open(options)
	return v, err
}

// visibilityProbe succeeds when the agent knows the app's keys.
type visibilityProbe struct{ v *visibility }

func (p *visibilityProbe) ask(ctx context.Context) error {
	_, err := p.v.post(ctx, "/v1/track", p.v.clientKey, []byte(`{"type":"track","event":"Probe","anonymousId":"probe","messageId":"probe"}`))
	return err
}

func (v *visibility) close() error {
	var errs [2]error
	if v.conn != nil {
		errs[0] = v.conn.Close()
	}
	if v.agent != nil {
		errs[1] = v.agent.Stop()
	}
	return errors.Join(errs[:]...)
}

// post sends a request and returns when its 200 was read.
func (v *visibility) post(ctx context.Context, path, key string, body []byte) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url+path, bytes.NewReader(body))
	if err != nil {
		return time.Time{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(key+":")))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s answers %s: %.300s", path, resp.Status, answer)
	}
	return time.Now(), err
}

// clicks has everybody click twice, some days ago and by the device alone.
func (v *visibility) clicks(ctx context.Context) error {
	for first := 0; first < visiblePeople; first += 500 {
		var b bytes.Buffer
		b.WriteString(`{"touches":[`)
		for person := first; person < first+500; person++ {
			for n, source := range []string{"google", "meta"} {
				if b.Len() > 20 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"kind":"click","time":%q,"media_source":%q,"campaign":"bench","keys":{"device_id":"device-%d"}}`,
					time.Now().Add(-time.Duration(n+1)*36*time.Hour).UTC().Format(time.RFC3339), source, person)
			}
		}
		b.WriteString(`]}`)
		if _, err := v.post(ctx, "/v1/s2s/touch", v.serverKey, b.Bytes()); err != nil {
			return err
		}
	}
	for range 100 { // until they are stored
		var n uint64
		if err := v.conn.QueryRow(ctx, "SELECT count() FROM touches WHERE app_id = ?", v.app).Scan(&n); err != nil {
			return fmt.Errorf("count clicks: %w", err)
		}
		if n >= 2*visiblePeople {
			return nil
		}
		if err := daemon.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the clicks were not stored within 20 s")
}

// send sends requests at the pace, each when it is due, whatever became of the others.
func (v *visibility) send(ctx context.Context, duration time.Duration) error {
	now := time.Now()
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 2))
	g := &events{random: random, users: rand.NewZipf(random, 1.1, 20, 200_000), now: now, run: random.Uint32()}
	count := int(duration.Seconds() * visibleEvents / visibleRequest)
	every := time.Second * visibleRequest / visibleEvents
	tick := time.NewTicker(every)
	defer tick.Stop()
	limit := make(chan struct{}, 64) // requests under way
	next := uint64(0)
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range count {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		body, id := g.orderAmong(visibleRequest, i, &next)
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			at, err := v.post(ctx, "/v1/batch", v.clientKey, body)
			v.mu.Lock()
			defer v.mu.Unlock()
			if err != nil {
				v.failed++
				return
			}
			v.taken++
			v.sent[id] = at
		})
	}
	return nil
}

// orderAmong is a batch of n events that ends with an order; the order's id is returned.
func (g *events) orderAmong(n, number int, next *uint64) ([]byte, string) {
	var b bytes.Buffer
	b.WriteString(`{"batch":[`)
	var ids []int
	for range n - 1 {
		ids = g.event(&b, ids, g.kind())
		b.WriteByte(',')
	}
	t := template{bytes: b.Bytes(), ids: ids}
	body := t.fill(nil, next)
	id := fmt.Sprintf("order-%08x-%d", g.run, number)
	person := number % visiblePeople
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Appendf(body, `{"type":"track","event":"Order Completed","messageId":%q,"userId":"buyer-%d","anonymousId":"anonymous-%d",
"context":{"device":{"id":"device-%d"}},"timestamp":%q,"properties":{"revenue":19.95,"currency":"EUR"}}],"sentAt":%q}`, id, person, person, person, now, now), id
}

// look looks again and again which orders can be read with their credit.
func (v *visibility) look(ctx context.Context) error {
	tick := time.NewTicker(visibleLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := v.lookOnce(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("look for orders: %w", err)
		}
	}
}

func (v *visibility) lookOnce(ctx context.Context) error {
	v.mu.Lock()
	ids := make([]string, 0, len(v.sent))
	for id := range v.sent {
		ids = append(ids, id)
	}
	v.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	rows, err := v.conn.Query(context.WithoutCancel(ctx), `SELECT conversion_id FROM attributions
WHERE app_id = ? AND conversion_id IN ? AND length(touches_id) = 2 AND arraySum(credit_linear) = 1000000`, v.app, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if at, ok := v.sent[id]; ok {
			v.latency.add(seen.Sub(at))
			delete(v.sent, id)
		}
	}
	return rows.Err()
}

// await waits until every order was seen, or long enough.
func (v *visibility) await(ctx context.Context) {
	tick := time.NewTicker(visibleLook)
	defer tick.Stop()
	end := time.Now().Add(visiblePause)
	for time.Now().Before(end) && ctx.Err() == nil {
		v.mu.Lock()
		left := len(v.sent)
		v.mu.Unlock()
		if left == 0 {
			return
		}
		<-tick.C
	}
}
