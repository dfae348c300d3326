package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/attribute"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// eraser does the runs of kind erasure.
type eraser struct {
	warehouse  *warehouse.Warehouse
	attributor *attribute.Attributor
	waits      []time.Duration // before each removal
}

// erasureWaits are until the run has noted whom it erases, and until what was
// being stored when the tombstones were set has been.
func erasureWaits() []time.Duration {
	return []time.Duration{5 * time.Second, warehouse.MaxInsertTime}
}

// erasureResult is what there is to tell of an erasure.
type erasureResult struct {
	Facts        int `json:"facts"`        // touches, conversions and links that are gone, and their events
	Attributions int `json:"attributions"` // of others that changed for it
}

// erase removes a person: what names the id, or another id that is only theirs,
// and was received before the erasure was ordered. Whom it means is noted first,
// for afterwards no link tells.
func (x eraser) erase(ctx context.Context, job accounts.Job, progress runs.Progress) (any, error) {
	var who struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(job.Parameters, &who); err != nil || !strings.Contains(who.Key, ":") {
		return nil, &report.InvalidError{Reason: "the erasure does not name anybody"}
	}
	var keys []string
	var err error
	if job.Mark != "" {
		err = json.Unmarshal([]byte(job.Mark), &keys)
	} else {
		keys, err = x.warehouse.OwnKeys(ctx, job.App, who.Key)
	}
	if err != nil {
		return nil, err
	}
	mark, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode mark: %w", err)
	}
	progress(0.05, string(mark))
	var out erasureResult
	for i, wait := range x.waits {
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		gone, changed, err := x.attributor.Forget(ctx, x.warehouse, job.App, keys, job.Created.UnixMilli())
		if err != nil {
			return nil, err
		}
		out.Facts, out.Attributions = out.Facts+gone, out.Attributions+changed
		progress(0.05+0.9*float64(i+1)/float64(len(x.waits)), string(mark))
	}
	return out, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
