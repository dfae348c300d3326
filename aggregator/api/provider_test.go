package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/oidc"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestAnInvitedPersonLogsInAtTheProvider(t *testing.T) {
	s := newSystem(t)
	if got := string(s.client().get("auth/oidc").want(200).body); got != `{"provider":null}`+"\n" {
		t.Errorf("without a provider: %s", got)
	}
	s.client().post("auth/oidc/start", map[string]any{}).want(404)
	owner := s.withProvider(asItIs)
	if got := string(s.client().get("auth/oidc").want(200).body); got != `{"provider":{"name":"Acme"}}`+"\n" {
		t.Errorf("with a provider: %s", got)
	}
	var invited newUser
	owner.post("users", map[string]any{"email": "ann@example.com", "name": "Ann", "roles": []any{map[string]any{"role": "viewer", "apps": "*"}}}).want(201).decode(&invited)

	ann := s.client()
	if ended := ann.loginAt("ann", "/apps/shop/overview?from=2026-01-01"); ended != "/apps/shop/overview?from=2026-01-01" {
		t.Errorf("ended at %s", ended)
	}
	if ann.signIn().user.ID != invited.ID {
		t.Errorf("logged in as %+v", ann.user)
	}
	ann.get("me").want(200)
	var identities page[people.Identity]
	ann.get("me/identities").want(200).decode(&identities)
	if len(identities.Data) != 1 || identities.Data[0].Subject != "ann" || identities.Data[0].Email != "ann@example.com" {
		t.Errorf("identities = %+v", identities.Data)
	}
	actions := map[string]int{}
	entries, err := s.accounts.Audit(t.Context(), postgres.AuditPage{Limit: 50, Target: invited.ID})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		actions[e.Action+" "+e.ActorKind+" "+e.Actor]++
	}
	if actions["identity.link user "+invited.ID] != 1 || actions["login.provider user "+invited.ID] != 1 {
		t.Errorf("audit = %v", actions)
	}
	ann.post("auth/accept", map[string]any{"token": invited.Invitation.Token, "password": testPassword}).want(401) // the invitation is used
	if p := ann.send("DELETE", "me/identities/"+identities.Data[0].ID, nil, nil).want(400).problem(); !strings.Contains(p.Detail, "only way in") {
		t.Errorf("unlinking the only way in: %s", p.Detail)
	}
	var user people.User
	owner.get("users/" + invited.ID).want(200).decode(&user)
	if user.Invited || user.LastLogin == nil {
		t.Errorf("user = %+v", user)
	}

	again := s.client() // another browser, the same person: the subject counts now
	if ended := again.loginAt("ann", ""); ended != "/" || again.signIn().user.ID != invited.ID {
		t.Errorf("ended at %s as %s", ended, again.user.ID)
	}
	var link people.PasswordLink
	owner.post("users/"+invited.ID+"/reset-link", nil).want(201).decode(&link)
	again.post("auth/accept", map[string]any{"token": link.Token, "password": testPassword}).want(204)
	known := s.login("ann@example.com") // passwords are not off
	known.send("DELETE", "me/identities/"+identities.Data[0].ID, nil, nil).want(204)
	known.send("DELETE", "me/identities/"+identities.Data[0].ID, nil, nil).want(404)
}

func TestWhoTheProviderKnowsIsNotWhoMayLogIn(t *testing.T) {
	s := newSystem(t)
	owner := s.withProvider(asItIs)
	stranger := s.client()
	stranger.refused("stranger", stranger.loginAt("mallory", "/apps"), people.UnknownPerson, "")
	s.user("ann@example.com")
	for _, name := range []string{"unverified-ann", "nomail-ann"} {
		c := s.client()
		c.refused(name, c.loginAt(name, "/"), people.EmailUnverified, "")
	}
	gone := s.user("gone@example.com")
	owner.send("PATCH", "users/"+gone.ID, map[string]any{"disabled": true}, nil).want(200)
	c := s.client()
	c.refused("disabled", c.loginAt("gone", "/"), people.PersonDisabled, gone.ID)

	ann := s.client()
	ann.loginAt("ann", "/")
	ann.signIn()
	c = s.client() // another account of the provider with the same address
	c.refused("recycled address", c.loginAt("ann@example.com", "/"), people.LinkedOtherwise, ann.user.ID)
	owner.send("PATCH", "users/"+ann.user.ID, map[string]any{"disabled": true}, nil).want(200)
	c = s.client()
	c.refused("disabled after linking", c.loginAt("ann", "/"), people.PersonDisabled, ann.user.ID)
	ann.post("auth/refresh", nil).want(401)
}

