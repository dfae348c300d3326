package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// exportPage is how many entries of an export are in memory at a time.
const exportPage = 1000

// auditFilter are the query parameters that choose entries.
func auditFilter() []string { return []string{"actor", "action", "outcome", "target", "from", "to"} }

// auditPage reads the parameters of a query of the audit log.
func (p parameters) auditPage() (ask postgres.AuditPage, err error) {
	ask = postgres.AuditPage{Actor: p.get("actor"), Action: p.get("action"), Outcome: p.get("outcome"), Target: p.get("target")}
	outcomes := []string{"", postgres.Success, postgres.Failure, postgres.Denied}
	if !slices.Contains(outcomes, ask.Outcome) {
		return ask, badRequest("outcome must be success, failure or denied.")
	}
	for name, into := range map[string]*time.Time{"from": &ask.From, "to": &ask.To} {
		if text := p.get(name); text != "" {
			if *into, err = moment(name, text, time.UTC); err != nil {
				return ask, err
			}
		}
	}
	return ask, nil
}

func listAudit(c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	ask, err := q.auditPage()
	if err != nil {
		return nil, err
	}
	ask.Limit = limit + 1
	if cursor := q.get("cursor"); cursor != "" {
		if ask.Before, err = strconv.ParseInt(cursor, 10, 64); err != nil || ask.Before < 1 {
			return nil, badRequest("cursor is not one that a former page gave.")
		}
	}
	entries, err := c.Accounts.Audit(c.ctx, ask)
	if err != nil {
		return nil, err
	}
	answer := pageOf(entries)
	if len(entries) > limit {
		answer.Data = answer.Data[:limit]
		next := strconv.FormatInt(answer.Data[limit-1].Seq, 10)
		answer.Next = &next
	}
	return answer, nil
}

// exportAudit sends the chosen entries, newest first, one JSON object a line. That somebody took them
// is an entry as well, written before the first line is sent.
func exportAudit(c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	ask, err := q.auditPage()
	if err != nil {
		return nil, err
	}
	filter := map[string]string{}
	for _, name := range auditFilter() {
		if value := q.get(name); value != "" {
			filter[name] = value
		}
	}
	if err := c.Accounts.Record(c.ctx, "audit.export", postgres.Success, "", "", map[string]any{"filter": filter}); err != nil {
		return nil, err
	}
	return streamAnswer{contentType: "application/x-ndjson", name: "audit.ndjson", write: func(w io.Writer) error {
		return c.exportTo(json.NewEncoder(w), ask)
	}}, nil
}

// exportTo writes all entries. Each page has the time of a request, for reading it and for the client
// to take it.
func (c *call) exportTo(lines *json.Encoder, ask postgres.AuditPage) error {
	ask.Limit = exportPage
	for {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(2 * requestTimeout)) // without, the server's own holds
		entries, err := c.auditEntries(ask)
		if err != nil {
			return err
		}
		for i := range entries {
			if err := lines.Encode(&entries[i]); err != nil {
				return fmt.Errorf("send audit entries: %w", err)
			}
			ask.Before = entries[i].Seq
		}
		if len(entries) < exportPage {
			return nil
		}
	}
}

// auditEntries reads a page, however long the pages before it took.
func (c *call) auditEntries(ask postgres.AuditPage) ([]postgres.Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), requestTimeout)
	defer cancel()
	return c.Accounts.Audit(ctx, ask)
}

// verifyAudit compares the log with itself and with the copies of its heads elsewhere.
func verifyAudit(c *call) (any, error) {
	var heads []postgres.SignedHead
	if c.Heads != nil {
		var err error
		if heads, err = c.Heads(c.ctx); err != nil {
			return nil, err
		}
	}
	return answerOf(c.Accounts.VerifyAudit(c.ctx, heads...))
}
