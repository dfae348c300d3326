package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// eraser does the runs of kind erasure.
type eraser struct {
	warehouse  *warehouse.Warehouse
	attributor *recompute.Attributor
	waits      []time.Duration // before each removal
	deliveries forgetter       // nil where nobody is told
}

// forgetter drops the log of deliveries of conversions. The ledger does.
type forgetter interface {
	Forget(ctx context.Context, app string, conversions []string) error
}

// erasureWaits are until the run has noted whom it erases, and until the inserts that
// were under way when the tombstones were set have ended.
func erasureWaits() []time.Duration {
	return []time.Duration{5 * time.Second, warehouse.MaxInsertTime}
}

// erasureResult is what there is to tell of an erasure.
type erasureResult struct {
	Facts        int `json:"facts"`        // touches, conversions and links that are gone, and their events
	Attributions int `json:"attributions"` // of others that changed for it
}

// maxReached bounds the keys that a run notes; what reaches further is left to the reconciler.
const maxReached = 10_000

// erasing is a run's note of itself before anything is gone: afterwards no link tells whom it means, and
// no row whose results shared something with the rows that went.
type erasing struct {
	Keys    []string `json:"keys"`
	Reached []string `json:"reached,omitempty"` // match keys of the rows that go
	From    int64    `json:"from"`              // no conversion before it shared anything
}

// note adds the rows that are to go, or have gone.
func (e *erasing) note(facts *attribution.Facts) {
	known := make(map[string]bool, len(e.Reached))
	for _, key := range e.Reached {
		known[key] = true
	}
	add := func(from int64, keys ...string) {
		e.From = min(e.From, from)
		for _, key := range keys {
			if !known[key] && len(e.Reached) < maxReached {
				known[key] = true
				e.Reached = append(e.Reached, key)
			}
		}
	}
	for i := range facts.Touches {
		add(facts.Touches[i].Time, facts.Touches[i].Keys...)
	}
	for i := range facts.Conversions {
		add(facts.Conversions[i].Time, attribution.PersonKeys(facts.Conversions[i].Keys)...)
	}
	for _, l := range facts.Links {
		add(0, l.A, l.B)
	}
}

// begin reads the run's earlier note, or finds out whom it means.
func (x eraser) begin(ctx context.Context, job apps.Job) (e erasing, err error) {
	var who struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(job.Parameters, &who); err != nil || !strings.Contains(who.Key, ":") {
		return e, &report.InvalidError{Reason: "the erasure does not name anybody"}
	}
	if job.Mark == "" {
		e.Keys, err = x.warehouse.OwnKeys(ctx, job.App, who.Key)
		e.From = job.Created.UnixMilli()
		return e, err
	}
	if json.Unmarshal([]byte(job.Mark), &e.Keys) == nil { // of an earlier version
		return e, nil
	}
	return e, json.Unmarshal([]byte(job.Mark), &e)
}

// erase removes a person: the rows that name the id, or another id that is only theirs,
// and were received before the erasure was ordered. The ids and keys that it reaches are noted
// first. Where a run was broken off, everything that it had noted is attributed anew.
func (x eraser) erase(ctx context.Context, job apps.Job, progress runs.Progress) (any, error) {
	e, err := x.begin(ctx, job)
	if err != nil {
		return nil, err
	}
	at := job.Created.UnixMilli()
	again := attribution.Touch{App: job.App, Keys: slices.Clone(e.Reached), Time: e.From}
	tell := func(done float64, facts attribution.Facts) error {
		e.note(&facts)
		mark, err := json.Marshal(e)
		progress(done, string(mark))
		return err
	}
	var out erasureResult
	var told []string // conversions that others may have been told of
	for i, wait := range x.waits {
		done := 0.05 + 0.9*float64(i)/float64(len(x.waits))
		found, err := x.warehouse.Erasable(ctx, job.App, e.Keys, at)
		if err == nil {
			err = errors.Join(tell(done, found), daemon.Sleep(ctx, wait))
		}
		if err != nil {
			return nil, err
		}
		// Before and after: a run that is broken off in between finds no conversion any more, and a delivery
		// may have been decided while its conversion went.
		told = appendConversions(told, &found)
		if err := x.forget(ctx, job.App, told); err != nil {
			return nil, err
		}
		gone, err := x.warehouse.Erase(ctx, job.App, e.Keys, at)
		if err = errors.Join(tell(done, gone), err); err != nil {
			return nil, err
		}
		told = appendConversions(told, &gone)
		if err := x.forget(ctx, job.App, told); err != nil {
			return nil, err
		}
		out.Facts += len(gone.Touches) + len(gone.Conversions) + len(gone.Links)
		if i == 0 && len(again.Keys) > 0 {
			gone.Touches = append(gone.Touches, again)
		}
		changed, err := x.attributor.Recompute(ctx, &gone)
		if err != nil {
			return nil, err
		}
		out.Attributions += changed
	}
	return out, nil
}

// appendConversions adds the ids of the conversions among facts.
func appendConversions(ids []string, facts *attribution.Facts) []string {
	for i := range facts.Conversions {
		ids = append(ids, facts.Conversions[i].ID)
	}
	return ids
}

// forget drops what the log of deliveries tells of erased conversions.
func (x eraser) forget(ctx context.Context, app string, conversions []string) error {
	if x.deliveries == nil || len(conversions) == 0 {
		return nil
	}
	return x.deliveries.Forget(ctx, app, conversions)
}
