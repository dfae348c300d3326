package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// engineCell attributes a conversion with four touches again and again, on one core.
func engineCell(duration time.Duration) attributionCell {
	const day = attribution.Day
	conversion := attribution.Conversion{ID: "c", App: benchApp, Time: 100 * day, Received: 100 * day, Revenue: 140_000_000, HasRevenue: true,
		Keys: []string{"anon:0f8fad5b-d9cb-469f-a165-70867728950e", "device:7c9e6679-7425-40de-944b-e07fc1f90ae7", "user:4711"}}
	var in attribution.Inputs
	for i := range int64(touchesPerPerson) {
		at := conversion.Time - (touchesPerPerson-i)*29*day/(touchesPerPerson+1) - i*7919
		in.Touches = append(in.Touches, attribution.Touch{ID: fmt.Sprintf("018f-%04d", i), App: benchApp, Time: at, Received: at, Kind: attribution.Click,
			MediaSource: "google", Keys: conversion.Keys[i%3 : i%3+1]})
	}
	settings := attribution.Default()
	var engine attribution.Engine
	var result attribution.Result
	c := attributionCell{Name: "engine", Target: "1 000 000/s on a core"}
	cpu, began := ownCPU(), time.Now()
	for time.Since(began) < duration {
		for range 10_000 {
			engine.Attribute(&result, &conversion, &in, &settings)
		}
		c.Conversions += 10_000
	}
	c.cost(time.Since(began), ownCPU()-cpu, 0)
	c.Met = c.OnTwoCores/2 >= 1_000_000
	return c
}

// marks are watermarks for an attributor that does not sweep.
type marks struct{}

func (marks) Watermark(context.Context, string) (time.Time, error)         { return time.Now(), nil }
func (marks) SetWatermark(context.Context, string, time.Time, int64) error { return nil }
func (marks) Lease(context.Context, string, string, time.Duration) (int64, bool, error) {
	return 0, false, nil
}

const (
	storedChunk   = 20_000  // conversions that an aggregator takes together when it has so many
	storedMost    = 200_000 // of the stored conversions are attributed
	storedWorkers = 2       // as an aggregator has
)

// recomputeCell attributes conversions that were never attributed, as an aggregator does with what
// was just stored: with their identity links, which may reach other conversions.
func (s *suite) recomputeCell(ctx context.Context, server *server, p *population) (attributionCell, error) {
	c := attributionCell{Name: "stored", Target: "10 000/s on 2 cores"}
	store, err := warehouse.Open(ctx, warehouse.Options{DSN: server.core.clickHouse.DSN("unmogrowp")})
	if err != nil {
		return c, err
	}
	defer store.Close()
	settings := attribution.Default()
	a, err := recompute.New(recompute.Options{Store: store, Feed: store, Watermarks: marks{}, Owner: "bench",
		Settings: func(string, int64) *attribution.Settings { return &settings }})
	if err != nil {
		return c, err
	}
	var chunks []attribution.Facts
	for first := 0; first < min(s.people, storedMost); first += storedChunk {
		facts, err := p.facts(ctx, first, min(storedChunk, s.people-first))
		if err != nil {
			return c, err
		}
		chunks = append(chunks, facts)
	}
	database := &processTime{pid: server.core.clickHouse.Process().PID()}
	here, there, err := ownCPU(), time.Duration(0), database.mark()
	if err != nil {
		return c, err
	}
	stop, err := s.profileSelf("stored")
	if err != nil {
		return c, err
	}
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	var faults [storedWorkers]error
	written := make([]int, storedWorkers)
	for i := range storedWorkers {
		wg.Go(func() {
			for faults[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(chunks) {
					return
				}
				var wrote int
				wrote, faults[i] = a.Recompute(ctx, &chunks[n])
				written[i] += wrote
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	here = ownCPU() - here
	if err := stop(); err != nil {
		return c, err
	}
	if there, err = database.since(); err != nil {
		return c, err
	}
	for i := range storedWorkers {
		c.Conversions += written[i]
	}
	c.cost(took, here, there)
	c.Met = c.PerSecond >= 10_000
	c.Note = fmt.Sprintf("%d touch keys stored, 3 keys a conversion", s.keys)
	return c, firstError(faults[:]...)
}

// whatIfCell has the aggregator's command attribute all conversions under other settings.
func (s *suite) whatIfCell(ctx context.Context, server *server, p *population, dir string) (attributionCell, error) {
	c := attributionCell{Name: "what-if", Conversions: s.people, Target: "1 000 000 in 60 s"}
	file := filepath.Join(dir, "settings.json")
	text, err := json.Marshal(map[string]any{"lookback_ms": 10 * attribution.Day, "half_life_ms": attribution.Day})
	if err != nil {
		return c, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return c, err
	}
	database := &processTime{pid: server.core.clickHouse.Process().PID()}
	if err := database.mark(); err != nil {
		return c, err
	}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	cmd := exec.CommandContext(ctx, server.core.program, "backfill", "--app", p.app, "--from", at(p.from), "--to", at(p.from+32*attribution.Day),
		"--what-if", "bench", "--settings", file)
	cmd.Env = append(os.Environ(), server.core.env...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return c, fmt.Errorf("aggregator backfill: %w: %s", err, out)
	}
	there, err := database.since()
	if err != nil {
		return c, err
	}
	c.cost(took, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), there)
	c.Met = c.PerSecond*60 >= 1_000_000
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.Note = fmt.Sprintf("the aggregator's command had %d MB of memory at most", usage.Maxrss>>10)
	}
	if !strings.Contains(string(out), "linear") {
		return c, fmt.Errorf("the what-if tells of no model: %.300q", out)
	}
	return c, nil
}

// processTime is the CPU time of another process since a mark.
type processTime struct {
	pid    int
	before time.Duration
}

func (p *processTime) read() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return parseStat(data)
}

func (p *processTime) mark() (err error) {
	p.before, err = p.read()
	return err
}

func (p *processTime) since() (time.Duration, error) {
	now, err := p.read()
	return now - p.before, err
}
