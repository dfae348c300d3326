package api

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

const (
	csvType = "text/csv; charset=utf-8; header=present"

	// truncatedHeader says that an export has as many rows as it may, and that there are more.
	truncatedHeader = "X-Export-Truncated"
)

// tabular is an answer that can be had as CSV.
type tabular interface{ Table() report.Table }

// exportable says whether the route can answer with CSV.
func (r *route) exportable() bool { return slices.Contains(r.query, "format") }

// wantsCSV reads the parameter format, and without it the header Accept.
func (c *call) wantsCSV(p parameters) (bool, error) {
	switch p.get("format") {
	case "csv":
		return true, nil
	case "json":
		return false, nil
	case "":
	default:
		return false, badRequest("format must be json or csv.")
	}
	for kind := range strings.SplitSeq(c.r.Header.Get("Accept"), ",") {
		switch media, _, err := mime.ParseMediaType(kind); {
		case err != nil:
		case media == "text/csv":
			return true, nil
		case media == "application/json":
			return false, nil
		}
	}
	return false, nil
}

// export answers with a table. That somebody took it is an entry of the audit log, with the
// question and how many rows left; without the entry nothing leaves.
func (c *call) export(answer tabular) (any, error) {
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	table := answer.Table()
	filter := map[string]string{}
	for name := range p.values {
		filter[name] = p.get(name)
	}
	if table.Truncated {
		c.w.Header().Set(truncatedHeader, "true")
	}
	detail := map[string]any{"filter": filter, "rows": len(table.Rows), "truncated": table.Truncated}
	if err := c.Accounts.Record(c.ctx, "report.export", postgres.Success, c.name(), c.param("app"), detail); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := table.WriteCSV(&body); err != nil {
		return nil, err
	}
	name := c.route.path[strings.LastIndexByte(c.route.path, '/')+1:] + ".csv"
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return newRawAnswer(csvType, body.Bytes()), nil
}

// run handles the request, and makes CSV of the answer if that was asked for.
func (c *call) run() (any, error) {
	if !c.route.exportable() {
		return c.read()
	}
	c.w.Header().Set("Vary", "Accept")
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	csv, err := c.wantsCSV(p)
	if err != nil {
		return nil, err
	}
	if c.exporting = csv; !csv {
		return c.read()
	}
	answer, err := c.route.handle(c)
	if err != nil {
		return nil, err
	}
	table, ok := answer.(tabular)
	if !ok {
		return nil, refusal(http.StatusNotAcceptable, "not_acceptable", "This cannot be had as CSV.")
	}
	return c.export(table)
}
