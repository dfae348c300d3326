package accounts

import (
	"context"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Vitals is the state of Postgres and of the agents, for the operator's metrics.
type Vitals struct {
	postgres.Vitals
	Agents []agents.Agent // revoked ones too, by name
}

// Vitals reads how Postgres stands, in short queries.
func (a *Accounts) Vitals(ctx context.Context) (v Vitals, err error) {
	if v.Vitals, err = a.Pool.Vitals(ctx); err != nil {
		return v, err
	}
	if v.Agents, err = a.Agents.List(ctx); err != nil {
		return v, fmt.Errorf("read the state of agents: %w", err)
	}
	return v, nil
}
