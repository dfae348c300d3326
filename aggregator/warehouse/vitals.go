package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Vitals is how ClickHouse stands, for the operator's metrics.
type Vitals struct {
	Disks     []Disk
	Tables    []Table
	Detached  []Detached
	Missing   []string // tables of ours that are not there, in the order of the migrations
	Migration uint64   // the newest migration that was applied
}

// Disk is one disk of ClickHouse.
type Disk struct {
	Name        string
	Free, Total uint64 // bytes
}

// Table is the active data of one table.
type Table struct {
	Name  string
	Bytes uint64
	Rows  uint64 // before rows of one key are merged
	Parts uint64
	// Fullest is the number of parts of the partition that has most. ClickHouse delays inserts
	// from parts_to_delay_insert on and refuses them from parts_to_throw_insert on.
	Fullest uint64
}

// Detached counts the parts of a table that ClickHouse has set aside. Their rows are not read.
type Detached struct {
	Table  string
	Reason string // ClickHouse's word, as broken-on-start; "by hand" where there is none
	Parts  uint64
}

// Vitals reads how ClickHouse stands, in four short queries on its system tables.
func (w *Warehouse) Vitals(ctx context.Context) (Vitals, error) {
	ctx = context.WithoutCancel(ctx) // the driver makes max_execution_time of a deadline
	var v Vitals
	err := each(ctx, w.write, func(r driver.Rows) error {
		var d Disk
		err := r.Scan(&d.Name, &d.Free, &d.Total)
		v.Disks = append(v.Disks, d)
		return err
	}, "SELECT name, free_space, total_space FROM system.disks ORDER BY name")
	if err != nil {
		return v, fmt.Errorf("read ClickHouse disks: %w", err)
	}
	err = each(ctx, w.write, func(r driver.Rows) error {
		var t Table
		err := r.Scan(&t.Name, &t.Bytes, &t.Rows, &t.Parts, &t.Fullest)
		v.Tables = append(v.Tables, t)
		return err
	}, `SELECT name, p.bytes, p.rows, p.parts, p.fullest
		FROM system.tables AS t LEFT JOIN (
			SELECT table, sum(b) AS bytes, sum(r) AS rows, sum(n) AS parts, max(n) AS fullest FROM (
				SELECT table, partition, sum(bytes_on_disk) AS b, sum(rows) AS r, count() AS n
				FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table, partition)
			GROUP BY table) AS p ON p.table = t.name
		WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name`)
	if err != nil {
		return v, fmt.Errorf("read ClickHouse parts: %w", err)
	}
	if v.Missing, err = w.missing(ctx); err != nil {
		return v, err
	}
	err = each(ctx, w.write, func(r driver.Rows) error {
		var d Detached
		err := r.Scan(&d.Table, &d.Reason, &d.Parts)
		v.Detached = append(v.Detached, d)
		return err
	}, `SELECT table, coalesce(nullIf(reason, ''), 'by hand') AS why, count() FROM system.detached_parts
		WHERE database = currentDatabase() GROUP BY table, why ORDER BY table, why`)
	if err != nil {
		return v, fmt.Errorf("read detached parts of ClickHouse: %w", err)
	}
	var version int64
	if err := w.write.QueryRow(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1").Scan(&version); err != nil {
		return v, fmt.Errorf("read ClickHouse's migrations: %w", err)
	}
	v.Migration = uint64(max(version, 0))
	return v, nil
}
