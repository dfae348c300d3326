// Package apps is what belongs to an app: its keys, tracking links, attribution settings, the exchange
// rates that its reports convert with, and the runs that it ordered. The app is the boundary between
// tenants.
//
// Whatever agents are told (apps, keys, links) grows the settings generation in the transaction of the
// change: see [Apps.Settings]. Keys are stored as SHA-256.
package apps

import (
	"context"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Limits of an app.
const (
	maxApps    = 10_000
	maxOrigins = 100
)

// Apps are the apps of an installation with what belongs to each.
type Apps struct{ pool *postgres.Pool }

// New gives the apps of a database.
func New(pool *postgres.Pool) *Apps { return &Apps{pool: pool} }

// App is one app (or site): the boundary between tenants.
type App struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Currency string    `json:"currency"`          // ISO 4217, of reports; default EUR
	Timezone string    `json:"timezone"`          // IANA name, of reports; default UTC
	Origins  []string  `json:"origins,omitempty"` // allowed CORS origins; empty means any
	Created  time.Time `json:"created_at"`

	// Addresses is the policy for people's IP addresses: "" is all, "truncate" the network, "drop" nothing.
	Addresses protocol.AddressPolicy `json:"addresses,omitempty"`

	Hosted
}

// AppChange changes the fields that are not nil.
type AppChange struct {
	Name     *string   `json:"name,omitempty"`
	Currency *string   `json:"currency,omitempty"`
	Timezone *string   `json:"timezone,omitempty"`
	Origins  *[]string `json:"origins,omitempty"`

	Addresses *protocol.AddressPolicy `json:"addresses,omitempty"`

	LinkHosts   *[]string              `json:"link_hosts,omitempty"`
	AppleAppIDs *[]string              `json:"apple_app_ids,omitempty"`
	AndroidApps *[]protocol.AndroidApp `json:"android_apps,omitempty"`
}

const appColumns = `id, name, currency, timezone, origins, created_at, addresses, link_hosts, apple_app_ids, android_apps`

func scanApp(row pgx.CollectableRow) (app App, err error) {
	err = row.Scan(&app.ID, &app.Name, &app.Currency, &app.Timezone, &app.Origins, &app.Created, &app.Addresses,
		&app.LinkHosts, &app.AppleAppIDs, &app.AndroidApps)
	app.Created = app.Created.UTC()
	return app, err
}

