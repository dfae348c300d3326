package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const agent = "agent" // beside bare and parse

// reads is the size of requests that send no events but read an answer.
const reads = 0

// size is a number of events in each request, and how many connections send them.
type size struct{ events, connections int }

func sizes() []size { return []size{{1, 256}, {100, 64}, {500, 32}, {reads, 64}} }

func (s size) String() string {
	if s.events == reads {
		return "read"
	}
	return strconv.Itoa(s.events)
}

// targets are who is measured with a size.
func (s size) targets() []string {
	if s.events == reads {
		return []string{bare, console}
	}
	return []string{bare, parse, agent}
}

// suite measures all targets with all sizes, one target after the other for each size, so that
// what slows the machine for a while slows them alike.
type suite struct {
	options
	dir     string
	log     io.Writer
	results results
}

func (s *suite) run(ctx context.Context) (*results, error) {
	s.results.Started, s.results.Seconds = time.Now().UTC().Truncate(time.Second), s.duration.Seconds()
	var err error
	if s.results.Machine, err = thisMachine(s.dir); err != nil {
		return nil, err
	}
	for _, size := range sizes() {
		if s.connections != 0 {
			size.connections = s.connections
		}
		for _, target := range size.targets() {
			name := target + "/" + size.String()
			if !wanted(name, s.only) {
				continue
			}
			c, err := s.cell(ctx, target, name, size)
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", name, err)
			}
			s.results.Cells = append(s.results.Cells, c)
		}
	}
	if wanted(agent+"/"+ship, s.only) {
		if s.results.Ship, err = s.shipCell(ctx); err != nil {
			return nil, fmt.Errorf("measure %s: %w", ship, err)
		}
	}
	if err := s.trials(ctx); err != nil {
		return nil, err
	}
	if err := s.attributions(ctx); err != nil {
		return nil, err
	}
	if err := s.pipelines(ctx); err != nil {
		return nil, err
	}
	if s.results.empty() {
		return nil, fmt.Errorf("there is no cell %q: name a target (bare, parse, agent, console), a size (1, 100, 500, read), both (agent/100), ship, cutoff, abuse, pipeline, or attribution/ with engine, visible, stored or what-if; several with commas", s.only)
	}
	s.results.compare()
	return &s.results, nil
}

// wanted says whether a cell is among those asked for: all, or a target's, a size's or the one for one of
// the names between commas.
func wanted(name, only string) bool {
	if only == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(only, ","), func(one string) bool {
		one = strings.Trim(strings.TrimSpace(one), "/")
		return one != "" && (name == one || strings.HasPrefix(name, one+"/") || strings.HasSuffix(name, "/"+one))
	})
}

// cell measures one target with one size: at full speed, and paced at half of that.
func (s *suite) cell(ctx context.Context, target, name string, size size) (c cell, err error) {
	fmt.Fprintf(s.log, "%-10s ", name)
	dir := filepath.Join(s.dir, strings.ReplaceAll(name, "/", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, fmt.Errorf("make directory: %w", err)
	}
	settle()
	server, err := s.start(ctx, target, dir)
	defer func() {
		if server == nil {
			return
		}
		if stopErr := server.stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop: %w", stopErr)
		}
		_ = os.RemoveAll(dir) // gone with the rest at the latest
	}()
	if err != nil {
		return c, err
	}
	c = cell{Target: target, Events: size.events, Connections: size.connections}
	l := &load{server: server.address, templates: server.templates(size), connections: size.connections, warmup: s.warmup, duration: s.duration}
	c.EventBytes = eventBytes(l.templates)
	if err := s.full(ctx, server, l, &c); err != nil {
		return c, err
	}
	fmt.Fprintf(s.log, "%12s events/s ", group(c.EventsPerSecond))
	if err := s.half(ctx, l, &c); err != nil {
		return c, err
	}
	peak, err := server.peak()
	c.PeakMB = float64(peak>>10) / 1024
	fmt.Fprintf(s.log, "  p99 at half of it %8.3f ms\n", c.HalfP99)
	return c, err
}

// needAgent builds the agent if nobody gave one.
func (s *suite) needAgent(ctx context.Context) (err error) {
	if s.program == "" {
		s.program, err = build(ctx, s.dir, agent)
	}
	return err
}

