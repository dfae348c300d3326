package api

import (
	"errors"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/oidc"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// callbackPath is where the provider sends browsers back to. It has to be registered there.
const callbackPath = base + "auth/oidc/callback"

// providerSettings are what people see of the provider.
type providerSettings struct {
	Provider     *people.Provider `json:"provider"`      // null if there is none
	CallbackPath string           `json:"callback_path"` // behind public_url, it is the redirect URI to register at the provider
}

func readProvider(c *call) (any, error) {
	p, err := c.Accounts.People.Provider(c.ctx)
	if errors.Is(err, postgres.ErrNotFound) {
		return providerSettings{CallbackPath: callbackPath}, nil
	}
	return answerOf(providerSettings{Provider: &p, CallbackPath: callbackPath}, err)
}

// changeProvider tries the provider before it is kept: nobody wants to find a wrong address by not being
// able to log in.
func changeProvider(c *call) (any, error) {
	var body people.ProviderChange
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if !access.MayGrant(c.principal, access.Assignment{Role: access.Owner, AllApps: true}) {
		return nil, people.ErrNotHeld
	}
	if err := oidc.CheckPublicURL(body.PublicURL); err != nil {
		return nil, badRequest("Field " + err.Error() + ".")
	}
	if err := oidc.CheckIssuer(body.Issuer); err != nil {
		return nil, badRequest("Field " + err.Error() + ".")
	}
	if err := c.provider.Check(c.ctx, body.Issuer); err != nil {
		c.Logger.Warn("provider cannot be used", "request_id", c.id, "issuer", body.Issuer, "error", err)
		return nil, badRequest(whyNoProvider(err))
	}
	p, err := c.Accounts.People.SetProvider(c.ctx, body)
	return answerOf(providerSettings{Provider: &p, CallbackPath: callbackPath}, err)
}

// whyNoProvider names the fault without repeating any text from an address that somebody chose.
func whyNoProvider(err error) string {
	var other *goidc.IssuerMismatchError
	var failed *oidc.Error
	switch {
	case errors.As(err, &other):
		return "The provider at this address calls itself " + clipPath(other.Discovered) + ": give exactly that as the issuer."
	case errors.As(err, &failed) && failed.Reason == oidc.Busy:
		return "Too many people log in at this moment: try again."
	}
	return "The provider's configuration cannot be read: its issuer with /.well-known/openid-configuration behind it must answer this server with a document of at most 256 KiB whose addresses are https, within 5 seconds. The log has more under the request id."
}

func removeProvider(c *call) (any, error) {
	return nil, c.Accounts.People.RemoveProvider(c.ctx, c.param("provider"))
}

func myIdentities(c *call) (any, error) { return c.identities(c.session.User.ID) }

func listIdentities(c *call) (any, error) { return c.identities(c.param("user")) }

func (c *call) identities(user string) (any, error) {
	identities, err := c.Accounts.Logins.Identities(c.ctx, user)
	if err != nil {
		return nil, err
	}
	return pageOf(identities), nil
}

func unlinkMyIdentity(c *call) (any, error) {
	return nil, c.Accounts.Logins.Unlink(c.ctx, c.session.User.ID, c.param("identity"))
}

func unlinkIdentity(c *call) (any, error) {
	return nil, c.Accounts.Logins.UnlinkUser(c.ctx, c.param("user"), c.param("identity"))
}