// CreateApp makes an app with the default attribution settings. ID and Created are set here.
func (a *Apps) CreateApp(ctx context.Context, app App) (App, error) {
	if app.Currency == "" {
		app.Currency = "EUR"
	}
	if app.Timezone == "" {
		app.Timezone = "UTC"
	}
	if app.Origins == nil {
		app.Origins = []string{}
	}
	if err := app.validate(); err != nil {
		return App{}, err
	}
	var err error
	if app.ID, err = postgres.NewToken("app_", 10); err != nil {
		return App{}, err
	}
	err = a.pool.Change(ctx, "create app", func(tx pgx.Tx) error {
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM apps WHERE deleted_at IS NULL`).Scan(&count); err != nil {
			return err
		}
		if count >= maxApps {
			return postgres.Invalid("there are %d apps already, the limit is %d", count, maxApps)
		}
		if err := app.unclaimed(ctx, tx, app.ID); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `INSERT INTO apps (id, name, currency, timezone, origins, addresses, link_hosts, apple_app_ids, android_apps)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING created_at`,
			app.ID, app.Name, app.Currency, app.Timezone, app.Origins, app.Addresses, app.LinkHosts, app.AppleAppIDs, app.AndroidApps).Scan(&app.Created)
		if err != nil {
			return err
		}
		if err := putSettings(ctx, tx, app.ID, attribution.Default(), time.Unix(0, 0).UTC()); err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "app.create", Target: app.ID, App: app.ID, Detail: app})
	})
	app.Created = app.Created.UTC()
	return app, err
}

func (app *App) validate() error {
	if err := postgres.ValidName("name", app.Name); err != nil {
		return err
	}
	if app.Name == "" {
		return postgres.Invalid("name is empty: give the app a name")
	}
	if !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(app.Currency) {
		return postgres.Invalid("currency %.20q is not an ISO 4217 code such as EUR", app.Currency)
	}
	if _, err := time.LoadLocation(app.Timezone); err != nil || app.Timezone == "Local" {
		return postgres.Invalid("timezone %.40q is not an IANA name such as Europe/Berlin", app.Timezone)
	}
	switch app.Addresses {
	case protocol.KeepAddresses, protocol.TruncateAddresses, protocol.DropAddresses:
	default:
		return postgres.Invalid("addresses %.20q must be empty, %s or %s", app.Addresses, protocol.TruncateAddresses, protocol.DropAddresses)
	}
	if err := app.Hosted.validate(); err != nil {
		return err
	}
	if len(app.Origins) > maxOrigins {
		return postgres.Invalid("origins has %d entries, the limit is %d", len(app.Origins), maxOrigins)
	}
	for _, origin := range app.Origins {
		u, err := url.Parse(origin)
		if err != nil || len(origin) > 300 || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
			return postgres.Invalid("origin %.60q is not like https://www.example.com", origin)
		}
	}
	return nil
}

// Apps lists every app that is not deleted, oldest first.
func (a *Apps) List(ctx context.Context) ([]App, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE deleted_at IS NULL ORDER BY created_at, id`)
	if err != nil {
		return nil, postgres.Wrap("list apps", err)
	}
	apps, err := pgx.CollectRows(rows, scanApp)
	return apps, postgres.Wrap("list apps", err)
}

// App returns one app, ErrNotFound if there is none or it was deleted.
func (a *Apps) App(ctx context.Context, id string) (App, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE id = $1 AND deleted_at IS NULL`, id)
	if err != nil {
		return App{}, postgres.Wrap("read app", err)
	}
	app, err := pgx.CollectExactlyOneRow(rows, scanApp)
	return app, postgres.Wrap("read app", err)
}

// UpdateApp changes an app.
func (a *Apps) UpdateApp(ctx context.Context, id string, change AppChange) (App, error) {
	var app App
	err := a.pool.Change(ctx, "change app", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, id)
		if err != nil {
			return err
		}
		before, err := pgx.CollectExactlyOneRow(rows, scanApp)
		if err != nil {
			return err
		}
		app = before
		postgres.Assign(&app.Name, change.Name)
		postgres.Assign(&app.Currency, change.Currency)
		postgres.Assign(&app.Timezone, change.Timezone)
		postgres.Assign(&app.Origins, change.Origins)
		postgres.Assign(&app.Addresses, change.Addresses)
		postgres.Assign(&app.LinkHosts, change.LinkHosts)
		postgres.Assign(&app.AppleAppIDs, change.AppleAppIDs)
		postgres.Assign(&app.AndroidApps, change.AndroidApps)
		if app.Origins == nil {
			app.Origins = []string{}
		}
		if err := app.validate(); err != nil {
			return err
		}
		if err := app.unclaimed(ctx, tx, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE apps SET name = $2, currency = $3, timezone = $4, origins = $5, addresses = $6,
			link_hosts = $7, apple_app_ids = $8, android_apps = $9 WHERE id = $1`,
			id, app.Name, app.Currency, app.Timezone, app.Origins, app.Addresses, app.LinkHosts, app.AppleAppIDs, app.AndroidApps)
		if err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "app.change", Target: id, App: id, Detail: postgres.Diff{Before: before, After: app}})
	})
	return app, err
}

// DeleteApp hides an app and revokes its keys. Its events stay until they are erased.
func (a *Apps) DeleteApp(ctx context.Context, id string) error {
	return a.pool.Change(ctx, "delete app", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE apps SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL`, id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if _, err := tx.Exec(ctx, `UPDATE app_keys SET revoked_at = now() WHERE app = $1 AND revoked_at IS NULL`, id); err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "app.delete", Target: id, App: id})
	})
}
