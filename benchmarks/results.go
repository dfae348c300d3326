package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// results are the measurements of one run of the suite.
type results struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds_per_cell"`
	Machine machine   `json:"machine"`
	Cells   []cell    `json:"cells,omitempty"`

	Ship        *shipment         `json:"ship,omitempty"`
	Trials      []trial           `json:"trials,omitempty"`
	Attribution []attributionCell `json:"attribution,omitempty"`
	Pipeline    []pipelineCell    `json:"pipeline,omitempty"`
}

// cell is one target under one kind of load.
type cell struct {
	Target      string `json:"target"`
	Events      int    `json:"events_per_request"` // 0: a read
	EventBytes  int    `json:"bytes_per_event"`
	Connections int    `json:"connections"`

	EventsPerSecond    float64 `json:"events_per_second"`
	EventsPerCPUSecond float64 `json:"events_per_server_cpu_second"`
	P50                ms      `json:"ack_p50_ms"`
	P99                ms      `json:"ack_p99_ms"`
	Max                ms      `json:"ack_max_ms"`
	HalfP50            ms      `json:"half_load_ack_p50_ms"`
	HalfP99            ms      `json:"half_load_ack_p99_ms"`
	HalfMax            ms      `json:"half_load_ack_max_ms"`
	HalfKept           bool    `json:"half_load_pace_kept"`
	PeakMB             float64 `json:"peak_resident_mb"`
	ServerCores        float64 `json:"server_cores"`
	ClientCores        float64 `json:"client_cores"`
	OfBare             float64 `json:"of_bare,omitempty"` // events a second, as a part of the bare handler's

	Requests   uint64 `json:"requests"`
	Failed     uint64 `json:"failed"`
	HalfFailed uint64 `json:"half_load_failed"`
	Failure    string `json:"failure,omitempty"`
}

// empty says whether nothing was measured.
func (r *results) empty() bool {
	return len(r.Cells)+len(r.Trials)+len(r.Attribution)+len(r.Pipeline) == 0 && r.Ship == nil
}

// compare relates each cell to the bare one of the same size.
func (r *results) compare() {
	base := map[int]float64{}
	for _, c := range r.Cells {
		if c.Target == bare {
			base[c.Events] = c.EventsPerSecond
		}
	}
	for i := range r.Cells {
		if b := base[r.Cells[i].Events]; b > 0 {
			r.Cells[i].OfBare = r.Cells[i].EventsPerSecond / b
		}
	}
}

func (r *results) encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// header are the columns, and row a cell's.
func header() []string {
	return []string{"events/request", "target", "events or reads/s", "of bare", "a CPU-s", "p50 ms", "p99 ms", "max ms", "half p50", "half p99", "half max", "peak MB", "server cores", "client cores", "failed"}
}

func (c *cell) row() []string {
	ratio := ""
	if c.OfBare > 0 {
		ratio = fmt.Sprintf("%.2f", c.OfBare)
	}
	half := fmt.Sprintf("%.2f", c.HalfP99)
	if !c.HalfKept {
		half += " (pace lost)"
	}
	number := func(v ms) string { return fmt.Sprintf("%.2f", v) }
	return []string{size{events: c.Events}.String(), c.Target, group(c.EventsPerSecond), ratio, group(c.EventsPerCPUSecond), number(c.P50), number(c.P99), number(c.Max),
		number(c.HalfP50), half, number(c.HalfMax), fmt.Sprintf("%.0f", c.PeakMB), fmt.Sprintf("%.2f", c.ServerCores), fmt.Sprintf("%.2f", c.ClientCores),
		strconv.FormatUint(c.Failed+c.HalfFailed, 10)}
}

func (r *results) describe() string {
	m := &r.Machine
	size := 0
	if len(r.Cells) > 0 {
		size = r.Cells[0].EventBytes
	}
	events := ""
	if size > 0 {
		events = fmt.Sprintf("events of %d bytes; ", size)
	}
	return fmt.Sprintf("%s, %d cores, %.1f GB, Linux %s, %s, %s; 4 KiB and fsync %.2f ms (p99 %.2f ms); load before %.2f.\n%s, %.3g s a cell; %sload and server share the cores.\n",
		m.CPU, m.Cores, m.MemoryGB, m.Kernel, m.Go, m.Disk, m.SyncP50, m.SyncP99, m.Load, r.Started.Format("2006-01-02 15:04 MST"), r.Seconds, events)
}

func (r *results) table(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s\n", r.describe()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, rows := range r.tables() {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range rows {
			fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
		}
		fmt.Fprintln(t)
		if err := t.Flush(); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	for i := range r.Attribution {
		if c := &r.Attribution[i]; c.Note != "" {
			fmt.Fprintf(w, "%s/%s: %s\n", attributed, c.Name, c.Note)
		}
	}
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Failed > 0 {
			fmt.Fprintf(w, "%s/%s: %d requests failed, the first with %.300q\n", c.Target, size{events: c.Events}, c.Failed, c.Failure)
		}
	}
	if r.Ship != nil {
		if err := r.Ship.table(w); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := trialTable(w, r.Trials); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := peerTable(w); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// tables are the rows of each table, its header first.
func (r *results) tables() [][][]string {
	var tables [][][]string
	if len(r.Cells) > 0 {
		rows := [][]string{header()}
		for i := range r.Cells {
			rows = append(rows, r.Cells[i].row())
		}
		tables = append(tables, rows)
	}
	if len(r.Attribution) > 0 {
		rows := [][]string{attributionHeader()}
		for i := range r.Attribution {
			rows = append(rows, r.Attribution[i].row())
		}
		tables = append(tables, rows)
	}
	if len(r.Pipeline) > 0 {
		rows := [][]string{pipelineHeader()}
		for i := range r.Pipeline {
			rows = append(rows, r.Pipeline[i].row())
		}
		tables = append(tables, rows)
	}
	return tables
}

// markdown is the tables for a document.
func (r *results) markdown(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.describe())
	for _, rows := range r.tables() {
		for i, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(w, "|%s\n", strings.Repeat("---:|", len(row)))
			}
		}
		fmt.Fprintln(w)
	}
	if r.Ship != nil {
		fmt.Fprintf(w, "\n| %s |\n|%s\n| %s |\n", strings.Join(shipHeader(), " | "), strings.Repeat("---:|", len(shipHeader())), strings.Join(r.Ship.row(), " | "))
	}
	if len(r.Trials) > 0 {
		var text bytes.Buffer
		_ = trialTable(&text, r.Trials) // memory takes everything
		fmt.Fprintf(w, "\n```\n%s\n```\n", bytes.TrimSpace(text.Bytes()))
	}
}

// write keeps the results as path.json and path.md.
func (r *results) write(path string) error {
	path = strings.TrimSuffix(path, ".json")
	var data, text bytes.Buffer
	if err := r.encode(&data); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	r.markdown(&text)
	if err := os.WriteFile(path+".json", data.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(path+".md", text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// group writes a number with spaces between thousands.
func group(f float64) string {
	digits := strconv.FormatInt(int64(f), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}
