package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// rule says who may use a route. The zero rule is no rule, and stops the server from starting.
type rule struct {
	public     bool // anybody
	own        bool // whoever is logged in: it shows and changes only their own things
	tokens     bool // an own route that API tokens may use too
	anywhere   bool // whoever has the permission for at least one app; the handler shows only those
	permission access.Permission
	part       part
}

// part says how a route of an app treats those who see the app only in part, because every
// assignment that gives them the permission is narrowed to media sources or countries. This is the one
// place where it is decided, before anything is read.
type part int

const (
	wholeOnly part = iota // refuses them
	filtered              // shows them their part: its handler applies call.filter
	bySource              // changes things of a media source and of no country: refuses whoever is narrowed to countries
)

func public() rule                       { return rule{public: true} }
func own() rule                          { return rule{own: true} }
func ownOrToken() rule                   { return rule{own: true, tokens: true} }
func needs(p access.Permission) rule     { return rule{permission: p} }
func somewhere(p access.Permission) rule { return rule{permission: p, anywhere: true} }
func (r rule) inPart() rule              { r.part = filtered; return r }
func (r rule) ofSource() rule            { r.part = bySource; return r }
func (r rule) decided() bool             { return r.public || r.own || r.permission.Valid() }
func (r rule) String() string {
	switch {
	case r.public:
		return "public"
	case r.own && r.tokens:
		return "own, or any API token"
	case r.own:
		return "own"
	case r.anywhere:
		return string(r.permission) + " (for any app)"
	}
	switch r.part {
	case filtered:
		return string(r.permission) + " (what is theirs)"
	case bySource:
		return string(r.permission) + " (of their media sources)"
	}
	return string(r.permission)
}

// narrowing is how much of the app whoever holds the permission for it may see or do here. Nothing that
// the filter leaves out exists for them.
func (r rule) narrowing(p access.Principal, app string) (access.Filter, error) {
	if app == "" || r.public || r.own || r.anywhere {
		return access.Filter{}, nil
	}
	filter, ok := access.Narrowing(p, r.permission, app)
	switch {
	case !ok:
		return filter, errNarrowing()
	case r.part == wholeOnly && (len(filter.MediaSources) > 0 || len(filter.Countries) > 0):
		return filter, errInPart()
	case r.part == bySource && len(filter.Countries) > 0:
		return filter, errInPart()
	}
	return filter, nil
}

// decide returns nil if whoever the session is of may. An app that they cannot even see is not found.
func (r rule) decide(s *people.Session, app string) error {
	p := s.User.Principal()
	switch {
	case r.own && s.Token != nil && !r.tokens:
		return errNeedsSession()
	case r.own:
		return nil
	case r.anywhere && access.Anywhere(p, r.permission):
		return nil
	case !r.anywhere && access.Can(p, r.permission, app):
		_, err := r.narrowing(p, app)
		return err
	case app != "" && !access.Can(p, access.AppsRead, app):
		return errNoRoute()
	}
	return errNotAllowed()
}

// route is one line of the table.
type route struct {
	method  string
	path    string // under base, in the words of http.ServeMux
	rule    rule
	handle  func(*call) (any, error)
	summary string
	query   []string // names of the query parameters that it takes
	body    any      // an example of the type of its body, nil for none
	reply   any      // an example of the type of its answer, nil for none
	media   string   // type of its answer, empty for application/json
	status  int      // of a success; 0 means 200, or 204 without an answer
	keep    bool     // its answers are kept for a second, see answers

	converts bool // without a currency its money is converted to the app's
	text     bool // its body may be text/csv too
	tagged   bool // its answer has an entity tag
	ids      bool // its answer has ids for those who may see them, and is another for others
}

// name is the route in metrics and the audit log; no route has one, too.
func (r *route) name() string {
	if r == nil {
		return "none"
	}
	return r.method + " " + r.path
}

func (r *route) success() int {
	switch {
	case r.status != 0:
		return r.status
	case r.reply == nil:
		return http.StatusNoContent
	}
	return http.StatusOK
}

func (r *route) check() error {
	switch {
	case !r.rule.decided():
		return errors.New("it has no permission: nobody could say who may use it")
	case !knownMethod(r.method):
		return fmt.Errorf("its method %q is none of the API", r.method)
	case r.handle == nil:
		return errors.New("it has no handler")
	case r.summary == "":
		return errors.New("it has no summary")
	case r.rule.part != wholeOnly && !strings.Contains(r.path, "{app}"):
		return errors.New("it belongs to no app, so it cannot be of a part of one")
	case strings.Contains(r.path, "{app}") && (r.rule.public || r.rule.own || r.rule.anywhere):
		return errors.New("it belongs to an app and must need a permission for it")
	case r.method != http.MethodGet && r.rule.anywhere:
		return fmt.Errorf("it changes something and needs %s for any app only", r.rule.permission)
	}
	return nil
}

