package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxExport bounds the rows of an exported list.
const MaxExport = 20_000

// Table is a result as rows of text, for spreadsheets.
type Table struct {
	Header    []string
	Rows      [][]string
	Truncated bool // there are more rows than an export may have
}

// WriteCSV writes the table as RFC 4180 has it, in UTF-8.
func (t *Table) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(t.Header); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	if err := c.WriteAll(t.Rows); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// cell is a text that somebody else chose. If a spreadsheet would take it for a
// formula, it gets an apostrophe in front, so that it is taken for text. See OWASP, "CSV
// injection".
func cell(text string) string {
	begins := strings.TrimLeft(text, " \u00a0\ufeff")
	for _, formula := range [...]string{"=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(begins, formula) {
			return "'" + text
		}
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Table has one row.
func (r OverviewResult) Table() Table {
	t := Table{Header: []string{"events", "clicks", "impressions", "installs", "reinstalls", "re_attributions", "re_engagements", "conversions"}}
	row := []string{}
	for _, n := range []uint64{r.Events, r.Clicks, r.Impressions, r.Installs, r.Reinstalls, r.Reattributions, r.Reengagements, r.Conversions} {
		row = append(row, strconv.FormatUint(n, 10))
	}
	for _, m := range r.Revenue {
		t.Header = append(t.Header, "revenue_"+m.Currency, "gross_"+m.Currency, "refunds_"+m.Currency, "untrusted_"+m.Currency)
		row = append(row, string(m.Amount), string(m.Gross), string(m.Refunds), string(m.Untrusted))
	}
	for _, m := range r.Cost {
		t.Header, row = append(t.Header, "cost_"+m.Currency), append(row, string(m.Amount))
	}
	if c := r.Converted; c != nil {
		t.Header = append(t.Header, "converted_"+c.Currency, "unconverted")
		row = append(row, string(c.Amount), listed(c.Unconverted))
	}
	t.Rows = [][]string{row}
	return t
}

// listed are amounts in one cell.
func listed(amounts []Money) string {
	texts := make([]string, len(amounts))
	for i, m := range amounts {
		texts[i] = string(m.Amount) + " " + m.Currency
	}
	return cell(strings.Join(texts, "; "))
}

// Table has a row for each point.
func (r TimeseriesResult) Table() Table {
	t := Table{Header: []string{"time", cell(string(r.Metric))}}
	for _, p := range r.Points {
		t.Rows = append(t.Rows, []string{moment(p.Time), string(p.Value)})
	}
	return t
}

// Table has a row for each group, and no total: spreadsheets make their own.
func (r AttributionResult) Table() Table {
	var t Table
	for _, d := range r.GroupBy {
		t.Header = append(t.Header, string(d))
	}
	t.Header = append(t.Header, "conversions", "share", "revenue", "currency", "unconverted")
	for i := range r.Rows {
		g := &r.Rows[i]
		row := cells(r.GroupBy, g.MediaSource, g.Campaign, g.AdSet, g.Ad, g.Keyword)
		t.Rows = append(t.Rows, append(row, string(g.Conversions), strconv.FormatFloat(g.Share, 'f', -1, 64), string(g.Revenue), cell(r.Currency),
			listed(g.Unconverted)))
	}
	return t
}

// Table has a row for each group, first under one model and then under the other.
func (r CompareResult) Table() Table {
	var t Table
	for _, d := range r.GroupBy {
		t.Header = append(t.Header, string(d))
	}
	for _, model := range []string{r.A, r.B} {
		t.Header = append(t.Header, model+"_conversions", model+"_revenue", model+"_share")
	}
	t.Header = append(t.Header, "currency", r.A+"_unconverted", r.B+"_unconverted")
	for i := range r.Rows {
		g := &r.Rows[i]
		row := cells(r.GroupBy, g.MediaSource, g.Campaign, g.AdSet, g.Ad, g.Keyword)
		for _, side := range []CompareSide{g.A, g.B} {
			row = append(row, string(side.Conversions), string(side.Revenue), strconv.FormatFloat(side.Share, 'f', -1, 64))
		}
		t.Rows = append(t.Rows, append(row, cell(r.Currency), listed(g.A.Unconverted), listed(g.B.Unconverted)))
	}
	return t
}

// cells are those of a group: of each dimension that was asked for, given
// that they come in the order of all.
func cells(asked []Dimension, all ...*string) []string {
	var row []string
	for _, d := range asked {
		name := ""
		if at := slices.Index([]Dimension{MediaSource, Campaign, AdSet, Ad, Keyword}, d); at >= 0 && all[at] != nil {
			name = *all[at]
		}
		row = append(row, cell(name))
	}
	return row
}

// Table has a row for each path, its media sources in one cell.
func (r PathsResult) Table() Table {
	t := Table{Header: []string{"path", "touches", "conversions", "share", "revenue", "currency", "unconverted"}}
	for _, p := range r.Paths {
		t.Rows = append(t.Rows, []string{cell(strings.Join(p.Path, " > ")), strconv.Itoa(len(p.Path)), strconv.FormatUint(p.Conversions, 10),
			strconv.FormatFloat(p.Share, 'f', -1, 64),
			string(p.Revenue), cell(r.Currency), listed(p.Unconverted)})
	}
	return t
}

// Table has a row for each conversion.
func (r ConversionsResult) Table() Table {
	t := Table{Truncated: r.truncated, Header: []string{"id", "event", "time", "revenue", "currency", "result", "media_source", "campaign", "touches"}}
	for i := range r.Data {
		c := &r.Data[i]
		t.Rows = append(t.Rows, []string{cell(c.ID), cell(c.Event), moment(c.Time), string(c.Revenue), cell(c.Currency), cell(c.Result),
			cell(c.MediaSource), cell(c.Campaign), strconv.Itoa(c.Touches)})
	}
	return t
}
