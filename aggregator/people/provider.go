package people

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

const (
	maxDomains       = 20
	maxProviderName  = 60
	maxProviderField = 2048 // bytes
	providerSecret   = "oidc-client-secret"
)

// Provider is the OpenID Connect provider at which people may log in. There is one at most.
type Provider struct {
	ID        string `json:"id"`
	Name      string `json:"name"` // on the button of the login page
	Issuer    string `json:"issuer"`
	ClientID  string `json:"client_id"`
	HasSecret bool   `json:"has_secret"`
	PublicURL string `json:"public_url"` // under which browsers reach the console

	// CreatePeople lets people in whom nobody invited, if their address is of one of the domains, and
	// gives them the roles.
	CreatePeople bool                `json:"create_people"`
	Domains      []string            `json:"domains"`
	Roles        []access.Assignment `json:"roles"`

	// PasswordsOff keeps people who have an identity at the provider from using a password. Owners may, for
	// the day on which the provider is down.
	PasswordsOff bool `json:"passwords_off"`

	Changed time.Time `json:"changed_at"`

	Secret string `json:"-"` // the client secret; empty for a public client
}

// ProviderChange is a provider as it shall be.
type ProviderChange struct {
	Name         string              `json:"name"`
	Issuer       string              `json:"issuer"`
	ClientID     string              `json:"client_id"`
	ClientSecret *string             `json:"client_secret,omitempty"` // absent: as it was; empty: there is none
	PublicURL    string              `json:"public_url"`
	CreatePeople bool                `json:"create_people,omitempty"`
	Domains      []string            `json:"domains,omitempty"`
	Roles        []access.Assignment `json:"roles,omitempty"`
	PasswordsOff bool                `json:"passwords_off,omitempty"`
}

// normalize lists the faults of a provider to be. Its addresses are checked by who knows the protocol.
func (p *ProviderChange) normalize() error {
	if err := postgres.ValidName("name", p.Name); err != nil {
		return err
	}
	if p.Name = strings.TrimSpace(p.Name); p.Name == "" || len(p.Name) > maxProviderName {
		return postgres.Invalid("name must have 1 to %d bytes: it is what the button of the login page says", maxProviderName)
	}
	for name, value := range map[string]string{"issuer": p.Issuer, "client_id": p.ClientID, "public_url": p.PublicURL} {
		if value == "" || len(value) > maxProviderField {
			return postgres.Invalid("%s is missing or longer than %d bytes", name, maxProviderField)
		}
	}
	if p.ClientSecret != nil && len(*p.ClientSecret) > maxProviderField {
		return postgres.Invalid("client_secret has more than %d bytes", maxProviderField)
	}
	if len(p.Domains) > maxDomains {
		return postgres.Invalid("domains has %d entries, the limit is %d", len(p.Domains), maxDomains)
	}
	for i, domain := range p.Domains {
		if p.Domains[i] = strings.ToLower(strings.TrimSpace(domain)); !validDomain(p.Domains[i]) {
			return postgres.Invalid("domain %.60q is not one such as example.com", domain)
		}
	}
	if p.CreatePeople && (len(p.Domains) == 0 || len(p.Roles) == 0) {
		return postgres.Invalid("create_people needs domains and roles: without them anybody whom the provider knows could come in, or nobody could do anything")
	}
	return validRoles(p.Roles)
}

func validDomain(domain string) bool {
	_, err := normalEmail("x@" + domain)
	return err == nil && strings.Contains(domain, ".") && !strings.ContainsAny(domain, "@[] ")
}

const providerColumns = `p.id, p.name, p.issuer, p.client_id, p.public_url, p.create_people, p.domains, p.roles, p.passwords_off, p.changed_at,
	coalesce((SELECT s.sealed FROM secrets s WHERE s.name = '` + providerSecret + `'), '')`

// readProvider returns pgx.ErrNoRows if there is none.
func (a *People) readProvider(ctx context.Context, q querier, lock string) (p Provider, err error) {
	var roles, sealed []byte
	err = q.QueryRow(ctx, `SELECT `+providerColumns+` FROM oidc_provider p `+lock).Scan(&p.ID, &p.Name, &p.Issuer, &p.ClientID, &p.PublicURL,
		&p.CreatePeople, &p.Domains, &roles, &p.PasswordsOff, &p.Changed, &sealed)
	if err != nil {
		return p, err
	}
	p.Changed, p.HasSecret = p.Changed.UTC(), len(sealed) > 0
	if err := json.Unmarshal(roles, &p.Roles); err != nil {
		return p, err
	}
	if p.HasSecret {
		plain, err := a.pool.Unseal(providerSecret, sealed)
		if err != nil {
			return p, err
		}
		p.Secret = string(plain)
	}
	return p, nil
}

