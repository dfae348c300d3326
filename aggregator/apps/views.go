package apps

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Bounds of saved views and aliases.
const (
	maxViews     = 200  // of one person in one app
	maxViewText  = 120  // characters of a name
	maxViewQuery = 4096 // bytes
	maxAliases   = 1000 // of an app
	maxAlias     = 200  // bytes of a name
)

// View is a page of the console with its query, under a name.
type View struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Page    string    `json:"page"`
	Query   string    `json:"query"`
	Shared  bool      `json:"shared"` // with all who see the app; only its owner changes it
	By      string    `json:"by"`     // user id
	Mine    bool      `json:"mine"`
	Created time.Time `json:"created_at"`
}

func (v *View) fault() error {
	v.Name = strings.TrimSpace(v.Name)
	switch {
	case v.Name == "" || len([]rune(v.Name)) > maxViewText:
		return postgres.Invalid("a view needs a name of at most %d characters", maxViewText)
	case v.Page == "" || len(v.Page) > 40 || strings.Trim(v.Page, "abcdefghijklmnopqrstuvwxyz-") != "":
		return postgres.Invalid("the page of a view must be a word such as campaigns")
	case len(v.Query) > maxViewQuery:
		return postgres.Invalid("the query of a view is longer than %d bytes", maxViewQuery)
	}
	return nil
}

// Views lists the views of an app that a person sees: their own, and those that others share.
func (a *Apps) Views(ctx context.Context, app, user string) ([]View, error) {
	rows, err := a.pool.Query(ctx, `SELECT id, name, page, query, shared, owner, owner = $2, created_at FROM saved_views
		WHERE app = $1 AND (owner = $2 OR shared) ORDER BY name, id LIMIT 1000`, app, user)
	if err != nil {
		return nil, postgres.Wrap("read views", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v View, err error) {
		err = row.Scan(&v.ID, &v.Name, &v.Page, &v.Query, &v.Shared, &v.By, &v.Mine, &v.Created)
		v.Created = v.Created.UTC()
		return v, err
	})
	return list, postgres.Wrap("read views", err)
}

// SaveView makes a view, or changes the one with its id if it is the person's own.
func (a *Apps) SaveView(ctx context.Context, app, user string, v View) (View, error) {
	if err := v.fault(); err != nil {
		return v, err
	}
	v.By, v.Mine = user, true
	action, fresh := "view.change", v.ID == ""
	if fresh {
		action = "view.create"
		var err error
		if v.ID, err = postgres.NewID(); err != nil {
			return v, err
		}
	}
	err := a.pool.Change(ctx, "save a view", func(tx pgx.Tx) error {
		if fresh {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM saved_views WHERE app = $1 AND owner = $2`, app, user).Scan(&n); err != nil {
				return err
			}
			if n >= maxViews {
				return postgres.Invalid("you have %d views of this app already: delete one first", maxViews)
			}
			err := tx.QueryRow(ctx, `INSERT INTO saved_views (id, app, owner, name, page, query, shared) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING created_at`,
				v.ID, app, user, v.Name, v.Page, v.Query, v.Shared).Scan(&v.Created)
			if err != nil {
				return err
			}
		} else {
			err := tx.QueryRow(ctx, `UPDATE saved_views SET name = $4, page = $5, query = $6, shared = $7 WHERE id = $1 AND app = $2 AND owner = $3 RETURNING created_at`,
				v.ID, app, user, v.Name, v.Page, v.Query, v.Shared).Scan(&v.Created)
			if err != nil {
				return err // no rows: it is nobody's, or somebody else's
			}
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: action, App: app, Target: v.ID, Detail: map[string]any{"name": v.Name, "page": v.Page,
			"shared": v.Shared}})
	})
	v.Created = v.Created.UTC()
	return v, err
}

// DeleteView deletes a view of the person's own.
func (a *Apps) DeleteView(ctx context.Context, app, user, id string) error {
	return a.pool.Change(ctx, "delete a view", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM saved_views WHERE id = $1 AND app = $2 AND owner = $3`, id, app, user)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return postgres.ErrNotFound
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "view.delete", App: app, Target: id})
	})
}

// Aliases are the names that people are shown for media sources, by the stored names in small letters.
func (a *Apps) Aliases(ctx context.Context, app string) (map[string]string, error) {
	rows, err := a.pool.Query(ctx, `SELECT name, shown FROM media_source_aliases WHERE app = $1`, app)
	if err != nil {
		return nil, postgres.Wrap("read aliases", err)
	}
	list := make(map[string]string)
	var name, shown string
	_, err = pgx.ForEachRow(rows, []any{&name, &shown}, func() error { list[name] = shown; return nil })
	return list, postgres.Wrap("read aliases", err)
}

// PutAliases replaces the aliases of an app. Stored events do not change.
func (a *Apps) PutAliases(ctx context.Context, app string, aliases map[string]string) (map[string]string, error) {
	if len(aliases) > maxAliases {
		return nil, postgres.Invalid("there are more than %d aliases", maxAliases)
	}
	clean := make(map[string]string, len(aliases))
	var names, shown []string
	for name, to := range aliases {
		name, to = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(to)
		if name == "" || to == "" || len(name) > maxAlias || len(to) > maxAlias {
			return nil, postgres.Invalid("the alias %.40q to %.40q must have two names of 1 to %d bytes", name, to, maxAlias)
		}
		if old, twice := clean[name]; twice && old != to {
			return nil, postgres.Invalid("the media source %.40q has two aliases", name)
		}
		clean[name] = to
	}
	for name, to := range clean {
		if next, chained := clean[strings.ToLower(to)]; chained && next != to {
			return nil, postgres.Invalid("%.40q leads to %.40q, which leads on to %.40q: name the last one", name, to, next)
		}
		names, shown = append(names, name), append(shown, to)
	}
	return clean, a.pool.Change(ctx, "change aliases", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM media_source_aliases WHERE app = $1`, app); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO media_source_aliases (app, name, shown) SELECT $1, * FROM unnest($2::text[], $3::text[])`, app, names,
			shown); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "aliases.change", App: app, Target: app, Detail: map[string]any{"aliases": len(clean)}})
	})
}