func TestPeopleAreCreatedOnlyIfConfigured(t *testing.T) {
	s := newSystem(t)
	app := s.app("Shop")
	owner := s.withProvider(func(p *people.ProviderChange) {
		p.CreatePeople, p.Domains = true, []string{"Example.com"}
		p.Roles = []access.Assignment{{Role: access.Viewer, Apps: []string{app}}}
	})
	c := s.client()
	c.refused("another domain", c.loginAt("eve@other.example", "/"), people.UnknownPerson, "")
	c = s.client()
	c.refused("a domain that ends so", c.loginAt("eve@evilexample.com", "/"), people.UnknownPerson, "")
	c = s.client()
	c.refused("not verified", c.loginAt("unverified-bob", "/"), people.EmailUnverified, "")
	bob := s.client()
	if ended := bob.loginAt("bob", "/apps"); ended != "/apps" {
		t.Errorf("ended at %s", ended)
	}
	bob.signIn()
	if bob.user.Email != "bob@example.com" || bob.user.Name != "bob of the provider" || len(bob.user.Roles) != 1 || bob.user.Roles[0].Role != access.Viewer || bob.user.Roles[0].Apps[0] != app {
		t.Errorf("bob = %+v", bob.user)
	}
	bob.get("users").want(403)
	bob.post("auth/login", map[string]any{"email": "bob@example.com", "password": testPassword}).want(401)
	owner.send("DELETE", "apps/"+app, nil, nil).want(204)
	c = s.client()
	c.refused("roles that cannot be given", c.loginAt("carl", "/"), people.NotCreated, "")
}

func TestASecondFactorIsStillAsked(t *testing.T) {
	s := newSystem(t)
	s.withProvider(asItIs)
	user := s.user("ann@example.com", access.Assignment{Role: access.Viewer, AllApps: true})
	codes := s.login("ann@example.com").enrol()
	c := s.client()
	if ended := c.loginAt("ann", "/apps?x=1"); ended != "/apps?sso=totp&x=1" {
		t.Fatalf("ended at %s", ended)
	}
	c.post("auth/refresh", nil).want(401)
	if identities, err := s.accounts.Logins.Identities(t.Context(), user.ID); err != nil || len(identities) != 0 {
		t.Errorf("linked before the second factor: %v, %v", identities, err)
	}
	c.post("auth/oidc/totp", map[string]any{"totp": ""}).want(400)
	if p := c.post("auth/oidc/totp", map[string]any{"totp": "000000"}).want(403).problem(); p.Code != "totp_wrong" {
		t.Errorf("wrong code: %+v", p)
	}
	s.client().post("auth/oidc/totp", map[string]any{"totp": codes[0]}).want(403) // another browser
	var answer tokenAnswer
	kept := c.cookie(loginCookie)
	c.post("auth/oidc/totp", map[string]any{"totp": codes[0]}).want(200).decode(&answer)
	c.token = answer.AccessToken
	c.get("me").want(200)
	replay := s.client()
	replay.setCookies(kept)
	if p := replay.post("auth/oidc/totp", map[string]any{"totp": codes[1]}).want(403).problem(); p.Code != "login_expired" {
		t.Errorf("replayed: %+v", p)
	}
}

