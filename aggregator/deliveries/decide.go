package deliveries

import (
	"context"
	"fmt"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// leaseName is the lease and the watermark of deciding.
const leaseName = "postbacks"

// decide reads the attributions since the watermark and stores the deliveries that they make. Between two
// readings of the whole margin it looks at the last seconds only.
func (c *Courier) decide(ctx context.Context) error {
	epoch, held, err := c.o.Store.Lease(ctx, leaseName, c.o.Owner, leaseFor)
	if err != nil || !held {
		return err
	}
	postbacks, err := c.o.Store.InForce(ctx)
	if err != nil {
		return err
	}
	now, err := c.o.Source.Now(ctx)
	if err != nil {
		return err
	}
	done, err := c.o.Store.Watermark(ctx, leaseName)
	if err != nil {
		return err
	}
	if len(postbacks) == 0 || done.IsZero() {
		// There is no postback, or there never was one: all attributions up to now are past.
		_, err := c.o.Store.Decide(ctx, nil, now, epoch)
		return err
	}
	back := hurry
	if whole := c.o.Now().Sub(c.full) >= fullEvery || c.full.IsZero(); whole {
		back = margin
		c.full = c.o.Now()
	}
	c.metrics.lag.Set(now.Sub(done).Seconds())
	return c.decideSince(ctx, byApp(postbacks), done.Add(-back), now, epoch)
}

func byApp(postbacks []Postback) map[string][]Postback {
	apps := make(map[string][]Postback)
	for _, p := range postbacks {
		apps[p.App] = append(apps[p.App], p)
	}
	return apps
}

// decideSince decides page by page. The watermark moves after the last page only: the pages are in the
// order of writing, but a page of one instant may be cut.
func (c *Courier) decideSince(ctx context.Context, apps map[string][]Postback, since, until time.Time, epoch int64) error {
	cursor := ""
	for {
		keys, next, err := c.o.Source.AttributedSince(ctx, since, until, cursor, pageSize)
		if err != nil {
			return err
		}
		decisions, err := c.decidePage(ctx, apps, keys)
		if err != nil {
			return err
		}
		watermark := time.Time{} // does not move
		if next == "" {
			watermark = until
		}
		if len(decisions) > 0 || next == "" {
			made, err := c.o.Store.Decide(ctx, decisions, watermark, epoch)
			if err != nil {
				return err
			}
			c.metrics.decided.Add(float64(made))
		}
		if next == "" {
			return nil
		}
		cursor = next
		// A long way is gone under one lease.
		if _, held, err := c.o.Store.Lease(ctx, leaseName, c.o.Owner, leaseFor); err != nil || !held {
			return err
		}
	}
}

func (c *Courier) decidePage(ctx context.Context, apps map[string][]Postback, changes []attribution.Change) ([]Decision, error) {
	wanted, written := make(map[string][]string), make(map[[2]string]time.Time)
	for _, change := range changes {
		if len(apps[change.App]) == 0 {
			continue
		}
		key := [2]string{change.App, change.Conversion}
		if _, twice := written[key]; !twice {
			wanted[change.App] = append(wanted[change.App], change.Conversion)
		}
		written[key] = time.UnixMilli(change.Written) // the last counts
	}
	var decisions []Decision
	for app, conversions := range wanted {
		facts, err := c.facts(ctx, app, conversions)
		if err != nil {
			return nil, err
		}
		for i := range apps[app] {
			more, err := c.decideFor(ctx, &apps[app][i], conversions, facts)
			if err != nil {
				return nil, fmt.Errorf("postback %s: %w", apps[app][i].ID, err)
			}
			decisions = append(decisions, more...)
		}
	}
	for i := range decisions {
		d := &decisions[i]
		d.Written = written[[2]string{d.App, d.Conversion}]
		d.Due = d.Written.Add(d.settle)
	}
	return decisions, nil
}

// decideFor decides which conversions of a page a postback is sent.
func (c *Courier) decideFor(ctx context.Context, p *Postback, conversions []string, facts map[string]attributed) ([]Decision, error) {
	known, err := c.o.Store.Known(ctx, p.ID, conversions)
	if err != nil {
		return nil, err
	}
	var decisions []Decision
	for _, id := range conversions {
		fact, found := facts[id]
		sent, before := known[id]
		if !found || !p.sendable(&fact, c.o.Now()) || before && (!p.Definition.Corrections || !sent.Tried) {
			continue // what waits for its first try is rendered then
		}
		shown, err := p.Definition.Shown(&fact.Fact, p.Secrets.Named)
		if err != nil {
			return nil, err
		}
		digest := shown.Digest()
		if before && sent.Digest == digest {
			continue
		}
		decisions = append(decisions, Decision{
			Postback: p.ID, App: p.App, Conversion: id, Number: sent.Number + 1, Digest: digest,
			Event: fact.Event, MediaSource: fact.MediaSource, Campaign: fact.Campaign, LinkID: fact.LinkID,
			settle: p.Definition.Settle(),
		})
	}
	return decisions, nil
}

// sendable reports whether a conversion may be told at all.
func (p *Postback) sendable(a *attributed, now time.Time) bool {
	if a.gone || a.historical || a.received.Before(p.Since) || now.Sub(a.received) > eligible {
		return false
	}
	wants, _ := p.Definition.Wants(&a.Fact)
	return wants
}
