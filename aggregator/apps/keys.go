package apps

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const (
	keyBytes    = 20 // of entropy in a key
	prefixBytes = 10 // characters of a key that are shown, to tell keys apart
	maxKeys     = 100
)

// Key is a write key of an app. The key itself is shown once and not kept.
type Key struct {
	ID      string           `json:"id"`
	App     string           `json:"app"`
	Name    string           `json:"name"`
	Kind    protocol.KeyKind `json:"kind"`
	Prefix  string           `json:"prefix"`
	Created time.Time        `json:"created_at"`
	Revoked *time.Time       `json:"revoked_at"`
}

// CreateKey makes a key of an app and returns it with its description.
func (a *Apps) CreateKey(ctx context.Context, app string, kind protocol.KeyKind, name string) (Key, string, error) {
	prefix := map[protocol.KeyKind]string{protocol.KeyClient: "wk_", protocol.KeyServer: "sk_"}[kind]
	if prefix == "" {
		return Key{}, "", postgres.Invalid("kind %.20q is unknown: use %q or %q", kind, protocol.KeyClient, protocol.KeyServer)
	}
	if err := postgres.ValidName("name", name); err != nil {
		return Key{}, "", err
	}
	secret, err := postgres.NewToken(prefix, keyBytes)
	if err != nil {
		return Key{}, "", err
	}
	id, err := postgres.NewID()
	if err != nil {
		return Key{}, "", err
	}
	key := Key{ID: id, App: app, Name: name, Kind: kind, Prefix: secret[:prefixBytes]}
	hash := sha256.Sum256([]byte(secret))
	err = a.pool.Change(ctx, "create key", func(tx pgx.Tx) error {
		if err := Lock(ctx, tx, app); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM app_keys WHERE app = $1 AND revoked_at IS NULL`, app).Scan(&count); err != nil {
			return err
		}
		if count >= maxKeys {
			return postgres.Invalid("the app has %d keys, the limit is %d: revoke one first", count, maxKeys)
		}
		err := tx.QueryRow(ctx, `INSERT INTO app_keys (id, app, name, kind, prefix, hash) VALUES ($1, $2, $3, $4, $5, $6) RETURNING created_at`,
			key.ID, app, name, kind, key.Prefix, hash[:]).Scan(&key.Created)
		if err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "key.create", Target: key.ID, App: app, Detail: key})
	})
	if err != nil {
		return Key{}, "", err
	}
	key.Created = key.Created.UTC()
	return key, secret, nil
}

// lockApp keeps an app from being deleted or changed until the transaction ends.
func Lock(ctx context.Context, tx pgx.Tx, id string) error {
	var found string
	return tx.QueryRow(ctx, `SELECT id FROM apps WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, id).Scan(&found)
}

// Keys lists the keys of an app, revoked ones too, newest first.
func (a *Apps) Keys(ctx context.Context, app string) ([]Key, error) {
	rows, err := a.pool.Query(ctx, `SELECT id, app, name, kind, prefix, created_at, revoked_at FROM app_keys
		WHERE app = $1 ORDER BY created_at DESC, id DESC LIMIT 1000`, app)
	if err != nil {
		return nil, postgres.Wrap("list keys", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k Key, err error) {
		err = row.Scan(&k.ID, &k.App, &k.Name, &k.Kind, &k.Prefix, &k.Created, &k.Revoked)
		k.Created = k.Created.UTC()
		return k, err
	})
	return keys, postgres.Wrap("list keys", err)
}

// RevokeKey ends a key of the app. Agents refuse it as soon as they have the new settings.
func (a *Apps) RevokeKey(ctx context.Context, app, id string) error {
	return a.pool.Change(ctx, "revoke key", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE app_keys SET revoked_at = now() WHERE app = $1 AND id = $2 AND revoked_at IS NULL`, app, id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "key.revoke", Target: id, App: app})
	})
}
