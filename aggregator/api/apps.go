package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func listApps(c *call) (any, error) {
	all, err := c.Accounts.Apps.List(c.ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	visible := []apps.App{}
	for _, app := range all {
		if access.Can(c.principal, access.AppsRead, app.ID) {
			visible = append(visible, app)
		}
	}
	switch p.get("fields") {
	case "":
		return pageOf(visible), nil
	case "short":
		for i, app := range visible {
			visible[i] = apps.App{ID: app.ID, Name: app.Name, Timezone: app.Timezone, Currency: app.Currency, Created: app.Created}
		}
		return pageOf(visible), nil
	}
	return nil, badRequest("fields must be short.")
}

type appBody struct {
	Name     string   `json:"name"`
	Currency string   `json:"currency,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
	Origins  []string `json:"origins,omitempty"`

	Addresses protocol.AddressPolicy `json:"addresses,omitempty"`
}

func createApp(c *call) (any, error) {
	var body appBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.Apps.CreateApp(c.ctx, apps.App{Name: body.Name, Currency: body.Currency, Timezone: body.Timezone, Origins: body.Origins, Addresses: body.Addresses}))
}

// answerOf makes an answer of a value and an error.
func answerOf[T any](value T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}

func readApp(c *call) (any, error) { return answerOf(c.Accounts.Apps.App(c.ctx, c.param("app"))) }

func changeApp(c *call) (any, error) {
	var body apps.AppChange
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.Apps.UpdateApp(c.ctx, c.param("app"), body))
}

func deleteApp(c *call) (any, error) { return nil, c.Accounts.Apps.DeleteApp(c.ctx, c.param("app")) }

func listKeys(c *call) (any, error) {
	if _, err := c.Accounts.Apps.App(c.ctx, c.param("app")); err != nil {
		return nil, err
	}
	keys, err := c.Accounts.Apps.Keys(c.ctx, c.param("app"))
	if err != nil {
		return nil, err
	}
	return pageOf(keys), nil
}

type keyBody struct {
	Name string           `json:"name,omitempty"`
	Kind protocol.KeyKind `json:"kind"`
}

type newKey struct {
	apps.Key
	Secret string `json:"key"` // what SDKs and servers send; shown this once
}

func createKey(c *call) (any, error) {
	var body keyBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	key, secret, err := c.Accounts.Apps.CreateKey(c.ctx, c.param("app"), body.Kind, body.Name)
	if err != nil {
		return nil, err
	}
	return newKey{Key: key, Secret: secret}, nil
}

func revokeKey(c *call) (any, error) {
	return nil, c.Accounts.Apps.RevokeKey(c.ctx, c.param("app"), c.param("key"))
}

func (c *call) settings() ([]apps.SettingsVersion, error) {
	if _, err := c.Accounts.Apps.App(c.ctx, c.param("app")); err != nil {
		return nil, err
	}
	versions, err := c.Accounts.Apps.SettingsOf(c.ctx, c.param("app"))
	if err == nil && len(versions) == 0 {
		err = postgres.ErrNotFound
	}
	return versions, err
}

func readSettings(c *call) (any, error) {
	versions, err := c.settings()
	if err != nil {
		return nil, err
	}
	return settingsAnswer{ownSettings(c.filter, versions[0]), attribution.FraudRules()}, nil
}

// settingsAnswer is the version in force, and what its rules of fraud are called.
type settingsAnswer struct {
	apps.SettingsVersion
	FraudRules []attribution.FraudRule `json:"fraud_rules"`
}

// ownSettings leaves out the overrides of media sources that do not exist for whoever asks, and those of
// links, which may be anybody's.
func ownSettings(f access.Filter, version apps.SettingsVersion) apps.SettingsVersion {
	if len(f.MediaSources) == 0 {
		return version
	}
	version.Overrides = slices.DeleteFunc(slices.Clone(version.Overrides), func(o attribution.Override) bool {
		return !slices.Contains(f.MediaSources, o.MediaSource)
	})
	return version
}

func listSettings(c *call) (any, error) {
	versions, err := c.settings()
	if err != nil {
		return nil, err
	}
	return pageOf(versions), nil
}

// settingsBody is a version as it was read, changed. The fields that the server adds may come along.
type settingsBody struct {
	attribution.Settings
	From string `json:"valid_from,omitempty"` // ignored
	By   string `json:"created_by,omitempty"` // ignored

	FraudRules []attribution.FraudRule `json:"fraud_rules,omitempty"` // ignored

	// ApplyFrom has the version apply from a past time on, to the events stored since.
	ApplyFrom time.Time `json:"apply_from,omitzero"`
}

func changeSettings(c *call) (any, error) {
	var text json.RawMessage
	if err := c.body(&text); err != nil {
		return nil, err
	}
	missing, err := attribution.MissingFields(text)
	if err != nil {
		return nil, badRequest("The settings must be an object.")
	}
	if len(missing) > 0 {
		return nil, badRequest("The settings must be complete, as they were read, and changed; nothing was changed. Missing: " + strings.Join(missing, ", ") + ".")
	}
	var body settingsBody
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return nil, badRequest("The settings cannot be used: " + strings.TrimPrefix(err.Error(), "json: ") + ".")
	}
	for i, o := range body.Overrides {
		if o.LinkID == "" {
			continue
		}
		if _, err := c.Accounts.Apps.Link(c.ctx, c.param("app"), o.LinkID); errors.Is(err, postgres.ErrNotFound) {
			return nil, badRequest(fmt.Sprintf("overrides[%d].link_id %q is no link of this app; nothing was changed.", i, o.LinkID))
		} else if err != nil {
			return nil, err
		}
	}
	return answerOf(c.Accounts.Apps.ApplySettings(c.ctx, c.param("app"), body.Settings, body.ApplyFrom))
}

type linkBody struct {
	Slug        string            `json:"slug,omitempty"` // chosen by the server if empty; cannot be changed later
	MediaSource string            `json:"media_source"`
	Campaign    string            `json:"campaign,omitempty"`
	AdSet       string            `json:"adset,omitempty"`
	Ad          string            `json:"ad,omitempty"`
	Keyword     string            `json:"keyword,omitempty"`
	Retargeting bool              `json:"retargeting,omitempty"`
	DeepLinks   map[string]string `json:"deep_links,omitempty"`
	Redirects   map[string]string `json:"redirects,omitempty"`
	Stores      map[string]string `json:"stores,omitempty"`
	Fallback    string            `json:"fallback"`
	Open        protocol.Open     `json:"open,omitempty"` // try, store or app
}

func (b *linkBody) link(app, id string) apps.Link {
	return apps.Link{
		ID: id, App: app, Slug: b.Slug, MediaSource: b.MediaSource, Campaign: b.Campaign, AdSet: b.AdSet, Ad: b.Ad, Keyword: b.Keyword,
		Retargeting: b.Retargeting, DeepLinks: b.DeepLinks, Redirects: b.Redirects, Stores: b.Stores, Fallback: b.Fallback, Open: b.Open,
	}
}

func listLinks(c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	if _, err := c.Accounts.Apps.App(c.ctx, c.param("app")); err != nil {
		return nil, err
	}
	links, err := c.Accounts.Apps.Links(c.ctx, c.param("app"), q.get("cursor"), limit+1)
	if err != nil {
		return nil, err
	}
	answer := pageOf(links)
	if len(links) > limit {
		answer.Data = answer.Data[:limit]
		answer.Next = &answer.Data[limit-1].ID
	}
	return answer, nil
}

func createLink(c *call) (any, error) {
	var body linkBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.Apps.CreateLink(c.ctx, body.link(c.param("app"), "")))
}

func readLink(c *call) (any, error) {
	return answerOf(c.Accounts.Apps.Link(c.ctx, c.param("app"), c.param("link")))
}

func changeLink(c *call) (any, error) {
	var body linkBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Slug != "" {
		if before, err := c.Accounts.Apps.Link(c.ctx, c.param("app"), c.param("link")); err == nil && before.Slug != body.Slug {
			return nil, refusal(http.StatusConflict, "conflict", "The slug of a link cannot be changed: make another link.")
		}
	}
	return answerOf(c.Accounts.Apps.UpdateLink(c.ctx, body.link(c.param("app"), c.param("link"))))
}

func deleteLink(c *call) (any, error) {
	return nil, c.Accounts.Apps.DeleteLink(c.ctx, c.param("app"), c.param("link"))
}
