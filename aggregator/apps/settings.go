package apps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxSettingsVersions bounds the history of one app's settings.
const maxSettingsVersions = 10_000

// SettingsVersion is one version of an app's attribution settings and since when it applies.
type SettingsVersion struct {
	attribution.Settings
	From time.Time `json:"valid_from"` // applies to conversions from then on
	By   string    `json:"created_by"` // user id
}

// Settings returns what agents need: apps, keys that are not revoked, and links, of one moment.
func (a *Apps) Settings(ctx context.Context) (protocol.Settings, error) {
	var s protocol.Settings
	err := pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT timeline, generation FROM settings_generation`).Scan(&s.Timeline, &s.Generation); err != nil {
			return err
		}
		var err error
		if s.Apps, err = postgres.Collect(ctx, tx, scanAgentApp, `SELECT id, name, origins, addresses, link_hosts, apple_app_ids, android_apps FROM apps WHERE deleted_at IS NULL ORDER BY id`); err != nil {
			return err
		}
		if s.Keys, err = postgres.Collect(ctx, tx, scanAgentKey, `SELECT hash, app, kind FROM app_keys WHERE revoked_at IS NULL ORDER BY id`); err != nil {
			return err
		}
		if s.Edges, err = postgres.Collect(ctx, tx, pgx.RowToStructByPos[protocol.Edge],
			`SELECT url, region, zone FROM agents WHERE url <> '' AND revoked_at IS NULL ORDER BY name, id`); err != nil {
			return err
		}
		s.Links, err = postgres.Collect(ctx, tx, scanAgentLink, `SELECT `+linkColumns+` FROM links
			WHERE app IN (SELECT id FROM apps WHERE deleted_at IS NULL) ORDER BY id`)
		return err
	})
	return s, postgres.Wrap("read settings", err)
}

func scanAgentApp(row pgx.CollectableRow) (app protocol.App, err error) {
	err = row.Scan(&app.ID, &app.Name, &app.Origins, &app.Addresses, &app.LinkHosts, &app.AppleAppIDs, &app.AndroidApps)
	return app, err
}

func scanAgentKey(row pgx.CollectableRow) (key protocol.Key, err error) {
	err = row.Scan(&key.Hash, &key.App, &key.Kind)
	return key, err
}

func scanAgentLink(row pgx.CollectableRow) (protocol.Link, error) {
	link, err := scanLink(row)
	return protocol.Link{
		ID: link.ID, Slug: link.Slug, App: link.App, MediaSource: link.MediaSource, Campaign: link.Campaign,
		AdSet: link.AdSet, Ad: link.Ad, Keyword: link.Keyword, Retargeting: link.Retargeting,
		DeepLinks: link.DeepLinks, Redirects: link.Redirects, Stores: link.Stores, Fallback: link.Fallback, Open: link.Open,
	}, err
}

// AppSettings returns the versions of the attribution settings of every app that are in force
// at some time, oldest first: a version that was applied from a past date replaces those from
// then on.
func (a *Apps) AppSettings(ctx context.Context) (map[string][]SettingsVersion, error) {
	rows, err := a.pool.Query(ctx, `SELECT app, `+versionColumns+` FROM app_settings ORDER BY app, generation`)
	if err != nil {
		return nil, postgres.Wrap("read app settings", err)
	}
	versions := map[string][]SettingsVersion{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var app string
		v, err := scanVersion(row, &app)
		versions[app] = inForce(versions[app], v)
		return struct{}{}, err
	})
	return versions, postgres.Wrap("read app settings", err)
}

// inForce adds a version to those in force: from its beginning on it replaces all others.
func inForce(versions []SettingsVersion, v SettingsVersion) []SettingsVersion {
	for len(versions) > 0 && !versions[len(versions)-1].From.Before(v.From) {
		versions = versions[:len(versions)-1]
	}
	return append(versions, v)
}

const versionColumns = `settings, valid_from, created_by`

// scanVersion reads versionColumns, after whatever columns come first.
func scanVersion(row pgx.CollectableRow, first ...any) (v SettingsVersion, err error) {
	var text []byte
	if err := row.Scan(append(first, &text, &v.From, &v.By)...); err != nil {
		return v, err
	}
	v.From = v.From.UTC()
	v.Settings = attribution.Default() // for fields that an older version does not have
	v.ConversionEvents = nil
	if err := json.Unmarshal(text, &v.Settings); err != nil {
		return v, fmt.Errorf("decode settings: %w", err)
	}
	return v, nil
}

// SettingsOf returns the versions of one app's attribution settings, newest first.
func (a *Apps) SettingsOf(ctx context.Context, app string) ([]SettingsVersion, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+versionColumns+` FROM app_settings WHERE app = $1 ORDER BY generation DESC LIMIT 200`, app)
	if err != nil {
		return nil, postgres.Wrap("read settings of app", err)
	}
	versions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (SettingsVersion, error) { return scanVersion(row) })
	return versions, postgres.Wrap("read settings of app", err)
}

// PutSettings adds a version of an app's attribution settings, which applies from now on. The
// generation in s is that of the version it was made from: if another was added since, ErrExists.
func (a *Apps) PutSettings(ctx context.Context, app string, s attribution.Settings) (SettingsVersion, error) {
	return a.ApplySettings(ctx, app, s, time.Time{})
}

// earliestSettings is the earliest time that settings can apply from: no event is older.
var earliestSettings = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ApplySettings is PutSettings for a version that applies from a past time on: the events stored
// since are derived and attributed again by it. The zero time is now. The audit log says from when.
func (a *Apps) ApplySettings(ctx context.Context, app string, s attribution.Settings, from time.Time) (SettingsVersion, error) {
	var version SettingsVersion
	err := a.pool.Change(ctx, "change settings of app", func(tx pgx.Tx) error {
		if err := Lock(ctx, tx, app); err != nil {
			return err
		}
		var current uint64
		var text []byte
		var now time.Time
		err := tx.QueryRow(ctx, `SELECT generation, settings, date_trunc('milliseconds', clock_timestamp())
			FROM app_settings WHERE app = $1 ORDER BY generation DESC LIMIT 1`, app).Scan(&current, &text, &now)
		if err != nil {
			return err
		}
		if s.Generation != current {
			return fmt.Errorf("generation %d is not the current %d: %w", s.Generation, current, postgres.ErrExists)
		}
		if current >= maxSettingsVersions {
			return postgres.Invalid("the app has %d versions of settings, which is the limit", current)
		}
		s.Generation = current + 1
		if s.ConversionEvents == nil {
			s.ConversionEvents = []string{}
		}
		if faults := s.Validate(); len(faults) > 0 {
			return postgres.Invalid("%s", errors.Join(faults...))
		}
		action := "settings.change"
		switch {
		case from.IsZero():
			from = now
		case from.After(now) || from.Before(earliestSettings):
			return postgres.Invalid("settings can apply from a time between 2000 and now, not from %s", from.UTC().Format(time.RFC3339))
		default:
			action = "settings.apply_from"
		}
		from = from.UTC().Truncate(time.Millisecond)
		if err := putSettings(ctx, tx, app, s, from); err != nil {
			return err
		}
		version = SettingsVersion{Settings: s, From: from, By: postgres.ActorOf(ctx).ID}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: action, Target: app, App: app, Detail: postgres.Diff{Before: json.RawMessage(text), After: version}})
	})
	return version, err
}

// Outrank raises the generation of an app's settings in force above one that results were stored under.
// In a restored database they would else be taken for older than those of a history that was lost, and no
// result of theirs would ever count. It says whether it had to.
func (a *Apps) Outrank(ctx context.Context, app string, stored uint64) (raised bool, err error) {
	err = a.pool.Change(ctx, "outrank lost settings", func(tx pgx.Tx) error {
		var current uint64
		err := tx.QueryRow(ctx, `SELECT generation FROM app_settings WHERE app = $1 ORDER BY generation DESC LIMIT 1 FOR UPDATE`, app).Scan(&current)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && current >= stored {
			return nil // no app of this database, or nothing was lost
		}
		if err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `UPDATE app_settings SET generation = $3, settings = jsonb_set(settings::jsonb, '{generation}', to_jsonb($3::bigint))
			WHERE app = $1 AND generation = $2`, app, current, stored+1); err != nil {
			return err
		}
		raised = true
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "settings.outrank", Target: app, App: app,
			Detail: postgres.Diff{Before: current, After: stored + 1}})
	})
	return raised, err
}

func putSettings(ctx context.Context, tx pgx.Tx, app string, s attribution.Settings, from time.Time) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO app_settings (app, generation, settings, valid_from, created_by) VALUES ($1, $2, $3, $4, $5)`,
		app, s.Generation, string(text), from, postgres.ActorOf(ctx).ID)
	return err
}
