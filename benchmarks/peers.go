package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// peer is what something comparable did.
type peer struct {
	name           string
	one, many, lot float64 // events a second at 1, 100 and 500 events a request
}

// peers were measured with events of 440 bytes on a two-core machine with the load beside them.
// They are context, not part of the run: another machine, and not all of them do as much.
func peers() []peer {
	return []peer{
		{"OpenTelemetry Collector, persistent queue, fsync", 1_400, 49_000, 79_000},
		{"NATS JetStream, sync always, opaque bytes", 3_200, 220_000, 550_000},
		{"nsqd, fsync on every write", 900, 1_000, 800},
		{"vlagent, no fsync", 6_300, 264_000, 413_000},
		{"Benthos to a file, no fsync", 26_000, 340_000, 510_000},
	}
}

// peerTable prints them.
func peerTable(w io.Writer) error {
	fmt.Fprintf(w, "\nFor context, events/s of others on a two-core machine (not this run), at 1, 100 and 500 events a request:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, p := range peers() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", p.name, group(p.one), group(p.many), group(p.lot))
	}
	return t.Flush()
}
