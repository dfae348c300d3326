package warehouse

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database to the schema of this program. Several nodes may
// do so at once: every statement creates only what is missing.
func (w *Warehouse) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("find ClickHouse migrations: %w", err)
	}
	options := *w.options
	options.Settings = writeSettings()
	db := clickhouse.OpenDB(&options)
	defer db.Close()
	provider, err := goose.NewProvider(database.DialectClickHouse, db, files, goose.WithVerbose(false))
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
