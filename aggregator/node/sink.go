package node

import (
	"context"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/intake"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// sink is where intake's rows go: into ClickHouse with the facts they state,
// and then, as a hint, to attribution.
type sink struct {
	warehouse  *warehouse.Warehouse
	attributor *recompute.Attributor
	directory  *directory
	secret     attribution.Secret // of fingerprints, the same on every node
}

// Store implements intake.Sink.
func (s *sink) Store(ctx context.Context, rows []intake.Row) ([]intake.Rejected, error) {
	batch := warehouse.Batch{Rows: make([]warehouse.Row, len(rows))}
	var facts attribution.Facts
	for i := range rows {
		batch.Rows[i] = warehouse.Row(rows[i])
		e := &batch.Rows[i].Event
		facts.AddSecret(e, s.directory.At(e.App, e.Time), s.secret)
	}
	batch.Facts = facts
	refused, err := s.warehouse.Insert(ctx, batch)
	if err != nil {
		return nil, err
	}
	s.attributor.Hint(facts)
	rejected := make([]intake.Rejected, len(refused))
	for i, r := range refused {
		rejected[i] = intake.Rejected{Index: r.Row, Reason: r.Reason}
	}
	return rejected, nil
}

// Quarantine implements intake.Sink.
func (s *sink) Quarantine(ctx context.Context, agent string, block []byte, reason string) error {
	return s.warehouse.QuarantineBlock(ctx, agent, block, reason)
}
