package recompute

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// WatermarkName names the watermark and the lease of the sweep.
const WatermarkName = "attribution-sweep"

const (
	leaseTime  = 30 * time.Second
	leaseRenew = leaseTime / 6
)

// errLost says that another node sweeps now.
var errLost = errors.New("sweep attributions: the lease went to another node")

// leased sweeps while this node holds the lease, and does nothing while another does.
// However long a step of the work takes, the lease is renewed beside it; what is under
// way ends when it is truly lost.
func (a *Attributor) leased(ctx context.Context, sweep func(ctx context.Context, epoch int64) error) error {
	epoch, held, err := a.o.Watermarks.Lease(ctx, WatermarkName, a.o.Owner, leaseTime)
	if err != nil {
		return fmt.Errorf("lease the sweep: %w", err)
	}
	if !held {
		return nil
	}
	within, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.keepLease(within, epoch, stop) })
	err = sweep(within, epoch)
	cause := context.Cause(within)
	stop(nil)
	wg.Wait()
	if err != nil && errors.Is(cause, errLost) {
		return cause // what was cut off says nothing more
	}
	return err
}

// keepLease renews the lease until the context ends, and ends it when the lease is lost: to
// another node, or because nobody could be asked for as long as it lasts.
func (a *Attributor) keepLease(ctx context.Context, epoch int64, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for renewed := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		now, held, err := a.o.Watermarks.Lease(ctx, WatermarkName, a.o.Owner, leaseTime)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && held && now == epoch:
			renewed = asked
		case err == nil:
			stop(errLost)
			return
		case asked.Sub(renewed) > leaseTime:
			stop(fmt.Errorf("%w: %w", errLost, err))
			return
		}
	}
}
