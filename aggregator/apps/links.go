package apps

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// Limits of tracking links.
const (
	MaxLinks       = 100_000 // of all apps: agents hold them all
	MaxLinksOfApp  = 20_000  // so that no app uses up the room of all
	maxDestination = 2048    // bytes
	slugBytes      = 5       // of entropy in a slug that was not chosen
)

// Link is a tracking link. Its destinations are the only ones that a click can lead to.
type Link struct {
	ID          string            `json:"id"`
	Slug        string            `json:"slug"`
	App         string            `json:"app"`
	MediaSource string            `json:"media_source"`
	Campaign    string            `json:"campaign,omitempty"`
	AdSet       string            `json:"adset,omitempty"`
	Ad          string            `json:"ad,omitempty"`
	Keyword     string            `json:"keyword,omitempty"`
	Retargeting bool              `json:"retargeting"`
	DeepLinks   map[string]string `json:"deep_links,omitempty"` // by target: ios, android or web, also for a country: ios/DE, */DE
	Redirects   map[string]string `json:"redirects,omitempty"`
	Stores      map[string]string `json:"stores,omitempty"`
	Fallback    string            `json:"fallback"`
	Open        protocol.Open     `json:"open,omitempty"` // where there is a deep link and a store: try (the default), store or app
	Created     time.Time         `json:"created_at"`
}

const linkColumns = `id, slug, app, media_source, campaign, adset, ad, keyword, retargeting, deep_links, redirects, stores, fallback, open, created_at`

func scanLink(row pgx.CollectableRow) (l Link, err error) {
	err = row.Scan(&l.ID, &l.Slug, &l.App, &l.MediaSource, &l.Campaign, &l.AdSet, &l.Ad, &l.Keyword, &l.Retargeting,
		&l.DeepLinks, &l.Redirects, &l.Stores, &l.Fallback, &l.Open, &l.Created)
	l.Created = l.Created.UTC()
	return l, err
}

// values are the columns of linkColumns but the last, which the database sets.
func (l *Link) values() []any {
	return []any{l.ID, l.Slug, l.App, l.MediaSource, l.Campaign, l.AdSet, l.Ad, l.Keyword, l.Retargeting,
		notNil(l.DeepLinks), notNil(l.Redirects), notNil(l.Stores), l.Fallback, l.Open}
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// ErrSource says that the actor may do nothing for the media source of a link.
var ErrSource = errors.New("the media source is not among those of the actor")

// sources are the media sources whose links exist for the actor; none means all.
func sources(ctx context.Context) []string {
	return append([]string{}, postgres.ActorOf(ctx).Sources...)
}

// theirs is the condition that a link exists for the actor, given the number of the argument that holds
// their sources.
func theirs(argument int) string {
	return fmt.Sprintf("(cardinality($%[1]d::text[]) = 0 OR media_source = ANY ($%[1]d))", argument)
}

// mayCarry returns ErrSource if the actor may not give a link its media source.
func mayCarry(ctx context.Context, link *Link) error {
	if list := sources(ctx); len(list) > 0 && !slices.Contains(list, link.MediaSource) {
		return ErrSource
	}
	return nil
}

// CreateLink makes a link. ID and Created are set here, and Slug if it is empty.
func (a *Apps) CreateLink(ctx context.Context, link Link) (Link, error) {
	var err error
	if link.ID, err = postgres.NewID(); err != nil {
		return Link{}, err
	}
	if link.Slug == "" {
		if link.Slug, err = postgres.NewToken("", slugBytes); err != nil {
			return Link{}, err
		}
	}
	if err := link.validate(); err != nil {
		return Link{}, err
	}
	if err := mayCarry(ctx, &link); err != nil {
		return Link{}, err
	}
	err = a.pool.Change(ctx, "create link", func(tx pgx.Tx) error {
		if err := Lock(ctx, tx, link.App); err != nil {
			return err
		}
		if err := room(ctx, tx, &link); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `INSERT INTO links (`+strings.TrimSuffix(linkColumns, ", created_at")+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING created_at`, link.values()...).Scan(&link.Created)
		if postgres.Violates(err, "23505") {
			return fmt.Errorf("slug %s: %w", link.Slug, postgres.ErrExists)
		}
		if err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "link.create", Target: link.ID, App: link.App, Detail: link})
	})
	link.Created = link.Created.UTC()
	return link, err
}

// room says why there is no room for a link: too many of the app or of all apps, or a slug that is kept
// for another app.
func room(ctx context.Context, tx pgx.Tx, link *Link) error {
	var own, all int
	var keeper string
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM links WHERE app = $1`, link.App).Scan(&own); err != nil {
		return err
	}
	err := postgres.ForEveryApp(ctx, tx, func() error {
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM links), coalesce((SELECT app FROM retired_slugs WHERE slug = $1), '')`, link.Slug).
			Scan(&all, &keeper)
	})
	switch {
	case err != nil:
		return err
	case own >= MaxLinksOfApp:
		return postgres.Invalid("the app has %d links, the limit is %d: delete some first", own, MaxLinksOfApp)
	case all >= MaxLinks:
		return postgres.Invalid("there are %d links, the limit is %d: delete some first", all, MaxLinks)
	case keeper != "" && keeper != link.App:
		return fmt.Errorf("slug %s: %w", link.Slug, postgres.ErrExists)
	}
	return nil
}

// Links lists the links of an app after the given one, by creation; an empty one starts at the first.
func (a *Apps) Links(ctx context.Context, app, after string, limit int) ([]Link, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+linkColumns+` FROM links WHERE app = $1 AND id > $2 AND `+theirs(4)+` ORDER BY id LIMIT $3`,
		app, after, limit, sources(ctx))
	if err != nil {
		return nil, postgres.Wrap("list links", err)
	}
	links, err := pgx.CollectRows(rows, scanLink)
	return links, postgres.Wrap("list links", err)
}

// Link returns one link of an app.
func (a *Apps) Link(ctx context.Context, app, id string) (Link, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+linkColumns+` FROM links WHERE app = $1 AND id = $2 AND `+theirs(3), app, id, sources(ctx))
	if err != nil {
		return Link{}, postgres.Wrap("read link", err)
	}
	link, err := pgx.CollectExactlyOneRow(rows, scanLink)
	return link, postgres.Wrap("read link", err)
}

// UpdateLink replaces a link of an app. Its slug stays: it is printed somewhere.
func (a *Apps) UpdateLink(ctx context.Context, link Link) (Link, error) {
	err := a.pool.Change(ctx, "change link", func(tx pgx.Tx) error {
		before, err := postgres.Collect(ctx, tx, scanLink, `SELECT `+linkColumns+` FROM links WHERE app = $1 AND id = $2 AND `+theirs(3)+` FOR UPDATE`,
			link.App, link.ID, sources(ctx))
		if err != nil {
			return err
		}
		if len(before) == 0 {
			return pgx.ErrNoRows
		}
		if err := mayCarry(ctx, &link); err != nil {
			return err
		}
		link.Slug, link.Created = before[0].Slug, before[0].Created
		if err := link.validate(); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE links SET slug = $2, media_source = $4, campaign = $5, adset = $6, ad = $7, keyword = $8, retargeting = $9,
			deep_links = $10, redirects = $11, stores = $12, fallback = $13, open = $14 WHERE id = $1 AND app = $3`, link.values()...)
		if err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "link.change", Target: link.ID, App: link.App, Detail: postgres.Diff{Before: before[0], After: link}})
	})
	return link, err
}