// Provider returns the provider with its secret, and ErrNotFound if there is none.
func (a *People) Provider(ctx context.Context) (Provider, error) {
	p, err := a.readProvider(ctx, a.pool, "")
	return p, postgres.Wrap("read provider", err)
}

// SetProvider replaces the provider. The actor must be able to do everything: whoever chooses the
// provider chooses who everybody is.
func (a *People) SetProvider(ctx context.Context, change ProviderChange) (Provider, error) {
	if err := change.normalize(); err != nil {
		return Provider{}, err
	}
	var after Provider
	err := a.changePeople(ctx, "change provider", func(tx pgx.Tx) error {
		if err := mayChooseProvider(ctx, tx); err != nil {
			return err
		}
		roles, err := resolveRoles(ctx, tx, change.Roles)
		if err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, roles); err != nil {
			return err
		}
		for _, role := range roles {
			for _, app := range role.Apps {
				if err := apps.Lock(ctx, tx, app); err != nil {
					return postgres.Invalid("app %.60q does not exist", app)
				}
			}
		}
		before, err := a.readProvider(ctx, tx, "FOR UPDATE")
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		first := errors.Is(err, pgx.ErrNoRows)
		if before.HasSecret && change.ClientSecret == nil && before.Issuer != change.Issuer {
			return postgres.Invalid("client_secret must be given again: the issuer is another, and must not be sent the secret of the one before")
		}
		if err := a.storeProvider(ctx, tx, change); err != nil {
			return err
		}
		if after, err = a.readProvider(ctx, tx, ""); err != nil {
			return err
		}
		detail := map[string]any{"before": before, "after": after, "secret_changed": change.ClientSecret != nil}
		if first {
			detail["before"] = nil
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "provider.change", Target: after.Issuer, Detail: detail})
	})
	return after, err
}

func mayChooseProvider(ctx context.Context, tx pgx.Tx) error {
	return mayGrant(ctx, tx, []access.Assignment{{Role: access.Owner, AllApps: true}})
}

func (a *People) storeProvider(ctx context.Context, tx pgx.Tx, p ProviderChange) error {
	roles, err := json.Marshal(append([]access.Assignment{}, p.Roles...))
	if err != nil {
		return err
	}
	id, err := postgres.NewID()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO oidc_provider (id, name, issuer, client_id, public_url, create_people, domains, roles, passwords_off)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (only_row) DO UPDATE SET name = excluded.name, issuer = excluded.issuer, client_id = excluded.client_id,
			public_url = excluded.public_url, create_people = excluded.create_people, domains = excluded.domains, roles = excluded.roles,
			passwords_off = excluded.passwords_off, changed_at = now()`,
		id, p.Name, p.Issuer, p.ClientID, p.PublicURL, p.CreatePeople, postgres.NotNil(p.Domains), string(roles), p.PasswordsOff)
	if err != nil || p.ClientSecret == nil {
		return err
	}
	return a.storeProviderSecret(ctx, tx, *p.ClientSecret)
}

func (a *People) storeProviderSecret(ctx context.Context, tx pgx.Tx, secret string) error {
	if secret == "" {
		_, err := tx.Exec(ctx, `DELETE FROM secrets WHERE name = $1`, providerSecret)
		return err
	}
	sealed, err := a.pool.Seal(ctx, tx, providerSecret, []byte(secret))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO secrets (name, sealed) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, created_at = now()`, providerSecret, sealed)
	return err
}

// RemoveProvider ends logins at the provider. Identities stay: they count again if it comes back.
func (a *People) RemoveProvider(ctx context.Context, id string) error {
	return a.changePeople(ctx, "remove provider", func(tx pgx.Tx) error {
		if err := mayChooseProvider(ctx, tx); err != nil {
			return err
		}
		before, err := a.readProvider(ctx, tx, "FOR UPDATE")
		if err != nil {
			return err
		}
		if before.ID != id {
			return pgx.ErrNoRows
		}
		if _, err := tx.Exec(ctx, `DELETE FROM oidc_provider`); err != nil {
			return err
		}
		if err := a.storeProviderSecret(ctx, tx, ""); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "provider.remove", Target: before.Issuer, Detail: before})
	})
}
