// Package warehouse keeps events, facts and attributions in ClickHouse.
//
// It promises its callers: when Insert returns without an error, the rows
// are on ClickHouse's disk, fsynced, and every later read sees them. After an
// error nothing is known, and the same rows are to be sent again: every table
// is keyed by fields that the client sent, so sending rows twice changes nothing that
// a reader can see.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/pass"
)

// Bounds of one statement. A read or an insert that takes longer is cancelled by
// the server; the client's own deadline is later, so that it hears of that.
const (
	insertSeconds = 30
	readSeconds   = 30
	grace         = 5 * time.Second

	dialTimeout  = 5 * time.Second // also how long a call waits for a free connection
	twinSeconds  = 120             // one stage of a computation in SQL
	twinBlock    = 256             // conversions that a stage computes at once
	maxReadBytes = 4 << 30         // memory of one read on the server
	maxReadRows  = 2_000_000_000   // rows that one read may look at
	maxQueryText = 4 << 20         // bytes of one statement's text
)

// MaxInsertTime is how long an insert may go on after its rows were stamped with
// inserted_at: a reader of InsertedSince must look back further than that.
const MaxInsertTime = insertSeconds*time.Second + grace

// Options say where ClickHouse is.
type Options struct {
	DSN      string // clickhouse://user:password@host:9000/database
	MaxConns int    // connections of each of four pools; 0 is 8
	Logger   *slog.Logger

	Registerer prometheus.Registerer // nil registers nothing
}

// server is four connection pools: for inserts, for the reads of attribution, for
// reports, and for reads on behalf of a person (see reader.go), so that a busy
// console holds up none of the others. It knows how to look up and how to store
// rows; the parts that share it know which rows.
type server struct {
	write   driver.Conn
	facts   driver.Conn
	read    driver.Conn
	wall    *wall
	options *clickhouse.Options
	logger  *slog.Logger
	metrics *metrics
	sizes   sizes
	known   knownLinks
}

// Warehouse is one ClickHouse database: its parts, and what concerns all of them. It is
// safe for use by several goroutines.
type Warehouse struct {
	*server
	*Intake
	*Facts
	*Changes
	*Results
	*Disputes
	*Statements
	*Erasures
	*AuditHeads
	*Rollups
	*Costs
	*Told
}

func newWarehouse(s *server) *Warehouse {
	return &Warehouse{
		server: s, Intake: &Intake{s}, Facts: &Facts{s}, Changes: &Changes{s}, Results: &Results{s}, Disputes: &Disputes{s},
		Statements: &Statements{s}, Erasures: &Erasures{s}, AuditHeads: &AuditHeads{s}, Rollups: &Rollups{s}, Costs: &Costs{s}, Told: &Told{s},
	}
}

// Open connects to ClickHouse and verifies that it is reachable. It neither
// migrates nor checks: call Migrate, where that is wanted, and then Check.
func Open(ctx context.Context, o Options) (*Warehouse, error) {
	options, err := clickhouse.ParseDSN(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("parse ClickHouse DSN: %w", err)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	options.MaxOpenConns, options.MaxIdleConns = o.MaxConns, o.MaxConns
	options.DialTimeout = dialTimeout
	options.ReadTimeout = insertSeconds*time.Second + grace
	options.ConnMaxLifetime = time.Hour
	options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}

	w := newWarehouse(&server{options: options, logger: o.Logger, wall: &wall{}})
	w.wall.keys, w.wall.known = pass.ReaderOf(options.Auth.Username, options.Auth.Password)
	for _, pool := range []struct {
		conn     *driver.Conn
		settings clickhouse.Settings
	}{{&w.write, writeSettings()}, {&w.facts, readSettings()}, {&w.read, readSettings()}} {
		if *pool.conn, err = connect(options, pool.settings); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	w.facts, w.read = &walled{w.facts, w.wall}, &walled{w.read, w.wall}
	w.metrics = newMetrics(o.Registerer, w.OpenConnections)
	if err := w.write.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach ClickHouse at %v: %w", options.Addr, err), w.Close())
	}
	if err := w.openReader(ctx); err != nil {
		w.logger.Debug("no reader in ClickHouse yet", "error", err)
	}
	return w, nil
}

func connect(base *clickhouse.Options, settings clickhouse.Settings) (driver.Conn, error) {
	options := *base
	options.Settings = settings
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return conn, nil
}

// writeSettings make an accepted insert a stored one. ClickHouse's own insert
// de-duplication and asynchronous inserts are off because both lose acked rows.
func writeSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert":                     0,
		"deduplicate_insert":               "disable",
		"materialized_views_ignore_errors": 0,
		"max_execution_time":               insertSeconds,
		"max_query_size":                   maxQueryText,
	}
}

// readSettings bound every read. With readonly 2 a statement can read and change
// settings, and nothing else.
func readSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"readonly":           2,
		"max_execution_time": readSeconds,
		"max_memory_usage":   maxReadBytes,
		"max_rows_to_read":   maxReadRows,
		"max_query_size":     maxQueryText,
		"do_not_merge_across_partitions_select_final": 1,
	}
}

// Close closes the connections.
func (w *Warehouse) Close() error {
	var faults []error
	for _, pool := range []driver.Conn{w.wall.reader, w.read, w.facts, w.write} {
		if pool != nil {
			faults = append(faults, pool.Close())
		}
	}
	return errors.Join(faults...)
}

// Ping reports whether ClickHouse answers.
func (w *Warehouse) Ping(ctx context.Context) error {
	if err := w.write.Ping(ctx); err != nil {
		return fmt.Errorf("ping ClickHouse: %w", err)
	}
	return nil
}

// OpenConnections returns how many connections are open.
func (w *Warehouse) OpenConnections() int {
	open := w.write.Stats().Open + w.facts.Stats().Open + w.read.Stats().Open
	if w.wall.reader != nil {
		open += w.wall.reader.Stats().Open
	}
	return open
}

// Now returns the server's clock, which stamps inserted_at.
func (w *Warehouse) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := each(ctx, w.facts, func(r driver.Rows) error { return r.Scan(&now) }, "SELECT now64(3, 'UTC')"); err != nil {
		return time.Time{}, fmt.Errorf("read ClickHouse clock: %w", err)
	}
	return now.UTC(), nil
}
