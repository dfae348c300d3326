package api

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/oidc"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// loginCookie holds the secret of a login on its way to the provider and back. Lax, because the way back
// begins at another site; the prefix is that of refreshCookie.
const (
	loginCookie     = "__Host-unmogrowp_login"
	loginCookieLife = 10 * time.Minute
	maxReturnTo     = 1024 // bytes
)

// Why a login at the provider came to no good end, besides the reasons of packages oidc and accounts.
// They are stable: the audit log, metrics and the login page have them.
const (
	notConfigured   = "not_configured"
	stateMismatch   = "state" // no login of this browser waits for this answer
	providerDenied  = "provider_denied"
	accountsAway    = "unavailable"
	factorRequired  = "totp" // not an end: the login page asks for the code
	loginSuccess    = "success"
	loginBegun      = "begun"
	loginThrottled  = "throttled"
	reasonParameter = "sso" // of the address to which the browser is sent back
)

// loginWays are the ways in besides a password.
type loginWays struct {
	Provider *loginProvider `json:"provider"` // null if there is none
}

type loginProvider struct {
	Name string `json:"name"`
}

func readLoginWays(c *call) (any, error) {
	p, err := c.Accounts.People.Provider(c.ctx)
	if errors.Is(err, postgres.ErrNotFound) {
		return loginWays{}, nil
	}
	return answerOf(loginWays{Provider: &loginProvider{Name: p.Name}}, err)
}

type startBody struct {
	ReturnTo string `json:"return_to,omitempty"` // a path of the console
}

type startAnswer struct {
	URL string `json:"url"` // where the browser has to go
}

// clientOf is who we are at the provider. The redirect URI is configured, whatever the request says.
func clientOf(p people.Provider) oidc.Provider {
	return oidc.Provider{Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.Secret, RedirectURL: p.PublicURL + callbackPath}
}

func startProvider(c *call) (any, error) {
	var body startBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if wait := c.logins.visit(c.ip, c.Now()); wait > 0 {
		c.metrics.provider(loginThrottled)
		return nil, throttled(wait)
	}
	p, err := c.Accounts.People.Provider(c.ctx)
	if err != nil {
		return nil, err
	}
	attempt := oidc.NewAttempt()
	address, err := c.provider.Begin(c.ctx, clientOf(p), attempt)
	if err != nil {
		return nil, c.providerFault(err)
	}
	if err := c.Accounts.Logins.BeginAttempt(c.ctx, attempt.Hash(), localPath(body.ReturnTo)); err != nil {
		return nil, err
	}
	c.setLoginCookie(attempt.String())
	c.metrics.provider(loginBegun)
	return startAnswer{URL: address}, nil
}

// providerFault is the answer to a login that could not even begin.
func (c *call) providerFault(err error) error {
	var fault *oidc.Error
	if !errors.As(err, &fault) {
		return err
	}
	c.loginRefused(fault.Reason, "", err)
	if fault.Reason == oidc.Busy {
		return people.ErrBusy
	}
	return &problem{Status: http.StatusServiceUnavailable, Code: fault.Reason, Detail: "The login provider cannot be reached: try again, or use your password.", retryAfter: 5}
}

// setLoginCookie keeps the secret of an attempt; an empty one is taken away.
func (c *call) setLoginCookie(value string) {
	cookie := &http.Cookie{
		Name: loginCookie, Value: value, Path: "/", MaxAge: int(loginCookieLife / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.w, cookie)
}

// loginAttempt is the attempt of the browser's cookie.
func (c *call) loginAttempt() (oidc.Attempt, bool) {
	cookie, err := c.r.Cookie(loginCookie)
	if err != nil {
		return oidc.Attempt{}, false
	}
	return oidc.ParseAttempt(cookie.Value)
}

// providerCallback is where the provider sends the browser. It is a page to the browser, so it always
// answers with another one: where the person wanted to be, or the login page with the reason.
func providerCallback(c *call) (any, error) {
	query := c.r.URL.Query()
	attempt, ok := c.loginAttempt()
	if !ok || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(attempt.State())) != 1 {
		return c.sendBack("/", stateMismatch, "", errors.New("no login of this browser fits the state"))
	}
	if wait := c.guesses.visit(c.ip, c.Now()); wait > 0 {
		return c.sendBack("/", loginThrottled, "", errors.New("too many logins of this network that nobody began"))
	}
	returnTo, err := c.Accounts.Logins.TakeAttempt(c.ctx, attempt.Hash())
	if errors.Is(err, postgres.ErrNotFound) {
		return c.sendBack("/", stateMismatch, "", errors.New("the login was used, or took too long"))
	}
	c.guesses.forgive(c.ip, c.Now())
	if err != nil {
		return c.sendBack("/", accountsAway, "", err)
	}
	c.setLoginCookie("")
	p, err := c.Accounts.People.Provider(c.ctx)
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return c.sendBack(returnTo, notConfigured, "", err)
	case err != nil:
		return c.sendBack(returnTo, accountsAway, "", err)
	case !oidc.SameIssuer(clientOf(p), query):
		return c.sendBack(returnTo, stateMismatch, "", errors.New("the answer is of another issuer"))
	case query.Has("error"):
		return c.sendBack(returnTo, providerDenied, "", errors.New(clipPath(query.Get("error"))))
	}
	who, err := c.provider.Finish(c.ctx, clientOf(p), attempt, query.Get("code"))
	var fault *oidc.Error
	if errors.As(err, &fault) {
		return c.sendBack(returnTo, fault.Reason, "", err)
	}
	if err != nil {
		return nil, err
	}
	return c.enterVouched(p, who, returnTo)
}

