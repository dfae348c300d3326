package deliveries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postback"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Bounds of an app.
const (
	maxPostbacks  = 200
	maxSecrets    = 10
	maxSecretSize = 4 << 10 // bytes
)

// Item is a postback as people see it: without its secrets.
type Item struct {
	postback.Definition
	ID      string    `json:"id"`
	App     string    `json:"app"`
	Signed  bool      `json:"signed"`            // requests carry a signature
	Secrets []string  `json:"secrets,omitempty"` // names of those that are set
	Since   time.Time `json:"since"`             // conversions received before are not sent
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
	Counts  Counts    `json:"counts"`
}

// Counts are the deliveries of the last thirty days by state.
type Counts struct {
	Due       int64 `json:"due"`
	Delivered int64 `json:"delivered"`
	Dead      int64 `json:"dead"`
	Withdrawn int64 `json:"withdrawn"`
}

// Change is what somebody wants a postback to be. Secrets that are not named stay; an empty one is removed.
type Change struct {
	postback.Definition
	Signing *string           `json:"signing_secret,omitempty"` // nil leaves it, empty removes it
	Secrets map[string]string `json:"secrets,omitempty"`
}

// check refuses what could not be sent.
func (c *Change) check() error {
	var bad *postback.InvalidError
	err := c.Definition.Check()
	if errors.As(err, &bad) {
		return postgres.Invalid("%s", bad.Error())
	}
	if len(c.Secrets) > maxSecrets {
		return postgres.Invalid("secrets: %d of them, at most %d", len(c.Secrets), maxSecrets)
	}
	for name, value := range c.Secrets {
		if len(name) > 100 || len(value) > maxSecretSize {
			return postgres.Invalid("secrets: a name has at most 100 bytes and a value at most %d", maxSecretSize)
		}
	}
	return err
}

// apply changes secrets.
func (c *Change) apply(s *Secrets) {
	if c.Signing != nil {
		s.Signing = *c.Signing
	}
	for name, value := range c.Secrets {
		if s.Named == nil {
			s.Named = make(map[string]string)
		}
		if s.Named[name] = value; value == "" {
			delete(s.Named, name)
		}
	}
}

