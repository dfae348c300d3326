package api

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// withProvider configures a real provider, and returns the owner who did.
func (s *system) withProvider(change func(*people.ProviderChange)) *client {
	s.t.Helper()
	provider := childtest.LoginProvider(s.t)
	id, secret, err := provider.Register(s.t.Context(), s.url+callbackPath)
	if err != nil {
		s.t.Fatal(err)
	}
	body := people.ProviderChange{Name: "Acme", Issuer: provider.Issuer, ClientID: id, ClientSecret: &secret, PublicURL: s.url}
	change(&body)
	owner := s.owner()
	owner.send("PUT", "provider", body, nil).want(200)
	return owner
}

func asItIs(*people.ProviderChange) {}

// step sends one request of a browser and returns where it leads, or the page that it got.
func (c *client) step(method, address string, form url.Values) (location string, page string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	browser := *c.http
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := browser.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if to := response.Header.Get("Location"); to != "" {
		u, err := request.URL.Parse(to)
		if err != nil {
			c.t.Fatal(err)
		}
		return u.String(), ""
	}
	return "", string(text)
}

// start begins a login and returns the address of the provider.
func (c *client) start(returnTo string) string {
	c.t.Helper()
	var begun startAnswer
	c.post("auth/oidc/start", map[string]any{"return_to": returnTo}).want(200).decode(&begun)
	return begun.URL
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// atProvider walks through the pages of the provider as the person, and returns the address to which it
// sends the browser back.
func (c *client) atProvider(address, name string) string {
	c.t.Helper()
	for range 20 {
		if strings.HasPrefix(address, c.url) {
			return address
		}
		to, page := c.step("GET", address, nil)
		if to == "" {
			action := formAction.FindStringSubmatch(page)
			if action == nil {
				c.t.Fatalf("no form at %s: %.500s", address, page)
			}
			form := url.Values{"prompt": {"login"}, "login": {name}, "password": {"any"}}
			if !strings.Contains(page, `name="login"`) {
				form = url.Values{"prompt": {"consent"}}
			}
			base, err := url.Parse(address)
			if err != nil {
				c.t.Fatal(err)
			}
			action2, err := base.Parse(action[1])
			if err != nil {
				c.t.Fatal(err)
			}
			to, page = c.step("POST", action2.String(), form)
			if to == "" {
				c.t.Fatalf("the form of %s leads nowhere: %.500s", address, page)
			}
		}
		address = to
	}
	c.t.Fatal("the provider sends the browser in circles")
	return ""
}

// back takes the browser to where the provider sent it, and returns the path of the console it ends at.
func (c *client) back(address string) string {
	c.t.Helper()
	to, page := c.step("GET", address, nil)
	if !strings.HasPrefix(to, c.url+"/") {
		c.t.Fatalf("%s leads to %q: %.300s", address, to, page)
	}
	return strings.TrimPrefix(to, c.url)
}

// loginAt logs in at the provider and returns the path of the console that the browser ends at.
func (c *client) loginAt(name, returnTo string) string {
	c.t.Helper()
	return c.back(c.atProvider(c.start(returnTo), name))
}

// signIn continues the session of the cookie, as the console does.
func (c *client) signIn() *client {
	c.t.Helper()
	var answer tokenAnswer
	c.post("auth/refresh", nil).want(200).decode(&answer)
	c.token, c.user = answer.AccessToken, answer.User
	return c
}

// refused checks that a browser ended at the login page with the reason, is not logged in, and that the
// audit log has it.
func (c *client) refused(what, ended, reason, user string) {
	c.t.Helper()
	u, err := url.Parse(ended)
	if err != nil || u.Query().Get("sso") != reason {
		c.t.Errorf("%s: ended at %s, want %s", what, ended, reason)
	}
	if got := c.post("auth/refresh", nil); got.status != 401 {
		c.t.Errorf("%s: logged in: %d", what, got.status)
	}
	last := c.lastAudit()
	if last.Action != "login.provider" || last.Outcome != postgres.Failure || !strings.Contains(string(last.Detail), `"`+reason+`"`) || last.Target != user || last.IP == "" {
		c.t.Errorf("%s: audit = %+v %s", what, last, last.Detail)
	}
}

// cookie returns a cookie that the browser keeps for the API.
func (c *client) cookie(name string) *http.Cookie {
	c.t.Helper()
	u, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie
		}
	}
	c.t.Fatalf("no cookie %s", name)
	return nil
}

func (c *client) setCookies(cookies ...*http.Cookie) {
	c.t.Helper()
	u, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range cookies {
		cookie.Path, cookie.Secure = "/", true
	}
	c.http.Jar.SetCookies(u, cookies)
}

// enrol gives the person a second factor, and returns recovery codes that count once each.
func (c *client) enrol() []string {
	c.t.Helper()
	var made people.TOTPSecret
	c.post("me/totp", map[string]any{"current_password": testPassword}).want(201).decode(&made)
	code, err := totp.GenerateCode(made.Secret, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	var recovery recoveryAnswer
	c.post("me/totp/confirm", map[string]any{"code": code}).want(200).decode(&recovery)
	return recovery.Codes
}
