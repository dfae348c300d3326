package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Level is which schemas, of both databases, this program knows. It grows by one
// with each release that changes them. Level 1 is every release before it was counted.
const Level = 2

// ErrNewer says that a newer release has removed something that this program needs.
var ErrNewer = errors.New("the databases belong to a newer release")

// CheckLevel returns ErrNewer unless this program can work with the schemas as they are.
// Newer ones are no reason as such: while an installation is upgraded, programs of two releases
// run side by side, and the way back stays open until something is taken away.
func (a *Pool) CheckLevel(ctx context.Context) error { return a.checkLevel(ctx, Level) }

func (a *Pool) checkLevel(ctx context.Context, mine int) error {
	var there bool
	if err := a.pool.QueryRow(ctx, `SELECT to_regclass('schema_level') IS NOT NULL`).Scan(&there); err != nil {
		return Wrap("read schema level", err)
	}
	if !there {
		return nil // never migrated, or by a release before levels
	}
	var level, needs int
	err := a.pool.QueryRow(ctx, `SELECT level, needs FROM schema_level`).Scan(&level, &needs)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return Wrap("read schema level", err)
	case needs > mine:
		return fmt.Errorf("%w: their schemas are of level %d and need a program of level %d at least, this one is of level %d; "+
			"start the newer release, or restore the backups of before its migration", ErrNewer, level, needs, mine)
	}
	return nil
}

// raiseLevel notes that this program has migrated.
func raiseLevel(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `UPDATE schema_level SET level = $1 WHERE level < $1`, Level); err != nil {
		return fmt.Errorf("note schema level: %w", err)
	}
	return nil
}
