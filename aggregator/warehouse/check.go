package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// tables are all tables that hold rows.
func tables() []string {
	return []string{
		"events", "event_ids", "touches", "touch_keys", "touch_ids", "touch_lookup", "open_keys", "conversions", "conversion_keys", "conversion_ids",
		"identity_links", "attributions", "quarantine", "event_id_conflicts", "erasures", "erased_messages", "audit_heads", "event_warnings",
		"what_if_runs", "what_if_attributions", "changed_hours", "rollups", "rollup_hours", "costs",
	}
}

// durability lists the settings that a table needs for an accepted insert to survive
// a power cut; none of them is ClickHouse's default.
func durability() []string {
	return []string{
		"fsync_after_insert = 1", "fsync_part_directory = 1",
		"min_rows_to_fsync_after_merge = 1", "min_compressed_bytes_to_fsync_after_merge = 1",
	}
}

// Check verifies by reading them back that the tables exist and are durable and
// that the session has the settings that make an insert mean what Insert
// promises. A node must not start when it fails.
func (w *Warehouse) Check(ctx context.Context) error {
	return errors.Join(w.checkTables(ctx), w.checkSession(ctx))
}

func (w *Warehouse) checkTables(ctx context.Context) error {
	rows, err := w.write.Query(context.WithoutCancel(ctx), "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
	if err != nil {
		return fmt.Errorf("read ClickHouse tables: %w", err)
	}
	defer rows.Close()
	engines := make(map[string]string)
	for rows.Next() {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return fmt.Errorf("read ClickHouse tables: %w", err)
		}
		engines[name] = engine
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read ClickHouse tables: %w", err)
	}
	var faults []error
	for _, name := range tables() {
		engine, ok := engines[name]
		if !ok {
			faults = append(faults, fmt.Errorf("check ClickHouse: table %s is missing: run the migrations", name))
			continue
		}
		for _, setting := range durability() {
			if !strings.Contains(engine+",", setting+",") {
				faults = append(faults, fmt.Errorf("check ClickHouse: table %s lacks %q and would lose acked rows in a power cut: ALTER TABLE %s MODIFY SETTING %s",
					name, setting, name, setting))
			}
		}
	}
	return errors.Join(faults...)
}

func (w *Warehouse) checkSession(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // the driver makes max_execution_time of a deadline
	var faults []error
	for name, want := range writeSettings() {
		var got string
		if err := w.write.QueryRow(ctx, "SELECT value FROM system.settings WHERE name = ?", name).Scan(&got); err != nil {
			return fmt.Errorf("read ClickHouse setting %s: %w", name, err)
		}
		if wanted := fmt.Sprint(want); got != wanted {
			faults = append(faults, fmt.Errorf("check ClickHouse: setting %s is %q and must be %q: the user's profile must not constrain it", name, got, wanted))
		}
	}
	return errors.Join(faults...)
}
