package warehouse

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateTimeout bounds one statement of a migration: some copy a table.
const migrateTimeout = 6 * time.Hour

// Migrate brings the database to the schema of this program. Several nodes may
// do so at once: every statement creates only what is missing.
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
	provider, err := goose.NewProvider(database.DialectClickHouse, db, files, goose.WithVerbose(false),
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
	w.buildWall(ctx)
	return nil
}