// enterVouched opens a session for the person that the provider vouches for, if they may log in.
func (c *call) enterVouched(p people.Provider, who oidc.Identity, returnTo string) (any, error) {
	waiting := oidc.NewAttempt()
	session, refresh, err := c.Accounts.Logins.LoginIdentity(c.ctx, people.IdentityLogin{
		Vouched:  people.Vouched{Issuer: p.Issuer, Subject: who.Subject, Email: who.Email, EmailVerified: who.EmailVerified, Name: who.Name, MFA: who.MFA},
		Provider: p, Waiting: waiting.Hash(), IP: c.ip, UserAgent: c.r.UserAgent(),
	})
	var refused *people.RefusedError
	switch {
	case errors.Is(err, people.ErrCodeRequired):
		c.setLoginCookie(waiting.String())
		c.metrics.provider(factorRequired)
		return redirectAnswer(withReason(returnTo, factorRequired)), nil
	case errors.As(err, &refused):
		return c.sendBack(returnTo, refused.Reason, refused.User, err)
	case err != nil:
		return c.sendBack(returnTo, accountsAway, "", err)
	}
	c.entered(session)
	c.setCookie(refresh, session.Expires)
	return redirectAnswer(returnTo), nil
}

// entered notes a good end.
func (c *call) entered(session people.Session) {
	c.logins.forgive(c.ip, c.Now())
	c.metrics.provider(loginSuccess)
	c.session = session
}

// sendBack ends a login that was refused at the login page.
func (c *call) sendBack(returnTo, reason, user string, err error) (any, error) {
	c.loginRefused(reason, user, err)
	return redirectAnswer(withReason(returnTo, reason)), nil
}

// loginRefused records a refusal as recordRefusal does, within the same bound.
func (c *call) loginRefused(reason, user string, cause error) {
	c.metrics.provider(reason)
	c.Logger.Info("login at provider refused", "request_id", c.id, "reason", reason, "error", cause)
	c.recordBounded(&c.failures, "login.provider", postgres.Failure, user, map[string]any{"reason": reason})
}

type factorBody struct {
	TOTP string `json:"totp"`
}

// providerFactor ends a login for which the provider vouched with the second factor that is due here.
func providerFactor(c *call) (any, error) {
	var body factorBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.TOTP == "" {
		return nil, badRequest("Give the code of the authenticator app, or a recovery code, as totp.")
	}
	attempt, ok := c.loginAttempt()
	if !ok {
		return nil, errFactorExpired()
	}
	session, refresh, err := c.Accounts.Logins.LoginFactor(c.ctx, attempt.Hash(), people.Login{Code: body.TOTP, IP: c.ip, UserAgent: c.r.UserAgent()})
	var refused *people.RefusedError
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return nil, errFactorExpired()
	case errors.Is(err, people.ErrCodeWrong): // 401 would tell the console that its session ended
		return nil, refusal(http.StatusForbidden, "totp_wrong", problemOf(err).Detail)
	case errors.As(err, &refused):
		c.loginRefused(refused.Reason, refused.User, err)
		return nil, refusal(http.StatusForbidden, refused.Reason, "This account cannot be used.")
	case err != nil:
		return nil, err
	}
	c.setLoginCookie("")
	c.entered(session)
	return c.granted(session, refresh)
}

func errFactorExpired() *problem {
	return refusal(http.StatusForbidden, "login_expired", "The login took too long: begin again.")
}

// localPath is a path of the console with its query, or / for anything that could lead elsewhere.
func localPath(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxReturnTo, !strings.HasPrefix(text, "/"), strings.Contains(text, "//"), strings.Contains(text, `\`),
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "/"
	case u.Scheme != "", u.Host != "", u.User != nil, path.Clean(u.Path) != u.Path, strings.ContainsAny(u.Path, "\\\r\n"),
		u.Path == "/api", strings.HasPrefix(u.Path, "/api/"), strings.Contains(u.Path, "//"):
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// withReason adds why the login page is shown.
func withReason(returnTo, reason string) string {
	u, err := url.Parse(returnTo)
	if err != nil {
		return "/?" + reasonParameter + "=" + reason
	}
	query := u.Query()
	query.Set(reasonParameter, reason)
	u.RawQuery = query.Encode()
	return u.String()
}
