package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// progress shows how far work has come: as a bar on a terminal, as at most ten
// lines elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	began    time.Time
	rate     bool // say how many a second

	mu    sync.Mutex
	done  int
	shown int // tenths, or hundredths on a terminal
}

func newProgress(std daemon.Streams, total int, rate bool) *progress {
	return &progress{w: std.Err, terminal: isTerminal(std), total: max(total, 1), began: time.Now(), rate: rate, shown: -1}
}

func isTerminal(std daemon.Streams) bool {
	f, ok := std.Err.(*os.File)
	if kind, _ := std.Getenv("TERM"); !ok || kind == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// step tells of n more. It may be called from several goroutines.
func (p *progress) step(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.showLocked()
}

// at tells how many there are now.
func (p *progress) at(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = min(n, p.total)
	p.showLocked()
}

func (p *progress) showLocked() {
	parts := 10
	if p.terminal {
		parts = 100
	}
	reached := p.done * parts / p.total
	if reached == p.shown || !p.terminal && reached == 0 {
		return
	}
	p.shown = reached
	rate := ""
	if p.rate {
		rate = ", " + grouped(int(float64(p.done)/max(time.Since(p.began).Seconds(), 0.001))) + " a second"
	}
	if !p.terminal {
		fmt.Fprintf(p.w, "  %3d %%  %s of %s%s\n", 10*reached, grouped(p.done), grouped(p.total), rate)
		return
	}
	const width = 40
	full := p.done * width / p.total
	fmt.Fprintf(p.w, "\r  %s%s %3d %%  %s%s ", strings.Repeat("█", full), strings.Repeat("░", width-full), reached, grouped(p.done), rate)
}

// end leaves the cursor on a line of its own.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// report is the result of the demo.
type report struct {
	standing
	sent, took time.Duration
	messages   int
	env        *environment
}

func (r report) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nSent %s messages in %.1f s; all are in the reports after %.1f s.\n\n", grouped(r.messages), r.sent.Seconds(), r.took.Seconds())
	fmt.Fprintf(table, "events\tclicks\timpressions\tinstalls\tconversions\t\n%s\t%s\t%s\t%s\t%s\t\n", grouped(r.counts.Events), grouped(r.counts.Clicks),
		grouped(r.counts.Impressions), grouped(r.counts.Installs), grouped(r.counts.Conversions))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, m := range r.counts.Revenue {
		fmt.Fprintf(table, "\nrevenue in %s\t%s\t", m.Currency, money(m.Amount))
	}
	fmt.Fprintf(table, "\n\n%s\tconversions\trevenue in %s\t\n", strings.ReplaceAll(r.sources.Model, "_", " "), r.sources.Currency)
	for _, row := range r.sources.Rows[:min(5, len(r.sources.Rows))] {
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", row.MediaSource, money(row.Conversions), money(row.Revenue))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(out, "\nLook at it: %s\n  email     %s\n  password  %s\n", r.env.get("CONSOLE_URL"), r.env.get("ADMIN_EMAIL"), r.env.get("ADMIN_PASSWORD"))
	return err
}

// money shortens a decimal string to two decimals, for people to read.
func money(amount string) string {
	whole, decimals, _ := strings.Cut(amount, ".")
	n, err := strconv.Atoi(whole)
	if err != nil {
		return amount
	}
	return grouped(n) + "." + (decimals + "00")[:2]
}

// grouped writes a number with spaces between thousands.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}
