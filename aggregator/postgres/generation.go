package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// settingsChannel is where every change of the settings is announced, with the generation.
const settingsChannel = "unmogrowp_settings"

// Grow raises the settings generation in the transaction of a change and announces it. From here to
// its commit the transaction holds the generation's lock, so generations become visible in order.
func Grow(ctx context.Context, tx pgx.Tx) error {
	var generation int64
	err := tx.QueryRow(ctx, `UPDATE settings_generation SET generation = generation + 1 RETURNING generation`).Scan(&generation)
	if err != nil {
		return fmt.Errorf("grow settings generation: %w", err)
	}
	if _, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, settingsChannel, strconv.FormatInt(generation, 10)); err != nil {
		return fmt.Errorf("announce settings: %w", err)
	}
	return nil
}

// Generation returns the generation of the settings, which every change raises.
func (a *Pool) Generation(ctx context.Context) (uint64, error) {
	var generation int64
	err := a.pool.QueryRow(ctx, `SELECT generation FROM settings_generation`).Scan(&generation)
	return uint64(generation), Wrap("read settings generation", err)
}

// Watch calls changed whenever the settings may have changed, and once at the start, until ctx ends.
// It listens on a connection of its own, comes back when that breaks, and asks for the generation
// every two seconds, since announcements are lost while it is away. Changed runs on the caller's
// goroutine, never twice at a time.
func (a *Pool) Watch(ctx context.Context, changed func()) error {
	var seen uint64
	poll := func(ctx context.Context) error {
		generation, err := a.Generation(ctx)
		if err == nil && generation != seen {
			seen = generation
			changed()
		}
		return err
	}
	return a.Follow(ctx, settingsChannel, poll, func(ctx context.Context, _ string) error { return poll(ctx) })
}
