package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// For the tests of this package, which stand outside of it.
const (
	EveryApp    = everyApp
	ResealBatch = resealBatch
	SetScope    = setScope
)

// SealedTables are the tables with a column that is sealed.
func SealedTables() (tables []string) {
	for _, c := range sealedColumns() {
		tables = append(tables, c.table)
	}
	return tables
}

// KeyName is the name of the first master key, as the database has it.
func (a *Pool) KeyName() string { return string(a.keys.first.name) }

// Config is how the pool connects.
func (a *Pool) Config() *pgx.ConnConfig { return a.config }

// Unscoped is the pool without any scope.
func (a *Pool) Unscoped() *pgxpool.Pool { return a.pool.Pool }