func TestAnswersThatAreNotOfThisBrowserAreRefused(t *testing.T) {
	s := newSystem(t)
	s.withProvider(asItIs)
	s.user("ann@example.com")
	victim, thief := s.client(), s.client()

	callback := victim.atProvider(victim.start("/"), "ann")
	thief.refused("no login here", thief.back(callback), stateMismatch, "")
	thief.start("/")
	thief.refused("another browser's state", thief.back(callback), stateMismatch, "")

	// The thief puts the victim's code under a state of their own: PKCE and the nonce do not fit.
	stolen, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(thief.start("/"))
	if err != nil {
		t.Fatal(err)
	}
	query := stolen.Query()
	query.Set("state", own.Query().Get("state"))
	stolen.RawQuery = query.Encode()
	thief.refused("another browser's code", thief.back(stolen.String()), "code_refused", "")

	victim = s.client()
	start := victim.start("/")
	cookie := victim.cookie(loginCookie)
	callback = victim.atProvider(start, "ann")
	if ended := victim.back(callback); ended != "/" {
		t.Fatalf("ended at %s", ended)
	}
	again := s.client()
	again.setCookies(cookie)
	again.refused("state and code replayed", again.back(callback), stateMismatch, "")

	mix := s.client()
	u, err := url.Parse(mix.atProvider(mix.start("/x"), "ann"))
	if err != nil {
		t.Fatal(err)
	}
	query = u.Query()
	query.Set("iss", "https://evil.example.com")
	u.RawQuery = query.Encode()
	mix.refused("another issuer", mix.back(u.String()), stateMismatch, "")

	late := s.client()
	address, err := url.Parse(late.start("/x"))
	if err != nil {
		t.Fatal(err)
	}
	late.refused("the person said no", late.back(s.url+callbackPath+"?error=access_denied&state="+address.Query().Get("state")), providerDenied, "")
	late.refused("the cookie is gone", late.back(s.url+callbackPath+"?error=access_denied&state="+address.Query().Get("state")), stateMismatch, "")
	s.client().back(s.url + callbackPath)
}

func TestNoLoginLeadsToAnotherSite(t *testing.T) {
	for text, want := range map[string]string{
		"": "/", "/": "/", "/apps/x?from=1&to=2": "/apps/x?from=1&to=2", "/apps/caf%C3%A9": "/apps/caf%C3%A9", "/x#y": "/x",
		"//evil.example.com": "/", `/\evil.example.com`: "/", "https://evil.example.com": "/", "https:evil.example.com": "/", "javascript:alert(1)": "/", "/%5cevil": "/", "/%2f%2fevil": "/",
		"/.//evil": "/", "/x/..//evil": "/", "/../x": "/", "/x\r\nSet-Cookie: a=b": "/", "/x%0d%0aSet-Cookie:a=b": "/", "/\tx": "/", "/é": "/", "@evil": "/", "/api/v1/me": "/", "/api": "/",
		"/" + strings.Repeat("x", maxReturnTo): "/",
	} {
		if got := localPath(text); got != want {
			t.Errorf("%q leads to %q, want %q", text, got, want)
		}
	}
	s := newSystem(t)
	s.withProvider(asItIs)
	s.user("ann@example.com")
	c := s.client()
	request := map[string]string{"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com", "Origin": s.url, "Referer": "https://evil.example.com"}
	var begun startAnswer
	c.send("POST", "auth/oidc/start", map[string]any{"return_to": "//evil.example.com"}, request).want(200).decode(&begun)
	u, err := url.Parse(begun.URL)
	if err != nil || u.Query().Get("redirect_uri") != s.url+callbackPath {
		t.Errorf("the provider is told to send people to %s", begun.URL)
	}
	if ended := c.back(c.atProvider(begun.URL, "ann")); ended != "/" {
		t.Errorf("ended at %s", ended)
	}
	c.send("POST", "auth/oidc/start", map[string]any{}, map[string]string{"Sec-Fetch-Site": "cross-site"}).want(403)
}