// page is the envelope of every list.
type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next_cursor"`
}

func pageOf[T any](data []T) page[T] { return page[T]{Data: append([]T{}, data...)} }

// routes is the table: the routes, who may use each, and its handler.
func routes() []route {
	var table []route
	for _, part := range [][]route{accountRoutes(), appRoutes(), kept(reportRoutes()), eventRoutes(), viewRoutes(), rateRoutes(), runRoutes(), evidenceRoutes(), erasureRoutes(),
		postbackRoutes(), peopleRoutes(), agentRoutes(), providerRoutes()} {
		table = append(table, part...)
	}
	return table
}

// kept has the answers of all that is read kept for a second.
func kept(table []route) []route {
	for i := range table {
		table[i].keep = table[i].method == http.MethodGet
	}
	return table
}

func accountRoutes() []route {
	return []route{
		{method: "POST", path: "auth/login", rule: public(), handle: login, summary: "Log in", body: loginBody{}, reply: tokenAnswer{}},
		{method: "POST", path: "auth/refresh", rule: public(), handle: refresh, summary: "Continue a session by its refresh cookie", reply: tokenAnswer{}},
		{method: "POST", path: "auth/logout", rule: public(), handle: logout, summary: "End the session of the refresh cookie"},
		{method: "POST", path: "auth/accept", rule: public(), handle: acceptLink, summary: "Set a password with the link of an invitation or a reset", body: acceptBody{}},
		{method: "GET", path: "openapi.json", rule: public(), handle: openapi, summary: "This document", reply: map[string]any{}},
		{method: "GET", path: "me", rule: ownOrToken(), handle: me, summary: "Who is logged in", reply: person{}},
		{method: "PATCH", path: "me", rule: own(), handle: changeMe, summary: "Change own name or password", body: meBody{}, reply: person{}},
		{method: "GET", path: "me/sessions", rule: own(), handle: mySessions, summary: "Own sessions", reply: page[sessionItem]{}},
		{method: "DELETE", path: "me/sessions/{session}", rule: own(), handle: endMySession, summary: "End an own session"},
		{method: "GET", path: "me/totp", rule: own(), handle: readTOTP, summary: "Own second factor", reply: people.TOTPState{}},
		{method: "POST", path: "me/totp", rule: own(), handle: enrolTOTP, summary: "Make the secret of a second factor; it is shown this once", body: proofBody{}, reply: people.TOTPSecret{}, status: 201},
		{method: "POST", path: "me/totp/confirm", rule: own(), handle: confirmTOTP, summary: "Put the second factor into force with its first code", body: codeBody{}, reply: recoveryAnswer{}},
		{method: "DELETE", path: "me/totp", rule: own(), handle: removeTOTP, summary: "Remove the own second factor", body: proofBody{}},
		{method: "GET", path: "me/tokens", rule: own(), handle: myTokens, summary: "Own API tokens, without the secrets", reply: page[people.Token]{}},
		{method: "POST", path: "me/tokens", rule: own(), handle: createMyToken, summary: "Create an API token; it is shown this once", body: people.NewToken{}, reply: newToken{}, status: 201},
		{method: "DELETE", path: "me/tokens/{token}", rule: own(), handle: revokeMyToken, summary: "Revoke an own API token"},
	}
}