func (s *suite) start(ctx context.Context, target, dir string) (*server, error) {
	switch target {
	case agent:
		if err := s.needAgent(ctx); err != nil {
			return nil, err
		}
		return startAgent(ctx, s.program, dir)
	case console:
		return startConsole(ctx, dir)
	}
	return startBaseline(ctx, target, dir)
}

// templates are the requests of a size: events, or the read that the server was prepared for.
func (s *server) templates(size size) []template {
	if size.events != reads {
		return templates(size.events, pool, writeKey, time.Now())
	}
	if s.request == nil {
		return []template{{bytes: []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")}}
	}
	return []template{{bytes: s.request}}
}

// eventBytes is the average size of an event, with its share of the batch around it.
func eventBytes(list []template) int {
	bytes, events := 0, 0
	for _, t := range list {
		bytes += len(t.bytes) - strings.Index(string(t.bytes), "\r\n\r\n") - 4
		events += t.events
	}
	return bytes / max(events, 1)
}

// full measures at full speed.
func (s *suite) full(ctx context.Context, server *server, l *load, c *cell) error {
	var before, client time.Duration
	var failed error
	var group errgroup.Group
	o, err := l.run(ctx, func() {
		before, failed = server.cpu()
		client = ownCPU()
		if s.profile != "" && server.admin != "" {
			group.Go(func() error { return s.saveProfile(ctx, server, c) })
		}
	})
	if err != nil || failed != nil {
		return firstError(err, failed)
	}
	after, err := server.cpu()
	if err != nil {
		return err
	}
	client = ownCPU() - client
	if err := group.Wait(); err != nil {
		return err
	}
	seconds := l.duration.Seconds()
	c.Requests, c.Failed, c.Failure = o.requests, o.failed, o.failure
	count := float64(o.requests) * float64(max(c.Events, 1))
	c.EventsPerSecond = count / seconds
	c.P50, c.P99, c.Max = milliseconds(o.latency.quantile(0.5)), milliseconds(o.latency.quantile(0.99)), milliseconds(o.latency.max)
	if cpu := (after - before).Seconds(); cpu > 0 {
		c.EventsPerCPUSecond = count / cpu
		c.ServerCores = cpu / seconds
	}
	c.ClientCores = client.Seconds() / seconds
	return nil
}

// half measures how long answers take at half of the full speed.
func (s *suite) half(ctx context.Context, l *load, c *cell) error {
	if c.Requests == 0 {
		return fmt.Errorf("not one request was taken: %.300q", c.Failure)
	}
	l.rate, l.next = float64(c.Requests)/l.duration.Seconds()/2, 1<<40
	o, err := l.run(ctx, func() {})
	if err != nil {
		return err
	}
	c.HalfP50, c.HalfP99, c.HalfMax = milliseconds(o.latency.quantile(0.5)), milliseconds(o.latency.quantile(0.99)), milliseconds(o.latency.max)
	c.HalfFailed = o.failed
	c.HalfKept = o.late < 100*time.Millisecond
	return nil
}

// saveProfile keeps a CPU profile of the program of the time that is measured, and what its heap
// held at the end of it.
func (s *suite) saveProfile(ctx context.Context, server *server, c *cell) error {
	if err := os.MkdirAll(s.profile, 0o755); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	seconds := max(int(s.duration.Seconds()), 1)
	for _, p := range []struct{ path, name string }{
		{fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), "cpu"},
		{"/debug/pprof/heap", "heap"},
	} {
		data, err := server.ask(ctx, p.path)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		if err := os.WriteFile(filepath.Join(s.profile, fmt.Sprintf("%s-%s-%s.prof", c.Target, size{events: c.Events}, p.name)), data, 0o644); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
	}
	return nil
}

// profileSelf keeps a CPU profile of this program until the function that it returns is called.
func (s *suite) profileSelf(name string) (stop func() error, err error) {
	if s.profile == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(s.profile, 0o755); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	f, err := os.Create(filepath.Join(s.profile, name+"-cpu.prof"))
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// ownCPU is the CPU time of this process: the cost of the load.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
