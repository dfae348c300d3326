package accounts

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Limits of an app.
const (
	maxApps    = 10_000
	maxName    = 200 // characters
	maxOrigins = 100
)

// App is one app (or site): the boundary between tenants.
type App struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Currency string    `json:"currency"`          // ISO 4217, of reports; default EUR
	Timezone string    `json:"timezone"`          // IANA name, of reports; default UTC
	Origins  []string  `json:"origins,omitempty"` // allowed CORS origins; empty means any
	Created  time.Time `json:"created_at"`

	// Addresses says what is stored of people's IP addresses: "" is all, "truncate" the network, "drop" nothing.
	Addresses protocol.AddressPolicy `json:"addresses,omitempty"`
}

// AppChange changes the fields that are not nil.
type AppChange struct {
	Name     *string   `json:"name,omitempty"`
	Currency *string   `json:"currency,omitempty"`
	Timezone *string   `json:"timezone,omitempty"`
	Origins  *[]string `json:"origins,omitempty"`

	Addresses *protocol.AddressPolicy `json:"addresses,omitempty"`
}

const appColumns = `id, name, currency, timezone, origins, created_at, addresses`

func scanApp(row pgx.CollectableRow) (app App, err error) {
	err = row.Scan(&app.ID, &app.Name, &app.Currency, &app.Timezone, &app.Origins, &app.Created, &app.Addresses)
	app.Created = app.Created.UTC()
	return app, err
}

// CreateApp makes an app with the default attribution settings. ID and Created are set here.
func (a *Accounts) CreateApp(ctx context.Context, app App) (App, error) {
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
	if app.ID, err = newToken("app_", 10); err != nil {
		return App{}, err
	}
	err = a.change(ctx, "create app", func(tx pgx.Tx) error {
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM apps WHERE deleted_at IS NULL`).Scan(&count); err != nil {
			return err
		}
		if count >= maxApps {
			return invalid("there are %d apps already, the limit is %d", count, maxApps)
		}
		err := tx.QueryRow(ctx, `INSERT INTO apps (id, name, currency, timezone, origins, addresses) VALUES ($1, $2, $3, $4, $5, $6) RETURNING created_at`,
			app.ID, app.Name, app.Currency, app.Timezone, app.Origins, app.Addresses).Scan(&app.Created)
		if err != nil {
			return err
		}
		if err := putSettings(ctx, tx, app.ID, attribution.Default(), time.Unix(0, 0).UTC()); err != nil {
			return err
		}
		if err := grow(ctx, tx); err != nil {
			return err
		}
		return audit(ctx, tx, happened{action: "app.create", target: app.ID, app: app.ID, detail: app})
	})
	app.Created = app.Created.UTC()
	return app, err
}

func (app *App) validate() error {
	if err := validName("name", app.Name); err != nil {
		return err
	}
	if app.Name == "" {
		return invalid("name is empty: give the app a name")
	}
	if !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(app.Currency) {
		return invalid("currency %.20q is not an ISO 4217 code such as EUR", app.Currency)
	}
	if _, err := time.LoadLocation(app.Timezone); err != nil || app.Timezone == "Local" {
		return invalid("timezone %.40q is not an IANA name such as Europe/Berlin", app.Timezone)
	}
	switch app.Addresses {
	case protocol.KeepAddresses, protocol.TruncateAddresses, protocol.DropAddresses:
	default:
		return invalid("addresses %.20q must be empty, %s or %s", app.Addresses, protocol.TruncateAddresses, protocol.DropAddresses)
	}
	if len(app.Origins) > maxOrigins {
		return invalid("origins has %d entries, the limit is %d", len(app.Origins), maxOrigins)
	}
	for _, origin := range app.Origins {
		u, err := url.Parse(origin)
		if err != nil || len(origin) > 300 || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
			return invalid("origin %.60q is not like https://www.example.com", origin)
		}
	}
	return nil
}

// validName refuses what would not be readable on a screen or in a log.
func validName(field, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return invalid("%s has control characters or is not UTF-8", field)
	}
	if utf8.RuneCountInString(value) > maxName {
		return invalid("%s is longer than %d characters", field, maxName)
	}
	return nil
}

// Apps lists every app that is not deleted, oldest first.
func (a *Accounts) Apps(ctx context.Context) ([]App, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE deleted_at IS NULL ORDER BY created_at, id`)
	if err != nil {
		return nil, wrap("list apps", err)
	}
	apps, err := pgx.CollectRows(rows, scanApp)
	return apps, wrap("list apps", err)
}

// App returns one app, ErrNotFound if there is none or it was deleted.
func (a *Accounts) App(ctx context.Context, id string) (App, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE id = $1 AND deleted_at IS NULL`, id)
	if err != nil {
		return App{}, wrap("read app", err)
	}
	app, err := pgx.CollectExactlyOneRow(rows, scanApp)
	return app, wrap("read app", err)
}

// UpdateApp changes an app.
func (a *Accounts) UpdateApp(ctx context.Context, id string, change AppChange) (App, error) {
	var app App
	err := a.change(ctx, "change app", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+appColumns+` FROM apps WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, id)
		if err != nil {
			return err
		}
		before, err := pgx.CollectExactlyOneRow(rows, scanApp)
		if err != nil {
			return err
		}
		app = before
		assign(&app.Name, change.Name)
		assign(&app.Currency, change.Currency)
		assign(&app.Timezone, change.Timezone)
		assign(&app.Origins, change.Origins)
		assign(&app.Addresses, change.Addresses)
		if app.Origins == nil {
			app.Origins = []string{}
		}
		if err := app.validate(); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE apps SET name = $2, currency = $3, timezone = $4, origins = $5, addresses = $6 WHERE id = $1`,
			id, app.Name, app.Currency, app.Timezone, app.Origins, app.Addresses)
		if err != nil {
			return err
		}
		if err := grow(ctx, tx); err != nil {
			return err
		}
		return audit(ctx, tx, happened{action: "app.change", target: id, app: id, detail: diff{before, app}})
	})
	return app, err
}

// diff is the detail of a change.
type diff struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

func assign[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// DeleteApp hides an app and revokes its keys. Its events stay until they are erased.
func (a *Accounts) DeleteApp(ctx context.Context, id string) error {
	return a.change(ctx, "delete app", func(tx pgx.Tx) error {
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
		if err := grow(ctx, tx); err != nil {
			return err
		}
		return audit(ctx, tx, happened{action: "app.delete", target: id, app: id})
	})
}
