package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// ship is the cell beside the sizes of requests: an agent at rest, with a backlog,
// and when it hands that over.
const ship = "ship"

const (
	rest        = 3 * time.Second // until an agent that was started has come to rest
	shipTimeout = 2 * time.Minute
	fillTimeout = 90 * time.Second
)

// shipment holds the measurements of that cell.
type shipment struct {
	StartMs      ms      `json:"start_ms"`         // from the start of the process until it is ready, without a backlog
	IdleMB       float64 `json:"idle_resident_mb"` // at rest, likewise
	BacklogMB    float64 `json:"backlog_mb"`       // of blocks
	Events       int64   `json:"backlog_events"`
	BacklogStart ms      `json:"backlog_start_ms"` // with it: every block has been read and checked
	BacklogIdle  float64 `json:"backlog_idle_resident_mb"`

	EventsPerSecond    float64 `json:"events_per_second"`
	MBPerSecond        float64 `json:"mb_per_second"`
	BlocksPerSecond    float64 `json:"blocks_per_second"`
	EventsPerCPUSecond float64 `json:"events_per_agent_cpu_second"`
	AgentCores         float64 `json:"agent_cores"`
	SinkCores          float64 `json:"sink_cores"`
	PeakMB             float64 `json:"peak_resident_mb"` // while shipping
}

// shipCell fills an agent, starts it again, and lets it ship to a sink.
func (s *suite) shipCell(ctx context.Context) (*shipment, error) {
	fmt.Fprintf(s.log, "%-10s ", agent+"/"+ship)
	dir := filepath.Join(s.dir, ship)
	defer func() { _ = os.RemoveAll(dir) }()
	if err := s.needAgent(ctx); err != nil {
		return nil, err
	}
	ca, err := newAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	if err := prepareAgent(dir, ca); err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") // answers nobody until the sink serves
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	out := &shipment{}
	if err := s.fillAgent(ctx, dir, conn.LocalAddr().String(), out); err != nil {
		return nil, err
	}
	settle()
	server, took, err := s.timedStart(ctx, dir, conn.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.program.Stop() }()
	out.BacklogStart = took
	if out.BacklogIdle, err = server.restingMB(ctx); err != nil {
		return nil, err
	}
	err = s.drain(ctx, server, conn, ca, out)
	fmt.Fprintf(s.log, "%12s events/s to a sink, start with %.0f MB in %.0f ms\n", group(out.EventsPerSecond), out.BacklogMB, float64(out.BacklogStart))
	return out, err
}

// timedStart starts the agent and says how long it took until it was ready.
func (s *suite) timedStart(ctx context.Context, dir, aggregator string) (*server, ms, error) {
	began := time.Now()
	server, err := launchAgent(ctx, s.program, dir, aggregator)
	return server, milliseconds(time.Since(began)), err
}

// fillAgent measures an agent at rest and then sends it events until it has the backlog that is wanted.
func (s *suite) fillAgent(ctx context.Context, dir, aggregator string, out *shipment) (err error) {
	server, took, err := s.timedStart(ctx, dir, aggregator)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, server.program.Stop()) }()
	out.StartMs = took
	if out.IdleMB, err = server.restingMB(ctx); err != nil {
		return err
	}
	l := &load{server: server.address, templates: templates(500, pool, writeKey, time.Now()), connections: 32, duration: time.Second}
	for began := time.Now(); time.Since(began) < fillTimeout; l.next += 1 << 32 {
		if o, err := l.run(ctx, func() {}); err != nil {
			return err
		} else if o.requests == 0 {
			return fmt.Errorf("not one request was taken: %.300q", o.failure)
		}
		if err := server.backlog(ctx, out); err != nil {
			return err
		}
		if out.BacklogMB >= float64(s.backlogMB) {
			break
		}
	}
	return nil
}

// backlog asks the agent what waits in its buffer.
func (s *server) backlog(ctx context.Context, out *shipment) error {
	raw, err := s.ask(ctx, "/status")
	if err != nil {
		return err
	}
	var status struct {
		Buffer struct {
			Events int64 `json:"queued_events"`
			Bytes  int64 `json:"queued_bytes"`
		} `json:"buffer"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	out.Events, out.BacklogMB = status.Buffer.Events, float64(status.Buffer.Bytes)/1e6
	return nil
}

// restingMB is the resident memory a while after the start.
func (s *server) restingMB(ctx context.Context) (float64, error) {
	if err := daemon.Sleep(ctx, rest); err != nil {
		return 0, err
	}
	bytes, err := s.resident()
	return float64(bytes>>10) / 1024, err
}

// drain serves the sink until it has everything.
func (s *suite) drain(ctx context.Context, server *server, conn net.PacketConn, ca *authority, out *shipment) error {
	serving, stop := context.WithTimeout(ctx, shipTimeout)
	defer stop()
	var k sink
	var parts errgroup.Group
	parts.Go(func() error { return k.serve(serving, conn, ca) })
	before, err := server.cpu()
	if err != nil {
		return err
	}
	client := ownCPU()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for k.events.Load() < out.Events && serving.Err() == nil {
		select {
		case <-tick.C:
		case <-serving.Done():
		}
	}
	after, err := server.cpu()
	client = ownCPU() - client
	peak, peakErr := server.peak()
	incomplete := serving.Err()
	stop()
	_ = parts.Wait() // ends with ctx, which says nothing new
	if err := firstError(err, peakErr); err != nil {
		return err
	}
	if incomplete != nil {
		return fmt.Errorf("ship: %d of %d events arrived within %s", k.events.Load(), out.Events, shipTimeout)
	}
	seconds := time.Duration(k.last.Load() - k.first.Load()).Seconds()
	out.EventsPerSecond, out.MBPerSecond = float64(k.events.Load())/seconds, float64(k.bytes.Load())/1e6/seconds
	out.BlocksPerSecond = float64(k.blocks.Load()) / seconds
	out.PeakMB = float64(peak>>10) / 1024
	out.AgentCores, out.SinkCores = (after-before).Seconds()/seconds, client.Seconds()/seconds
	out.EventsPerCPUSecond = float64(k.events.Load()) / max((after-before).Seconds(), 0.01)
	return nil
}

// shipHeader are the columns of the shipment, and row their values.
func shipHeader() []string {
	return []string{"start ms", "idle MB", "backlog MB", "events", "start ms with it", "idle MB with it", "shipped events/s", "MB/s", "blocks/s", "events/agent CPU-s", "agent cores", "sink cores", "peak MB"}
}

func (m *shipment) row() []string {
	whole := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	return []string{whole(float64(m.StartMs)), whole(m.IdleMB), whole(m.BacklogMB), group(float64(m.Events)), whole(float64(m.BacklogStart)), whole(m.BacklogIdle),
		group(m.EventsPerSecond), whole(m.MBPerSecond), whole(m.BlocksPerSecond), group(m.EventsPerCPUSecond), fmt.Sprintf("%.2f", m.AgentCores),
		fmt.Sprintf("%.2f", m.SinkCores), whole(m.PeakMB)}
}

// shipTable prints the shipment for people.
func (m *shipment) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nThe agent at rest, with a backlog, and handing it over to a sink (QUIC, mutual TLS):\n")
	for i, name := range shipHeader() {
		fmt.Fprintf(t, "%s\t%s\t\n", name, m.row()[i])
	}
	return t.Flush()
}
