package attribution_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/script"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestScripts runs every case of testdata: commands, then ---- and the expected
// result. Times are relative to the script's zero, such as -7d+1ms.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("find scripts: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runFile(t, file) })
	}
}

func runFile(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	introduction, cases, err := script.Parse(string(data))
	if err != nil {
		t.Fatal(err)
	}
	out := []string{introduction}
	for i := range cases {
		c := &cases[i]
		got := runCase(c)
		if err := againstOracle(c); err != nil {
			t.Errorf("%s: %s: %v", file, c.Title, err)
		}
		if !*update && got != c.Want {
			t.Errorf("%s: %s\n--- got\n%s\n--- want\n%s", file, c.Title, got, c.Want)
		}
		out = append(out, c.Title+"\n"+c.Commands+"----\n"+got+"\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n=== ")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// againstOracle holds the engine against the independent implementation.
func againstOracle(c *script.Case) error {
	got, want := attribution.Settle(&c.Facts, c.At), oracle.Settle(&c.Facts, c.At)
	if len(got) != len(want) {
		return fmt.Errorf("%d conversions, the oracle has %d", len(got), len(want))
	}
	for _, r := range got {
		if err := oracle.Compare(r, want[oracle.ID{App: r.App, Conversion: r.ID}]); err != nil {
			return err
		}
	}
	return nil
}

func runCase(c *script.Case) string {
	var b strings.Builder
	for _, r := range attribution.Settle(&c.Facts, c.At) {
		printResult(&b, &r)
	}
	return strings.TrimRight(b.String(), "\n")
}

func decimal(v int64) string {
	sign := ""
	m := uint64(v)
	if v < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%06d", sign, m/1e6, m%1e6)
}

func printResult(b *strings.Builder, r *attribution.Result) {
	fmt.Fprintf(b, "%s inputs=%d", r.ID, r.Inputs)
	if r.Organic() {
		b.WriteString(" organic")
	}
	if r.RepeatOf != "" {
		b.WriteString(", counts nowhere: the order of " + r.RepeatOf)
	}
	b.WriteString("\n")
	for i := range r.Touches {
		t := &r.Touches[i]
		fmt.Fprintf(b, "  %-3s", t.Touch.ID)
		for m := range attribution.ModelCount {
			fmt.Fprintf(b, " %7d", t.Credit[m])
		}
		if t.Fraud != attribution.NoRule {
			b.WriteString(" " + t.Fraud.Level() + ": " + string(t.Fraud))
		}
		b.WriteString("\n")
		if r.Revenue != 0 {
			b.WriteString("     ")
			for m := range attribution.ModelCount {
				b.WriteString(" " + decimal(t.Revenue[m]))
			}
			b.WriteString("\n")
		}
	}
	if in := &r.Install; in.Outcome != attribution.NoInstall {
		fmt.Fprintf(b, "  install %s", in.Outcome)
		if in.ID != r.ID {
			fmt.Fprintf(b, " of %s", in.ID)
		}
		fmt.Fprintf(b, ", source %q, touch %q, match %q: %s\n", in.MediaSource, in.TouchID, in.Match, in.Reason)
		if in.Fraud != attribution.NoRule {
			fmt.Fprintf(b, "  install %s: %s\n", in.Fraud.Level(), in.Fraud)
		}
	}
	if re := &r.Retargeting; re.OpenID != "" {
		fmt.Fprintf(b, "  re-engagement by %s, source %q, touch %q; primary is %s\n", re.OpenID, re.MediaSource, re.TouchID, r.Primary())
	}
	for _, c := range r.Candidates {
		if c.Touch == nil {
			fmt.Fprintf(b, "  claim %s by %s: %s\n", c.Claim, c.Match, c.Verdict)
			continue
		}
		fmt.Fprintf(b, "  %s %s by %s: %s", c.Touch.Kind, c.Touch.ID, c.Match, c.Verdict)
		if c.Fraud != attribution.NoRule {
			fmt.Fprintf(b, ", %s: %s", c.Fraud.Level(), c.Fraud)
		}
		b.WriteString("\n")
	}
}
