package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// attributed are the cells about attribution.
const attributed = "attribution"

// attributionCell is one of them.
type attributionCell struct {
	Name        string  `json:"name"`
	Conversions int     `json:"conversions"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"conversions_per_second"`

	// The cost of a conversion, and how many two cores do that have nothing else to do. Where
	// others use the machine too this says more than the time that went by.
	AggregatorMicros float64 `json:"aggregator_cpu_us,omitempty"`
	ClickHouseMicros float64 `json:"clickhouse_cpu_us,omitempty"`
	OnTwoCores       float64 `json:"conversions_per_second_on_two_idle_cores,omitempty"`

	P50 ms `json:"visible_p50_ms,omitempty"`
	P99 ms `json:"visible_p99_ms,omitempty"`
	Max ms `json:"visible_max_ms,omitempty"`

	Target string `json:"target"`
	Met    bool   `json:"met"`
	Note   string `json:"note,omitempty"`
}

// attributions measures the cells about attribution that are asked for.
func (s *suite) attributions(ctx context.Context) error {
	dir := filepath.Join(s.dir, attributed)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	asked := func(name string) bool { return wanted(attributed+"/"+name, s.only) }
	if asked("engine") {
		s.addAttribution(engineCell(s.duration))
	}
	if asked("visible") {
		c, err := s.visibleCell(ctx, filepath.Join(dir, "visible"))
		if err != nil {
			return fmt.Errorf("measure visibility: %w", err)
		}
		s.addAttribution(c)
	}
	if asked("stored") || asked("what-if") {
		if err := s.storedCells(ctx, filepath.Join(dir, "stored"), asked); err != nil {
			return fmt.Errorf("measure attribution of stored conversions: %w", err)
		}
	}
	return nil
}

func (s *suite) addAttribution(c attributionCell) {
	fmt.Fprintf(s.log, "%-20s %12s conversions/s, %s\n", attributed+"/"+c.Name, group(c.PerSecond), c.Target)
	s.results.Attribution = append(s.results.Attribution, c)
}

// storedCells attribute conversions that lie in a large ClickHouse.
func (s *suite) storedCells(ctx context.Context, dir string, asked func(string) bool) (err error) {
	if s.keep != "" {
		if dir, err = filepath.Abs(s.keep); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	server, p, err := s.openStored(ctx, dir)
	defer func() {
		if p != nil {
			err = errors.Join(err, p.close())
		}
		if server != nil {
			err = errors.Join(err, server.stop())
		}
		if s.keep == "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err != nil {
		return err
	}
	if asked("stored") {
		c, err := s.recomputeCell(ctx, server, p)
		if err != nil {
			return err
		}
		s.addAttribution(c)
	}
	if asked("what-if") {
		c, err := s.whatIfCell(ctx, server, p, dir)
		if err != nil {
			return err
		}
		s.addAttribution(c)
	}
	return nil
}

// cost fills in the costs of a cell's conversions.
func (c *attributionCell) cost(took, here, clickHouse time.Duration) {
	n := float64(max(c.Conversions, 1))
	c.Seconds, c.PerSecond = took.Seconds(), n/took.Seconds()
	c.AggregatorMicros, c.ClickHouseMicros = here.Seconds()*1e6/n, clickHouse.Seconds()*1e6/n
	if each := c.AggregatorMicros + c.ClickHouseMicros; each > 0 {
		c.OnTwoCores = 2e6 / each
	}
}

func attributionHeader() []string {
	return []string{"attribution", "conversions", "seconds", "conversions/s", "aggregator µs", "ClickHouse µs", "2 idle cores/s", "p50 ms", "p99 ms", "max ms", "target", "met"}
}

func (c *attributionCell) row() []string {
	number := func(v float64, digits int) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	met := "no"
	if c.Met {
		met = "yes"
	}
	return []string{c.Name, group(float64(c.Conversions)), number(c.Seconds, 1), group(c.PerSecond), number(c.AggregatorMicros, 2), number(c.ClickHouseMicros, 1),
		group(c.OnTwoCores), number(float64(c.P50), 0), number(float64(c.P99), 0), number(float64(c.Max), 0), c.Target, met}
}
