package warehouse

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateTimeout bounds one statement of a migration: some copy a table.
const migrateTimeout = 6 * time.Hour

// Migrate brings the database to the schema of this program. Several nodes may
// do so at once: every statement creates only missing objects.
func (w *Warehouse) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("find ClickHouse migrations: %w", err)
	}
	options := *w.options
	options.Settings = writeSettings()
	options.ReadTimeout = migrateTimeout
	db := clickhouse.OpenDB(&options)
	defer db.Close()
	if err := w.up(ctx, db, files, goose.DefaultTablename); err != nil {
		return err
	}
	missing, err := w.missing(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		w.logger.Warn("tables or views of ClickHouse are missing and are made again, empty: reconcile what they held", "missing", missing)
		if err := w.remake(ctx, db, files); err != nil {
			return err
		}
	}
	w.buildWall(ctx)
	return nil
}

// up applies the migrations that a table of versions does not have.
func (w *Warehouse) up(ctx context.Context, db *sql.DB, files fs.FS, versions string) error {
	store, err := database.NewStore(database.DialectClickHouse, versions)
	if err != nil {
		return fmt.Errorf("read ClickHouse migrations: %w", err)
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithVerbose(false),
		goose.WithAllowOutofOrder(true)) // none depends on one of another branch
	if err != nil {
		return fmt.Errorf("read ClickHouse migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate ClickHouse: %w", err)
	}
	for _, r := range results {
		w.logger.Info("migrated ClickHouse", "migration", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// remake applies every migration once more; each makes only missing objects.
func (w *Warehouse) remake(ctx context.Context, db *sql.DB, files fs.FS) error {
	const versions = "goose_remake"
	drop := func() error {
		if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+versions); err != nil {
			return fmt.Errorf("make missing tables of ClickHouse: %w", err)
		}
		return nil
	}
	if err := drop(); err != nil { // of a repair that was broken off
		return err
	}
	return errors.Join(w.up(ctx, db, files, versions), drop())
}

var (
	created = regexp.MustCompile(`(?im)^CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS (\w+)`)
	dropped = regexp.MustCompile(`(?im)^DROP (?:TABLE|VIEW) IF EXISTS (\w+)`)
)

// expected lists the tables and views that there are after all migrations, in alphabetical order.
func expected() ([]string, error) {
	names := make(map[string]bool)
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("find ClickHouse migrations: %w", err)
	}
	slices.Sort(files)
	for _, file := range files {
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return nil, fmt.Errorf("read ClickHouse migrations: %w", err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for _, m := range created.FindAllStringSubmatch(up, -1) {
			names[m[1]] = true
		}
		for _, m := range dropped.FindAllStringSubmatch(up, -1) {
			delete(names, m[1])
		}
	}
	return sortedKeys(names), nil
}

// missing lists the tables and views that should be there and are not. A view that is missing is worse
// than a table: inserts go on, and the rows that it should copy are not copied.
func (w *server) missing(ctx context.Context) ([]string, error) {
	wanted, err := expected()
	if err != nil {
		return nil, err
	}
	present := make(map[string]bool)
	err = each(ctx, w.write, func(r driver.Rows) error {
		var name string
		err := r.Scan(&name)
		present[name] = true
		return err
	}, "SELECT name FROM system.tables WHERE database = currentDatabase()")
	if err != nil {
		return nil, fmt.Errorf("read ClickHouse tables: %w", err)
	}
	return slices.DeleteFunc(wanted, func(name string) bool { return present[name] }), nil
}
