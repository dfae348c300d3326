// Command benchmarks measures how many events an agent takes a second, their cost, and how
// long a client waits for the answer that says its events are on disk.
//
// It runs the real agent binary, cut off from any aggregator, and beside it two baselines that
// store nothing: a bare net/http handler that reads the body, and one that also parses it. Each
// is a child process of its own; the load comes from one thread that costs as little as it can,
// since both share the machine. README.md beside this file says how to read the figures.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

func main() { daemon.Main("benchmarks", commands) }

// options are the flags of the suite.
type options struct {
	duration, warmup time.Duration
	connections      int // 0: by the size of the requests
	only             string
	asJSON           bool
	output           string
	profile          string
	dir              string
	program          string
	backlogMB        int
	cutoffEvents     int
	keep             string
	keys, people     int // generated for the cells about attribution
	pipelineEvents   int
}

func commands(root *cobra.Command) {
	var o options
	suite := daemon.Command("benchmarks", "", nil, func(ctx context.Context, std daemon.Streams, _ []string) error {
		return runSuite(ctx, std, o)
	})
	root.Short = "Measure the agent beside bare net/http"
	root.Args, root.RunE = suite.Args, suite.RunE
	data := os.Getenv("DATA_DIR")
	if data == "" {
		data = ".data"
	}
	f := root.Flags()
	f.DurationVar(&o.duration, "duration", 5*time.Second, "how long each cell is measured")
	f.DurationVar(&o.warmup, "warmup", time.Second, "how long a cell runs before it is measured")
	f.IntVar(&o.connections, "connections", 0, "connections at once (default 256, 64 and 32 for 1, 100 and 500 events a request)")
	f.StringVar(&o.only, "only", "", "run only these cells: a target, a size or both, such as agent, 100 or agent/100; ship is what an agent does with a backlog")
	f.BoolVar(&o.asJSON, "json", false, "print JSON instead of the table")
	f.StringVarP(&o.output, "output", "o", "", "also write the results to this `file`.json and, for people, file.md")
	f.StringVar(&o.profile, "profile", "", "save CPU and heap profiles of the agent in this `directory`")
	f.StringVar(&o.dir, "dir", data, "`directory` for the agents' data: on the disk that is to be measured")
	f.StringVar(&o.program, "agent", "", "measure this built agent `program`; without it one is built from the source")
	f.IntVar(&o.backlogMB, "backlog", 1000, "megabytes that the agent has on its disk before it ships them")
	f.IntVar(&o.cutoffEvents, "cutoff", 3600*liveRate, "events that an agent has in its buffer after it was cut off, for agent/cutoff")
	f.IntVar(&o.keys, "keys", 20_000_000, "touch keys to generate for attribution/stored and attribution/what-if")
	f.StringVar(&o.keep, "keep", "", "generate them in this `directory`, keep them, and use them again the next time")
	f.IntVar(&o.people, "conversions", 1_000_000, "conversions to generate for them")
	f.IntVar(&o.pipelineEvents, "events", 300_000, "events to send through the whole pipeline")
	root.AddCommand(targetCommand())
}

// Less than the agent's quota.
const (
	maxBacklogMB = 4000
	maxCutoff    = 40_000_000
)

// runSuite measures and reports.
func runSuite(ctx context.Context, std daemon.Streams, o options) error {
	if o.duration < 100*time.Millisecond || o.warmup < 0 {
		return daemon.Usagef("--duration must be at least 100ms and --warmup not negative")
	}
	if o.connections < 0 || o.connections > maxConnections {
		return daemon.Usagef("--connections is %d, 1 to %d are possible", o.connections, maxConnections)
	}
	if o.backlogMB < 1 || o.backlogMB > maxBacklogMB {
		return daemon.Usagef("--backlog is %d, 1 to %d megabytes are possible", o.backlogMB, maxBacklogMB)
	}
	if o.cutoffEvents < 1 || o.cutoffEvents > maxCutoff {
		return daemon.Usagef("--cutoff is %d, 1 to %d events are possible", o.cutoffEvents, maxCutoff)
	}
	if o.keys < 1 || o.people < 1 || o.keys > 1_000_000_000 || o.people > 100_000_000 {
		return daemon.Usagef("--keys must be 1 to 1000000000 and --conversions 1 to 100000000")
	}
	if o.pipelineEvents < pipelineRequest || o.pipelineEvents > 10_000_000 {
		return daemon.Usagef("--events is %d, %d to 10000000 are possible", o.pipelineEvents, pipelineRequest)
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	dir, err := os.MkdirTemp(o.dir, "bench-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // only figures are kept
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	s := &suite{options: o, dir: dir, log: std.Err}
	results, err := s.run(ctx)
	if err != nil {
		return err
	}
	if o.output != "" {
		if err := results.write(o.output); err != nil {
			return err
		}
	}
	if o.asJSON {
		return results.encode(std.Out)
	}
	return results.table(std.Out)
}
