package report

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"
)

// TestFormulasAreText: a text that a spreadsheet would take for a formula stays text in
// every column that somebody else fills, and numbers stay numbers.
func TestFormulasAreText(t *testing.T) {
	for _, evil := range []string{"=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "＝1", "|x", "%x"} {
		if got := cell(evil); got != "'"+evil {
			t.Errorf("%q becomes %q", evil, got)
		}
	}
	for _, plain := range []string{"", "mail", "a=b", "1-2", "x@y", "'quoted", "é"} {
		if got := cell(plain); got != plain {
			t.Errorf("%q becomes %q", plain, got)
		}
	}
	const evil = "=1+1\",\"x\"\r\n=2"
	source := evil
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, table := range map[string]Table{
		"attribution": AttributionResult{GroupBy: []Dimension{MediaSource, Campaign}, Currency: "EUR", Rows: []AttributionRow{{MediaSource: &source,
			Conversions: "-1.500000", Revenue: "2.000000", Share: 0.25}}}.Table(),
		"conversions": ConversionsResult{Data: []ConversionItem{{ID: evil, Event: evil, Time: at, Revenue: "-1.000000", Currency: "EUR", Result: "organic",
			MediaSource: evil, Campaign: evil, Touches: 2}}}.Table(),
		"compare": CompareResult{A: "linear", B: "decay", GroupBy: []Dimension{MediaSource, Keyword}, Rows: []CompareRow{{MediaSource: &source,
			A: CompareSide{Conversions: "-1.000000"}}}}.Table(),
		"paths":      PathsResult{Paths: []PathRow{{Path: []string{evil, "b"}, Conversions: 3, Share: 1}}}.Table(),
		"timeseries": TimeseriesResult{Metric: Revenue, Points: []Point{{Time: at, Value: "-1.000000"}}}.Table(),
		"overview":   OverviewResult{Events: 7, Revenue: []Earnings{{Money: Money{Currency: "EUR", Amount: "-1.000000"}}}}.Table(),
	} {
		var text bytes.Buffer
		if err := table.WriteCSV(&text); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&text).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
			t.Fatalf("%s: %v, %v", name, rows, err)
		}
		for i, c := range rows[1] {
			switch {
			case strings.HasPrefix(c, "-1"): // a number of ours
			case strings.ContainsAny(c[:min(1, len(c))], "=+-@\t\r"):
				t.Errorf("%s: column %s is %q", name, rows[0][i], c)
			}
		}
	}
}
