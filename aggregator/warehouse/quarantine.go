package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cespare/xxhash/v2"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// factID names one variant of a message, and so the event that a fact in the
// same batch was derived from.
type factID struct {
	app, id  string
	received int64
	digest   uint64
}

func eventID(e *protocol.Event) factID {
	return factID{e.App, e.ID, e.Received, e.Digest}
}

func touchID(t *attribution.Touch) factID {
	return factID{t.App, t.ID, t.Received, t.Digest}
}

func conversionID(c *attribution.Conversion) factID {
	return factID{c.App, c.ID, c.Received, c.Digest}
}

// origins finds the row that a fact of the same batch was derived from.
type origins struct {
	rows  []Row
	index map[factID]int
}

func newOrigins(rows []Row) origins {
	o := origins{rows: rows, index: make(map[factID]int, len(rows))}
	for i := range rows {
		o.index[eventID(&rows[i].Event)] = i
	}
	return o
}

// country returns the country of a fact's event. Attribution does not go by it,
// only reports for people whose view is narrowed to some countries.
func (o origins) country(id factID) string {
	if i, ok := o.index[id]; ok {
		return o.rows[i].Event.Country
	}
	return ""
}

// appendRejections appends a rejection for the event of every refused row.
func appendRejections[R any](to []Rejection, o origins, refused []refusal[R], id func(*R) factID) []Rejection {
	for _, r := range refused {
		name := id(r.row)
		if i, ok := o.index[name]; ok {
			to = append(to, Rejection{Row: i, App: name.app, ID: name.id, Reason: r.reason})
		}
	}
	return to
}

// quarantine stores the events of rejections with their reasons.
func (w *Intake) quarantine(ctx context.Context, rows []Row, rejections []Rejection) error {
	if len(rejections) == 0 {
		return nil
	}
	type rejection = Rejection
	all := pointers(rejections)
	row := func(r *rejection) *Row { return &rows[r.Row] }
	return w.send(ctx, "quarantine", []column{
		pick("app_id", all, func(r *rejection) string { return r.App }),
		pick("event_id", all, func(r *rejection) string { return r.ID }),
		pick("agent_id", all, func(r *rejection) string { return row(r).Agent }),
		pick("reason", all, func(r *rejection) string { return r.Reason }),
		pick("event", all, func(r *rejection) string { return string(protocol.AppendEvent(nil, &row(r).Event)) }),
		pick("received", all, func(r *rejection) int64 { return row(r).Event.Received }),
	}, len(all))
}

// QuarantineBlock stores a block that cannot be decoded as it came, under the
// name it has among the agent's blocks.
func (w *Intake) QuarantineBlock(ctx context.Context, agent string, block []byte, reason string) error {
	one := []*[]byte{&block}
	constant := func(s string) func(*[]byte) string { return func(*[]byte) string { return s } }
	return w.send(ctx, "quarantine", []column{
		pick("app_id", one, constant("")),
		pick("event_id", one, constant("block "+strconv.FormatUint(xxhash.Sum64(block), 16))),
		pick("agent_id", one, constant(agent)),
		pick("reason", one, constant(reason)),
		pick("event", one, func(b *[]byte) string { return string(*b) }),
		pick("received", one, func(*[]byte) int64 { return 0 }),
	}, 1)
}

// quarantined finds the events in quarantine that have one of the keys. Their ids
// stand nowhere but in their bytes, so that each is decoded; there are few.
func (e *erasure) quarantined(ctx context.Context) error {
	return each(ctx, e.w.facts, func(rows driver.Rows) error {
		var id, text string
		var digest uint64
		if err := rows.Scan(&id, &digest, &text); err != nil {
			return err
		}
		events, err := protocol.DecodeEvents(append(protocol.AppendEvents(nil, 1), text...))
		if err != nil {
			return fmt.Errorf("quarantined event %s: %w", id, err)
		}
		if slices.ContainsFunc(attribution.EventKeys(&events[0]), func(k string) bool { return slices.Contains(e.keys, k) }) {
			e.refused = append(e.refused, refused{id, digest})
		}
		return nil
	}, "SELECT event_id, digest, event FROM quarantine WHERE app_id = ? AND received <= ?", e.app, e.at)
}

// deleteQuarantined removes what quarantined found.
func (e *erasure) deleteQuarantined(ctx context.Context) error {
	for chunk := range slices.Chunk(e.refused, eraseChunk) {
		ids, digests := make([]string, len(chunk)), make([]uint64, len(chunk))
		for i, r := range chunk {
			ids[i], digests[i] = r.id, r.digest
		}
		if err := e.w.write.Exec(ctx, "DELETE FROM quarantine WHERE app_id = ? AND event_id IN (?) AND digest IN (?)", e.app, ids, digests); err != nil {
			return err
		}
	}
	return nil
}
