package node

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// tokenDays is how long a token is good that nobody said anything of.
const tokenDays = 90

// serviceToken is a token of a service account to be made.
type serviceToken struct {
	service, name, role string
	apps, permissions   []string
	days                int
}

func tokenCommand() *cobra.Command {
	token := &cobra.Command{Use: "token", Short: "Make, list and revoke the API tokens of programs", RunE: needsSubcommand,
		Long: "API tokens of service accounts, for programs that call the console's API. Tokens of people are made by those people, in the console. Agents are let in by another kind: see agent token."}
	var wanted serviceToken
	create := onAccounts("create", "print a new API token of a service account, which is made if it is not there", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		secret, err := wanted.make(ctx, a)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(std.Out, secret)
		return err
	})
	create.Flags().StringVar(&wanted.service, "service", "", "name of the service account")
	create.Flags().StringVar(&wanted.name, "name", "from the command line", "what the token is for")
	create.Flags().StringVar(&wanted.role, "role", string(access.Viewer), "role of a new service account")
	create.Flags().StringSliceVar(&wanted.apps, "app", nil, "ids of the apps that the token, and a new service account, is for; without any, all")
	create.Flags().StringSliceVar(&wanted.permissions, "permission", nil, "permissions of the token; without any, all that the service account has")
	create.Flags().IntVar(&wanted.days, "days", tokenDays, "days until it expires")
	var service, id string
	var asJSON bool
	list := onAccounts("list", "list the tokens of service accounts, without the secrets", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		return listTokens(ctx, std, a, asJSON)
	})
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	revoke := onAccounts("revoke", "end a token of a service account", func(ctx context.Context, _ daemon.Streams, a *accounts.Accounts) error {
		user, err := serviceAccount(ctx, a, service)
		if err != nil {
			return err
		}
		if user == nil {
			return fmt.Errorf("there is no service account %q", service)
		}
		return a.Logins.RevokeToken(ctx, user.ID, id)
	})
	revoke.Flags().StringVar(&service, "service", "", "name of the service account")
	revoke.Flags().StringVar(&id, "id", "", "id of the token, as token list shows it")
	token.AddCommand(create, list, revoke)
	return token
}

// make makes the token, and its service account if need be.
func (w *serviceToken) make(ctx context.Context, a *accounts.Accounts) (string, error) {
	if w.service == "" {
		return "", daemon.Usagef("--service names the account that the token is of")
	}
	user, err := serviceAccount(ctx, a, w.service)
	if err != nil {
		return "", err
	}
	apps := access.AppList{All: len(w.apps) == 0, IDs: w.apps}
	if user == nil {
		made, err := a.People.CreateUser(ctx, people.NewUser{Kind: people.Service, Name: w.service,
			Roles: []access.Assignment{{Role: access.Role(w.role), AllApps: apps.All, Apps: apps.IDs}}})
		if err != nil {
			return "", err
		}
		user = &made
	}
	permissions := access.Held(user.Principal())
	if len(w.permissions) > 0 {
		permissions = nil
		for _, p := range w.permissions {
			permissions = append(permissions, access.Permission(p))
		}
	}
	_, secret, err := a.Logins.CreateToken(ctx, user.ID, people.NewToken{Name: w.name, Permissions: permissions, Apps: apps, ExpiresDays: w.days})
	return secret, err
}

// serviceAccount returns nil if there is none of that name.
func serviceAccount(ctx context.Context, a *accounts.Accounts, name string) (*people.User, error) {
	users, err := a.People.Users(ctx)
	if err != nil {
		return nil, err
	}
	for i := range users {
		if users[i].Kind == people.Service && users[i].Name == name {
			return &users[i], nil
		}
	}
	return nil, nil
}

// serviceTokens is a service account with its tokens.
type serviceTokens struct {
	Service string         `json:"service"`
	Tokens  []people.Token `json:"tokens"`
}

func listTokens(ctx context.Context, std daemon.Streams, a *accounts.Accounts, asJSON bool) error {
	users, err := a.People.Users(ctx)
	if err != nil {
		return err
	}
	all := []serviceTokens{}
	for _, u := range users {
		if u.Kind != people.Service {
			continue
		}
		tokens, err := a.Logins.Tokens(ctx, u.ID)
		if err != nil {
			return err
		}
		all = append(all, serviceTokens{Service: u.Name, Tokens: tokens})
	}
	if asJSON {
		return json.NewEncoder(std.Out).Encode(all)
	}
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tID\tNAME\tBEGINS WITH\tEXPIRES")
	for _, s := range all {
		for _, t := range s.Tokens {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Service, t.ID, t.Name, t.Prefix, t.Expires.Format(time.DateOnly))
		}
	}
	return table.Flush()
}