func TestPasswordsAreOffForWhoHasAnIdentity(t *testing.T) {
	s := newSystem(t)
	owner := s.withProvider(func(p *people.ProviderChange) { p.PasswordsOff = true })
	user := s.user("ann@example.com", access.Assignment{Role: access.Viewer, AllApps: true})
	s.login("ann@example.com") // is not linked yet
	c := s.client()
	c.loginAt("ann", "/")
	if p := s.client().post("auth/login", map[string]any{"email": "ann@example.com", "password": testPassword}).want(403).problem(); p.Code != "provider_only" {
		t.Errorf("problem = %+v", p)
	}
	s.client().post("auth/login", map[string]any{"email": "ann@example.com", "password": "wrong wrong wrong"}).want(401)
	boss := s.client()
	boss.loginAt("owner", "/")
	boss.signIn()
	s.login("owner@example.com") // must get in while the provider is down
	var identities page[people.Identity]
	owner.get("users/" + user.ID + "/identities").want(200).decode(&identities)
	c.signIn()
	owner.send("DELETE", "users/"+user.ID+"/identities/"+identities.Data[0].ID, nil, nil).want(204)
	c.post("auth/refresh", nil).want(401) // unlinking ends sessions
	s.login("ann@example.com")
}

func TestAProviderThatIsDownStopsNobodyElse(t *testing.T) {
	s := newSystem(t)
	owner := s.withProvider(asItIs)
	down := people.ProviderChange{Name: "Down", Issuer: "http://127.0.0.1:1", ClientID: "x", PublicURL: s.url}
	owner.send("PUT", "provider", down, nil).want(400) // tried first
	secret := ""
	down.ClientSecret = &secret
	if _, err := s.accounts.People.SetProvider(t.Context(), down); err != nil {
		t.Fatal(err)
	}
	if p := s.client().post("auth/oidc/start", map[string]any{}).want(503).problem(); p.Code != "provider_unavailable" {
		t.Errorf("problem = %+v", p)
	}
	if last := s.lastAudit(); last.Action != "login.provider" || last.Outcome != postgres.Failure {
		t.Errorf("audit = %+v", last)
	}
	s.login("owner@example.com")
}

// TestCallbacksThatNobodyBeganAreThrottled: each costs a look into the database.
func TestCallbacksThatNobodyBeganAreThrottled(t *testing.T) {
	s := newSystem(t)
	s.withProvider(asItIs)
	began, options := time.Now(), s.options()
	options.Now = func() time.Time { return began } // the throttle's clock stands still
	s.serve(options)
	guesses := s.handler.(*server).guesses
	for range guessesPerMinute - 1 {
		guesses.visit("127.0.0.1", began)
	}
	c := s.client()
	for range 3 { // they come to a good start, and do not count
		address, err := url.Parse(c.start("/x"))
		if err != nil {
			t.Fatal(err)
		}
		c.refused("the person said no", c.back(s.url+callbackPath+"?error=access_denied&state="+address.Query().Get("state")), providerDenied, "")
	}
	forged := oidc.NewAttempt()
	for _, want := range []string{stateMismatch, loginThrottled} {
		r := httptest.NewRequest("GET", callbackPath+"?code=x&state="+forged.State(), nil)
		r.RemoteAddr = "127.0.0.1:80"
		r.AddCookie(&http.Cookie{Name: loginCookie, Value: forged.String()})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		got := w.Header().Get("Location")
		if u, err := url.Parse(got); err != nil || u.Query().Get("sso") != want {
			t.Errorf("ended at %s, want %s", got, want)
		}
	}
}

func TestStartsAreThrottledByNetwork(t *testing.T) {
	s := newSystem(t)
	s.withProvider(asItIs)
	options := s.options()
	options.LoginsPerMinute = 3
	s.serve(options)
	c := s.client()
	for range 3 {
		c.start("/")
	}
	if got := c.post("auth/oidc/start", map[string]any{}).want(429); got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.clock.advance(time.Minute)
	c.start("/")
}