func appRoutes() []route {
	return []route{
		{method: "GET", path: "apps", rule: somewhere(access.AppsRead), handle: listApps, summary: "Apps; with fields=short only names, which a client can keep by their ETag", query: with("fields"), reply: page[apps.App]{}, tagged: true},
		{method: "POST", path: "apps", rule: needs(access.AppsWrite), handle: createApp, summary: "Create an app", body: appBody{}, reply: apps.App{}, status: 201},
		{method: "GET", path: "apps/{app}", rule: needs(access.AppsRead).inPart(), handle: readApp, summary: "One app", reply: apps.App{}},
		{method: "PATCH", path: "apps/{app}", rule: needs(access.AppsWrite), handle: changeApp, summary: "Change an app", body: apps.AppChange{}, reply: apps.App{}},
		{method: "DELETE", path: "apps/{app}", rule: needs(access.AppsWrite), handle: deleteApp, summary: "Delete an app and revoke its keys"},
		{method: "GET", path: "apps/{app}/keys", rule: needs(access.AppsWrite), handle: listKeys, summary: "Keys, without the secrets", reply: page[apps.Key]{}},
		{method: "POST", path: "apps/{app}/keys", rule: needs(access.AppsWrite), handle: createKey, summary: "Create a key; it is shown this once", body: keyBody{}, reply: newKey{}, status: 201},
		{method: "DELETE", path: "apps/{app}/keys/{key}", rule: needs(access.AppsWrite), handle: revokeKey, summary: "Revoke a key"},
		{method: "GET", path: "apps/{app}/attribution", rule: needs(access.AppsRead).inPart(), handle: readSettings, summary: "Attribution settings in force", reply: settingsAnswer{}},
		{method: "PUT", path: "apps/{app}/attribution", rule: needs(access.AttributionConfigure), handle: changeSettings, summary: "Add a version of the attribution settings", body: settingsBody{}, reply: apps.SettingsVersion{}},
		{method: "GET", path: "apps/{app}/attribution/versions", rule: needs(access.AppsRead), handle: listSettings, summary: "Versions of the attribution settings", reply: page[apps.SettingsVersion]{}},
		{method: "GET", path: "apps/{app}/links", rule: needs(access.AppsRead).inPart(), handle: listLinks, summary: "Tracking links", query: []string{"limit", "cursor"}, reply: page[apps.Link]{}},
		{method: "POST", path: "apps/{app}/links", rule: needs(access.LinksWrite).ofSource(), handle: createLink, summary: "Create a tracking link", body: linkBody{}, reply: apps.Link{}, status: 201},
		{method: "GET", path: "apps/{app}/links/{link}", rule: needs(access.AppsRead).inPart(), handle: readLink, summary: "One tracking link", reply: apps.Link{}},
		{method: "PUT", path: "apps/{app}/links/{link}", rule: needs(access.LinksWrite).ofSource(), handle: changeLink, summary: "Replace a tracking link", body: linkBody{}, reply: apps.Link{}},
		{method: "DELETE", path: "apps/{app}/links/{link}", rule: needs(access.LinksWrite).ofSource(), handle: deleteLink, summary: "Delete a tracking link"},
	}
}

func peopleRoutes() []route {
	return []route{
		{method: "GET", path: "roles", rule: needs(access.UsersRead), handle: listRoles, summary: "Roles and their permissions", reply: page[people.Role]{}},
		{method: "POST", path: "roles", rule: needs(access.UsersManage), handle: createRole, summary: "Create a role", body: newRole{}, reply: people.Role{}, status: 201},
		{method: "PUT", path: "roles/{role}", rule: needs(access.UsersManage), handle: changeRole, summary: "Change a role, and with it what everybody who has it may do", body: roleBody{}, reply: people.Role{}},
		{method: "DELETE", path: "roles/{role}", rule: needs(access.UsersManage), handle: deleteRole, summary: "Delete a role that nobody has"},
		{method: "GET", path: "users", rule: needs(access.UsersRead), handle: listUsers, summary: "People", reply: page[people.User]{}},
		{method: "POST", path: "users", rule: needs(access.UsersManage), handle: createUser, summary: "Create a service account or a person; without a password, a person is invited", body: people.NewUser{}, reply: newUser{}, status: 201},
		{method: "GET", path: "users/{user}", rule: needs(access.UsersRead), handle: readUser, summary: "One person", reply: people.User{}},
		{method: "PATCH", path: "users/{user}", rule: needs(access.UsersManage), handle: changeUser, summary: "Change, disable or enable a person, or set their password", body: people.UserChange{}, reply: people.User{}},
		{method: "DELETE", path: "users/{user}", rule: needs(access.UsersManage), handle: deleteUser, summary: "Delete a person"},
		{method: "PUT", path: "users/{user}/roles", rule: needs(access.UsersManage), handle: setRoles, summary: "Replace a person's roles", body: rolesBody{}, reply: people.User{}},
		{method: "POST", path: "users/{user}/reset-link", rule: needs(access.UsersManage), handle: resetLink, summary: "Make a link with which a person sets a new password; it is shown this once", reply: people.PasswordLink{}, status: 201},
		{method: "DELETE", path: "users/{user}/totp", rule: needs(access.UsersManage), handle: clearTOTP, summary: "Remove the second factor of somebody who lost it"},
		{method: "GET", path: "users/{user}/tokens", rule: needs(access.UsersRead), handle: listTokens, summary: "API tokens of a user, without the secrets", reply: page[people.Token]{}},
		{method: "POST", path: "users/{user}/tokens", rule: needs(access.UsersManage), handle: createToken, summary: "Create an API token of a service account; it is shown this once", body: people.NewToken{}, reply: newToken{}, status: 201},
		{method: "DELETE", path: "users/{user}/tokens/{token}", rule: needs(access.UsersManage), handle: revokeToken, summary: "Revoke an API token of a user"},
		{method: "GET", path: "audit", rule: needs(access.AuditRead), handle: listAudit, summary: "Audit log, newest first", query: append([]string{"limit", "cursor"}, auditFilter()...), reply: page[postgres.Entry]{}},
		{method: "GET", path: "audit/export", rule: needs(access.AuditRead), handle: exportAudit, summary: "Audit log, newest first, one entry a line, at most 100000", query: auditFilter(), reply: "", media: "application/x-ndjson"},
		{method: "GET", path: "audit/verify", rule: needs(access.AuditRead), handle: verifyAudit, summary: "Check the chain of the audit log, and that it holds what was signed", reply: postgres.Verification{}},
	}
}