// Create makes a postback of an app.
func (l *Ledger) Create(ctx context.Context, app string, c Change) (Item, error) {
	if err := c.check(); err != nil {
		return Item{}, err
	}
	id, err := postgres.NewID()
	if err != nil {
		return Item{}, err
	}
	var secrets Secrets
	c.apply(&secrets)
	err = l.Change(ctx, "create postback", func(tx pgx.Tx) error {
		var found string
		if err := tx.QueryRow(ctx, `SELECT id FROM apps WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, app).Scan(&found); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM postbacks WHERE app = $1`, app).Scan(&count); err != nil {
			return err
		}
		if count >= maxPostbacks {
			return postgres.Invalid("the app has %d postbacks, the limit is %d: delete some first", count, maxPostbacks)
		}
		definition, sealed, err := l.encode(ctx, tx, id, &c.Definition, secrets)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO postbacks (id, app, definition, sealed, created_by) VALUES ($1, $2, $3, $4, $5)`,
			id, app, definition, sealed, postgres.ActorOf(ctx).ID)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "postback.create", Target: id, App: app, Detail: c.Definition})
	})
	if err != nil {
		return Item{}, err
	}
	return l.Item(ctx, app, id)
}

func (l *Ledger) encode(ctx context.Context, tx pgx.Tx, id string, d *postback.Definition, s Secrets) (definition string, sealed []byte, err error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", nil, fmt.Errorf("encode definition: %w", err)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return "", nil, fmt.Errorf("encode secrets: %w", err)
	}
	sealed, err = l.Seal(ctx, tx, sealName(id), plain)
	return string(text), sealed, err
}

const itemColumns = `id, app, definition, sealed, since, created_at, updated_at,
	(SELECT count(*) FROM deliveries d WHERE d.postback = p.id AND state = 'due'),
	(SELECT count(*) FROM deliveries d WHERE d.postback = p.id AND state = 'delivered'),
	(SELECT count(*) FROM deliveries d WHERE d.postback = p.id AND state = 'dead'),
	(SELECT count(*) FROM deliveries d WHERE d.postback = p.id AND state = 'withdrawn')`

func (l *Ledger) scanItem(row pgx.CollectableRow) (i Item, err error) {
	var definition, sealed []byte
	err = row.Scan(&i.ID, &i.App, &definition, &sealed, &i.Since, &i.Created, &i.Updated,
		&i.Counts.Due, &i.Counts.Delivered, &i.Counts.Dead, &i.Counts.Withdrawn)
	if err != nil {
		return i, err
	}
	i.Since, i.Created, i.Updated = i.Since.UTC(), i.Created.UTC(), i.Updated.UTC()
	if err := json.Unmarshal(definition, &i.Definition); err != nil {
		return i, fmt.Errorf("read definition of postback %s: %w", i.ID, err)
	}
	secrets, err := l.open(i.ID, sealed)
	i.Signed, i.Secrets = secrets.Signing != "", slices.Sorted(maps.Keys(secrets.Named))
	return i, err
}

// Items lists the postbacks of an app by creation.
func (l *Ledger) Items(ctx context.Context, app string) ([]Item, error) {
	rows, err := l.Query(ctx, `SELECT `+itemColumns+` FROM postbacks p WHERE app = $1 ORDER BY id`, app)
	if err != nil {
		return nil, postgres.Wrap("list postbacks", err)
	}
	items, err := pgx.CollectRows(rows, l.scanItem)
	return items, postgres.Wrap("list postbacks", err)
}

// Item returns one postback of an app.
func (l *Ledger) Item(ctx context.Context, app, id string) (Item, error) {
	rows, err := l.Query(ctx, `SELECT `+itemColumns+` FROM postbacks p WHERE app = $1 AND id = $2`, app, id)
	if err != nil {
		return Item{}, postgres.Wrap("read postback", err)
	}
	item, err := pgx.CollectExactlyOneRow(rows, l.scanItem)
	return item, postgres.Wrap("read postback", err)
}

// One returns one postback of an app with its secrets, enabled or not.
func (l *Ledger) One(ctx context.Context, app, id string) (Postback, error) {
	p := Postback{ID: id, App: app}
	var definition, sealed []byte
	err := l.QueryRow(ctx, `SELECT since, definition, sealed FROM postbacks WHERE app = $1 AND id = $2`, app, id).Scan(&p.Since, &definition, &sealed)
	if err == nil {
		err = json.Unmarshal(definition, &p.Definition)
	}
	if err == nil {
		p.Secrets, err = l.open(id, sealed)
	}
	return p, postgres.Wrap("read postback", err)
}

// Replace changes a postback of an app. A delivery that waits for its first try is sent by the new
// definition, one that was tried as it was.
func (l *Ledger) Replace(ctx context.Context, app, id string, c Change) (Item, error) {
	if err := c.check(); err != nil {
		return Item{}, err
	}
	err := l.Change(ctx, "change postback", func(tx pgx.Tx) error {
		var before postback.Definition
		var old, sealed []byte
		if err := tx.QueryRow(ctx, `SELECT definition, sealed FROM postbacks WHERE app = $1 AND id = $2 FOR UPDATE`, app, id).Scan(&old, &sealed); err != nil {
			return err
		}
		if err := json.Unmarshal(old, &before); err != nil {
			return fmt.Errorf("read definition: %w", err)
		}
		secrets, err := l.open(id, sealed)
		if err != nil {
			return err
		}
		c.apply(&secrets)
		definition, sealed, err := l.encode(ctx, tx, id, &c.Definition, secrets)
		if err != nil {
			return err
		}
		woken := c.Enabled && !before.Enabled
		_, err = tx.Exec(ctx, `UPDATE postbacks SET definition = $3, sealed = $4, updated_at = now(), since = CASE WHEN $5 THEN clock_timestamp() ELSE since END
			WHERE app = $1 AND id = $2`, app, id, definition, sealed, woken)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "postback.change", Target: id, App: app, Detail: postgres.Diff{Before: before, After: c.Definition}})
	})
	if err != nil {
		return Item{}, err
	}
	return l.Item(ctx, app, id)
}

// Remove deletes a postback of an app with its delivery log.
func (l *Ledger) Remove(ctx context.Context, app, id string) error {
	return l.Change(ctx, "delete postback", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM postbacks WHERE app = $1 AND id = $2`, app, id)
		if err == nil && done.RowsAffected() == 0 {
			err = pgx.ErrNoRows
		}
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "postback.delete", Target: id, App: app})
	})
}