func TestTheProviderIsConfiguredByWhoMayDoEverything(t *testing.T) {
	s := newSystem(t)
	owner := s.withProvider(asItIs)
	got := owner.get("provider").want(200)
	var settings providerSettings
	got.decode(&settings)
	if settings.Provider == nil || !settings.Provider.HasSecret || settings.CallbackPath != callbackPath || strings.Contains(string(got.body), `secret":"`) {
		t.Errorf("settings = %s", got.body)
	}
	plain, err := s.accounts.People.Provider(t.Context())
	if err != nil || plain.Secret == "" {
		t.Fatalf("provider: %v", err)
	}
	entries, err := s.accounts.Audit(t.Context(), postgres.AuditPage{Limit: 50, Action: "provider.change"})
	if err != nil || len(entries) != 1 || strings.Contains(string(entries[0].Detail), plain.Secret) || strings.Contains(string(got.body), plain.Secret) {
		t.Errorf("audit: %v, %+v", err, entries)
	}
	same := people.ProviderChange{Name: "Other", Issuer: settings.Provider.Issuer, ClientID: settings.Provider.ClientID, PublicURL: s.url}
	owner.send("PUT", "provider", same, nil).want(200)
	if kept, err := s.accounts.People.Provider(t.Context()); err != nil || kept.Secret != plain.Secret {
		t.Errorf("the secret is not kept: %v", err)
	}
	other := same
	other.Issuer = "https://login.example.com"
	if _, err := s.accounts.People.SetProvider(t.Context(), other); err == nil {
		t.Error("the secret is kept for another issuer")
	}

	// Who manages people but cannot do everything would become everybody by a provider of their own.
	owner.post("roles", map[string]any{"role": "hr", "permissions": []string{"users.read", "users.manage"}}).want(201)
	s.user("hr@example.com", access.Assignment{Role: "hr", AllApps: true})
	hr := s.login("hr@example.com")
	hr.get("provider").want(200)
	hr.send("PUT", "provider", same, nil).want(403)
	hr.send("DELETE", "provider/"+settings.Provider.ID, nil, nil).want(403)

	for name, change := range map[string]func(*people.ProviderChange){
		"issuer http":       func(p *people.ProviderChange) { p.Issuer = "http://login.example.com" },
		"issuer metadata":   func(p *people.ProviderChange) { p.Issuer = "http://169.254.169.254" },
		"issuer file":       func(p *people.ProviderChange) { p.Issuer = "file:///etc/passwd" },
		"issuer elsewhere":  func(p *people.ProviderChange) { p.Issuer += "/" },
		"public URL":        func(p *people.ProviderChange) { p.PublicURL = "http://console.example.com" },
		"public path":       func(p *people.ProviderChange) { p.PublicURL += "/x" },
		"no name":           func(p *people.ProviderChange) { p.Name = " " },
		"no client":         func(p *people.ProviderChange) { p.ClientID = "" },
		"create whom":       func(p *people.ProviderChange) { p.CreatePeople = true },
		"domain":            func(p *people.ProviderChange) { p.Domains = []string{"@example.com"} },
		"every domain":      func(p *people.ProviderChange) { p.Domains = []string{"com"} },
		"too many domains":  func(p *people.ProviderChange) { p.Domains = make([]string, 21) },
		"unknown role":      func(p *people.ProviderChange) { p.Roles = []access.Assignment{{Role: "nothing", AllApps: true}} },
		"secret of a novel": func(p *people.ProviderChange) { long := strings.Repeat("x", 3000); p.ClientSecret = &long },
	} {
		bad := same
		change(&bad)
		if got := owner.send("PUT", "provider", bad, nil); got.status != 400 {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
	}
	owner.send("DELETE", "provider/"+owner.user.ID, nil, nil).want(404)
	owner.send("DELETE", "provider/"+settings.Provider.ID, nil, nil).want(204)
	owner.send("DELETE", "provider/"+settings.Provider.ID, nil, nil).want(404)
	if got := string(owner.get("provider").want(200).body); !strings.Contains(got, `"provider":null`) {
		t.Errorf("after removal: %s", got)
	}
}