// DeleteLink ends a link of an app. Its touches stay attributed to it. Its slug, which is printed
// and shared, is kept for this app.
func (a *Apps) DeleteLink(ctx context.Context, app, id string) error {
	return a.pool.Change(ctx, "delete link", func(tx pgx.Tx) error {
		var slug string
		err := tx.QueryRow(ctx, `DELETE FROM links WHERE app = $1 AND id = $2 AND `+theirs(3)+` RETURNING slug`, app, id, sources(ctx)).Scan(&slug)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO retired_slugs (slug, app) VALUES ($1, $2) ON CONFLICT (slug) DO UPDATE SET retired_at = now()`, slug, app)
		if err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "link.delete", Target: id, App: app})
	})
}

func (l *Link) validate() error {
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(l.Slug) {
		return postgres.Invalid("slug %.70q must be 1 to 64 letters, digits, - or _", l.Slug)
	}
	if l.MediaSource == "" {
		return postgres.Invalid("media_source is empty")
	}
	for field, value := range map[string]string{
		"media_source": l.MediaSource, "campaign": l.Campaign, "adset": l.AdSet, "ad": l.Ad, "keyword": l.Keyword,
	} {
		if err := postgres.ValidName(field, value); err != nil {
			return err
		}
	}
	if !l.Open.Valid() {
		return postgres.Invalid("open %.20q must be try, store or app", l.Open)
	}
	if err := validDestination("fallback", l.Fallback, nil); err != nil {
		return err
	}
	for field, destinations := range map[string]map[string]string{"deep_links": l.DeepLinks, "redirects": l.Redirects, "stores": l.Stores} {
		for platform, target := range destinations {
			if !protocol.ValidTarget(platform) {
				return postgres.Invalid("%s: %.20q is no target: use ios, android or web, each also for one country, such as ios/DE, or */DE", field, platform)
			}
			var schemes func(string) bool
			switch {
			case field == "deep_links" && platform != "web" && !strings.HasPrefix(platform, "web/"):
				schemes = guard.AppScheme
			case field == "stores":
				schemes = guard.StoreScheme
			}
			if err := validDestination(field+"."+platform, target, schemes); err != nil {
				return err
			}
		}
	}
	return nil
}

// validDestination accepts http and https with a plain host, and the schemes that the function allows.
func validDestination(field, target string, schemes func(string) bool) error {
	if len(target) > maxDestination {
		return postgres.Invalid("%s has %d bytes, the limit is %d", field, len(target), maxDestination)
	}
	if err := protocol.CheckMacros(target); err != nil {
		return postgres.Invalid("%s: %s", field, err)
	}
	plain, _ := protocol.ExpandMacros(target, func(string) string { return "x" })
	if _, err := guard.Destination(plain, schemes); err != nil {
		return postgres.Invalid("%s cannot be a destination: %s", field, err)
	}
	return nil
}