func providerRoutes() []route {
	return []route{
		{method: "GET", path: "auth/oidc", rule: public(), handle: readLoginWays, summary: "The OpenID Connect provider at which people may log in, if there is one", reply: loginWays{}},
		{method: "POST", path: "auth/oidc/start", rule: public(), handle: startProvider, summary: "Begin a login at the provider: the answer says where the browser has to go", body: startBody{}, reply: startAnswer{}},
		{method: "GET", path: "auth/oidc/callback", rule: public(), handle: providerCallback, summary: "Where the provider sends the browser: leads to the console, logged in or with the reason why not as sso",
			query: []string{"code", "state", "iss", "error"}, status: http.StatusSeeOther},
		{method: "POST", path: "auth/oidc/totp", rule: public(), handle: providerFactor, summary: "End a login at the provider with the second factor that is due here", body: factorBody{}, reply: tokenAnswer{}},
		{method: "GET", path: "provider", rule: needs(access.UsersRead), handle: readProvider, summary: "How the OpenID Connect provider is configured, without its secret", reply: providerSettings{}},
		{method: "PUT", path: "provider", rule: needs(access.UsersManage), handle: changeProvider, summary: "Configure the provider; only who may do everything may, and it is tried first", body: people.ProviderChange{}, reply: providerSettings{}},
		{method: "DELETE", path: "provider/{provider}", rule: needs(access.UsersManage), handle: removeProvider, summary: "End logins at the provider"},
		{method: "GET", path: "me/identities", rule: own(), handle: myIdentities, summary: "Own identities at providers", reply: page[people.Identity]{}},
		{method: "DELETE", path: "me/identities/{identity}", rule: own(), handle: unlinkMyIdentity, summary: "Unlink an own identity; a password must be set"},
		{method: "GET", path: "users/{user}/identities", rule: needs(access.UsersRead), handle: listIdentities, summary: "Identities of a person at providers", reply: page[people.Identity]{}},
		{method: "DELETE", path: "users/{user}/identities/{identity}", rule: needs(access.UsersManage), handle: unlinkIdentity, summary: "Unlink an identity of a person and end their sessions"},
	}
}

func agentRoutes() []route {
	return []route{
		{method: "GET", path: "agents", rule: needs(access.AgentsRead), handle: listAgents, summary: "Agents and their health", reply: page[agents.Agent]{}},
		{method: "GET", path: "agents/{agent}", rule: needs(access.AgentsRead), handle: readAgent, summary: "One agent", reply: agents.Agent{}},
		{method: "PATCH", path: "agents/{agent}", rule: needs(access.AgentsManage), handle: changeAgent, summary: "Say where SDKs reach an agent", body: agentBody{}, reply: agents.Agent{}},
		{method: "POST", path: "agents/enrollment-tokens", rule: needs(access.AgentsManage), handle: enrollmentToken, summary: "Make a token with which one agent can join", body: enrollmentBody{}, reply: enrollmentAnswer{}, status: 201},
		{method: "POST", path: "agents/{agent}/revoke", rule: needs(access.AgentsManage), handle: revokeAgent, summary: "Shut an agent out for ever"},
		{method: "GET", path: "cluster", rule: needs(access.AgentsRead), handle: clusterState, summary: "Aggregators and whether results match their inputs", reply: ClusterState{}},
	}
}
