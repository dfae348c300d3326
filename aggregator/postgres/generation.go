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

// Version is the timeline and the generation of the settings. A larger timeline is newer, whatever the
// generation; timeline 0 is an installation that was never restored.
type Version struct {
	Timeline   uint64 `json:"timeline"`
	Generation uint64 `json:"generation"`
}

// Version returns that of the settings.
func (a *Pool) Version(ctx context.Context) (v Version, err error) {
	err = a.pool.QueryRow(ctx, `SELECT timeline, generation FROM settings_generation`).Scan(&v.Timeline, &v.Generation)
	return v, Wrap("read settings generation", err)
}

// BeginTimeline begins a new timeline: this database was restored from a backup. Agents follow it at
// once. The audit entry says where the gap in the log is: lost is the last entry that is known to have
// been written before, 0 if none is known.
func (a *Pool) BeginTimeline(ctx context.Context, lost int64) (v Version, err error) {
	err = a.Change(ctx, "begin timeline", func(tx pgx.Tx) error {
		var head int64
		if err := tx.QueryRow(ctx, `UPDATE settings_generation
			SET timeline = greatest(timeline + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) RETURNING timeline`).Scan(&v.Timeline); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT seq FROM audit_head`).Scan(&head); err != nil {
			return err
		}
		if err := Grow(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT generation FROM settings_generation`).Scan(&v.Generation); err != nil {
			return err
		}
		return Audit(ctx, tx, Happened{Action: Restored, Target: fmt.Sprint(v.Timeline),
			Detail: Gap{Timeline: v.Timeline, After: head, Lost: max(lost, head)}})
	})
	return v, err
}

// Restored is the action of the audit entry with which a restored database begins its timeline.
const Restored = "database.restored"

// Gap says which entries of the audit log were lost in a restore: those after one, up to another.
type Gap struct {
	Timeline uint64 `json:"timeline"`
	After    int64  `json:"after"` // seq of the last entry of the backup
	Lost     int64  `json:"lost"`  // seq of the last entry that is known to have been lost; After if none is
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
	var seen Version
	poll := func(ctx context.Context) error {
		version, err := a.Version(ctx)
		if err == nil && version != seen {
			seen = version
			changed()
		}
		return err
	}
	return a.Follow(ctx, settingsChannel, poll, func(ctx context.Context, _ string) error { return poll(ctx) })
}
