// Package accounts is everything that is kept in Postgres, opened together: the pool itself and the rooms
// over it, each in a package of its own.
package accounts

import (
	"context"

	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Options say how to reach Postgres.
type Options = postgres.Options

// Accounts is the open database with its rooms. It may be used by any number of goroutines.
type Accounts struct {
	*postgres.Pool
	People *people.People
	Logins *people.Logins
	Apps   *apps.Apps
	Runs   *apps.Runs
	Agents *agents.Agents
}

// Open connects to Postgres. It fails if Postgres does not answer.
func Open(ctx context.Context, options Options) (*Accounts, error) {
	pool, err := postgres.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	persons := people.New(pool)
	return &Accounts{Pool: pool, People: persons, Logins: people.NewLogins(pool, persons), Apps: apps.New(pool), Runs: apps.NewRuns(pool), Agents: agents.New(pool)}, nil
}
