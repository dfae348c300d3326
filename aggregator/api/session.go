package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// refreshCookie holds the refresh token. The prefix makes browsers insist on Secure, on the path /
// and on no domain, so no other host and no plain http can set or read it.
const refreshCookie = "__Host-unmogrowp_refresh"

// maxCredential bounds the credentials worth hashing, in bytes.
const maxCredential = 1024

type loginBody struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	TOTP     string `json:"totp,omitempty"`
}

// person is whoever is logged in, with the permissions that they have somewhere.
type person struct {
	ID          string              `json:"id"`
	Email       string              `json:"email"`
	Name        string              `json:"name"`
	Roles       []access.Assignment `json:"roles"`
	Permissions []access.Permission `json:"permissions"`
	TOTP        bool                `json:"totp"` // has a second factor
}

func personOf(u *people.User) person {
	return person{ID: u.ID, Email: u.Email, Name: u.Name, Roles: append([]access.Assignment{}, u.Roles...), Permissions: access.Held(u.Principal()), TOTP: u.TOTP}
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	User        person `json:"user"`
}

func login(c *call) (any, error) {
	var body loginBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if len(body.Email) > maxCredential || len(body.Password) > maxCredential || body.Email == "" || body.Password == "" {
		return nil, badRequest("Give an email and a password of reasonable length.")
	}
	from := originOf(body.Email, c.ip)
	if wait := c.logins.attempt(from, c.Now()); wait > 0 {
		return nil, throttled(wait)
	}
	session, token, err := c.Accounts.Logins.Login(c.ctx, people.Login{
		Email: body.Email, Password: body.Password, Code: body.TOTP, IP: c.ip, UserAgent: c.r.UserAgent(),
	})
	if errors.Is(err, people.ErrUnauthorized) {
		return nil, refusal(http.StatusUnauthorized, "credentials", "The email or the password is wrong.")
	}
	if errors.Is(err, people.ErrCodeWrong) {
		return nil, err // counts as a failure
	}
	if err != nil {
		c.logins.undo(from, c.Now()) // no verdict on the password
		return nil, err
	}
	c.logins.success(from, c.Now())
	return c.granted(session, token)
}

func throttled(wait time.Duration) *problem {
	return &problem{
		Status: http.StatusTooManyRequests, Code: "throttled", Detail: "Too many failed attempts: wait before the next one.",
		retryAfter: int(wait/time.Second) + 1,
	}
}

// granted answers with an access token and leaves the refresh token in its cookie.
func (c *call) granted(session people.Session, refresh string) (any, error) {
	token, life, err := c.Authenticator.issue(session)
	if err != nil {
		return nil, err
	}
	c.session = session
	c.setCookie(refresh, session.Expires)
	return tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: int64(life.Seconds()), User: personOf(&session.User)}, nil
}

func (c *call) setCookie(value string, expires time.Time) {
	cookie := &http.Cookie{
		Name: refreshCookie, Value: value, Path: "/", Expires: expires,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if value == "" {
		cookie.Expires, cookie.MaxAge = time.Time{}, -1
	}
	http.SetCookie(c.w, cookie)
}

func refresh(c *call) (any, error) {
	cookie, err := c.r.Cookie(refreshCookie)
	if err != nil {
		return nil, errNoToken()
	}
	session, next, err := c.Accounts.Logins.Refresh(c.ctx, cookie.Value)
	if errors.Is(err, people.ErrUnauthorized) {
		c.setCookie("", time.Time{})
	}
	if err != nil {
		return nil, err
	}
	return c.granted(session, next)
}

func logout(c *call) (any, error) {
	c.setCookie("", time.Time{})
	cookie, err := c.r.Cookie(refreshCookie)
	if err != nil {
		return nil, nil
	}
	return nil, c.Accounts.Logins.Logout(c.ctx, cookie.Value)
}

func me(c *call) (any, error) { return personOf(&c.session.User), nil }

type meBody struct {
	Name            *string `json:"name,omitempty"`
	CurrentPassword string  `json:"current_password,omitempty"` // required for a new password
	Password        string  `json:"password,omitempty"`
}

func changeMe(c *call) (any, error) {
	var body meBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	var user people.User
	change := func() (err error) {
		user, err = c.Accounts.People.UpdateSelf(c.ctx, c.session.User.ID, c.session.ID, body.Name, body.CurrentPassword, body.Password)
		return err
	}
	var err error
	if body.Password == "" {
		err = change()
	} else {
		err = c.proving(change)
	}
	if err != nil {
		return nil, err
	}
	return personOf(&user), nil
}

// proving runs what checks the password, or the code, of whoever is logged in. Failures count as those
// of logins do: whoever holds a stolen token must not be able to guess with it.
func (c *call) proving(do func() error) error {
	from := originOf("\x00"+c.session.User.ID, c.ip) // no address begins so
	if wait := c.logins.attempt(from, c.Now()); wait > 0 {
		return throttled(wait)
	}
	err := do()
	var wrong *postgres.InvalidError
	switch {
	case err == nil:
		c.logins.success(from, c.Now())
	case !errors.As(err, &wrong):
		c.logins.undo(from, c.Now()) // no verdict
	}
	return err
}

type sessionItem struct {
	people.Session
	Current bool `json:"current"`
}

func mySessions(c *call) (any, error) {
	sessions, err := c.Accounts.Logins.Sessions(c.ctx, c.session.User.ID)
	if err != nil {
		return nil, err
	}
	items := make([]sessionItem, len(sessions))
	for i, s := range sessions {
		items[i] = sessionItem{Session: s, Current: s.ID == c.session.ID}
	}
	return pageOf(items), nil
}

func endMySession(c *call) (any, error) {
	return nil, c.Accounts.Logins.EndSession(c.ctx, c.session.User.ID, c.param("session"))
}
