package deliveries

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Entry is a delivery in the log.
type Entry struct {
	ID          string          `json:"id"`
	Postback    string          `json:"postback"`
	Conversion  string          `json:"conversion"`
	Number      int             `json:"number"` // above 1 for corrections
	Event       string          `json:"event"`
	MediaSource string          `json:"media_source"`
	Campaign    string          `json:"campaign"`
	Link        string          `json:"link,omitempty"`
	State       string          `json:"state"` // due, delivered, dead or withdrawn
	Attributed  time.Time       `json:"attributed_at"`
	Created     time.Time       `json:"created_at"`
	Next        *time.Time      `json:"next_at"` // of the next try, null when there is none
	First       *time.Time      `json:"first_try"`
	Last        *time.Time      `json:"last_try"`
	Attempts    int             `json:"attempts"`
	Status      int             `json:"status"` // of the last answer, 0 for none
	Latency     int             `json:"latency_ms"`
	Answer      string          `json:"answer,omitempty"` // first KiB of the last one
	Fault       string          `json:"fault,omitempty"`
	Request     json.RawMessage `json:"request,omitempty"` // with secrets masked
}

// Filter selects deliveries of an app. Empty fields select all.
type Filter struct {
	Postback, State, Conversion, MediaSource, Campaign, Link string
	From, To                                                 time.Time // of the decision, half-open
}

const entryColumns = `id, postback, conversion, number, event, media_source, campaign, link_id, state, attributed_at, created_at,
	CASE WHEN state = 'due' THEN next_at END, first_try, last_try, attempts, status, latency_ms, answer, fault, shown`

func scanDelivery(row pgx.CollectableRow) (e Entry, err error) {
	err = row.Scan(&e.ID, &e.Postback, &e.Conversion, &e.Number, &e.Event, &e.MediaSource, &e.Campaign, &e.Link, &e.State, &e.Attributed, &e.Created,
		&e.Next, &e.First, &e.Last, &e.Attempts, &e.Status, &e.Latency, &e.Answer, &e.Fault, &e.Request)
	e.Attributed, e.Created = e.Attributed.UTC(), e.Created.UTC()
	for _, t := range []*time.Time{e.Next, e.First, e.Last} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return e, err
}

// selected is the condition of a filter, whose values are parameters from $2 on; $1 is the app.
const selected = `app = $1 AND ($2 = '' OR postback = $2) AND ($3 = '' OR state = $3) AND ($4 = '' OR conversion = $4)
	AND ($5 = '' OR media_source = $5)
	AND ($6 = '' OR campaign = $6) AND ($7 = '' OR link_id = $7) AND ($8::timestamptz IS NULL OR created_at >= $8) AND ($9::timestamptz IS NULL OR created_at < $9)`

func (f *Filter) values(app string) []any {
	optional := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return []any{app, f.Postback, f.State, f.Conversion, f.MediaSource, f.Campaign, f.Link, optional(f.From), optional(f.To)}
}

// Entries lists deliveries of an app, newest first, after one of them; an empty id begins with the newest.
func (l *Ledger) Entries(ctx context.Context, app string, f Filter, after string, limit int) ([]Entry, error) {
	rows, err := l.Query(ctx, `SELECT `+entryColumns+` FROM deliveries WHERE `+selected+`
		AND ($10 = '' OR (created_at, id) < (SELECT created_at, id FROM deliveries WHERE app = $1 AND id = $10))
		ORDER BY created_at DESC, id DESC LIMIT $11`, append(f.values(app), after, limit)...)
	if err != nil {
		return nil, postgres.Wrap("list deliveries", err)
	}
	entries, err := pgx.CollectRows(rows, scanDelivery)
	return entries, postgres.Wrap("list deliveries", err)
}

// Entry returns one delivery of an app.
func (l *Ledger) Entry(ctx context.Context, app, id string) (Entry, error) {
	rows, err := l.Query(ctx, `SELECT `+entryColumns+` FROM deliveries WHERE app = $1 AND id = $2`, app, id)
	if err != nil {
		return Entry{}, postgres.Wrap("read delivery", err)
	}
	entry, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	return entry, postgres.Wrap("read delivery", err)
}

// Resend has deliveries of an app sent again, under the id that they had: one by its id, or all that the
// filter selects. Only finished deliveries are sent again, rendered anew, and withdrawn ones are not. It returns how many.
func (l *Ledger) Resend(ctx context.Context, app, id string, f Filter) (int64, error) {
	var n int64
	err := l.Change(ctx, "send deliveries again", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'due', next_at = clock_timestamp(), attempts = 0, first_try = NULL, request = NULL, fault = ''
			WHERE `+selected+` AND state IN ('delivered', 'dead') AND ($10 = '' OR id = $10)`, append(f.values(app), id)...)
		if err != nil {
			return err
		}
		if n = done.RowsAffected(); n == 0 && id != "" {
			return pgx.ErrNoRows
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "postback.resend", Target: id, App: app, Detail: map[string]any{"filter": f, "deliveries": n}})
	})
	return n, err
}
