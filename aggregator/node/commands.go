package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/api"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Commands gives the aggregator's root command its settings and subcommands.
func Commands(root *cobra.Command) {
	root.Short = "Store, attribute and show what agents collect"
	config := DefaultConfig()
	root.AddCommand(
		daemon.Command("run", "serve agents and the console", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
			return run(ctx, std, config)
		}),
		migrateCommand(),
		userCommand(),
		tokenCommand(),
		agentCommand(),
		replayCommand(),
		clusterCommand(),
		doctorCommand(),
		auditCommand(),
		rotateCommand(),
		reconcileCommand(),
		backfillCommand(),
		ratesCommand(),
		eraseCommand(), restoredCommand(),
		mcpCommand(),
		validateCommand(),
		daemon.ReadyCommand(config.AdminListen),
		openapiCommand(),
	)
}

func validateCommand() *cobra.Command {
	config := DefaultConfig()
	return daemon.ValidateCommand(&config)
}

// openapiCommand prints what clients are generated from; the console is one of them.
func openapiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "print the OpenAPI document of the console API", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			text, err := api.Document()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), string(text))
			return err
		},
	}
}

// tuneMemory lets the collector wait, but not beyond four times what blocks under way may take: the rest is
// their forms on the way to ClickHouse. Settings of the operator in the environment win.
func tuneMemory(std daemon.Streams, intake int64) {
	if v, _ := std.Getenv("GOMEMLIMIT"); v == "" {
		debug.SetMemoryLimit(4 * intake)
	}
	if v, _ := std.Getenv("GOGC"); v == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// gcPercent trades memory for fewer collections: what lives long is little beside the blocks under way,
// which intake_memory bounds.
const gcPercent = 300

func run(ctx context.Context, std daemon.Streams, config Config) error {
	log, err := daemon.NewLogger(std.Err, config.LogLevel, config.LogFormat)
	if err != nil {
		return err
	}
	tuneMemory(std, int64(config.IntakeMemory))
	notify, _ := std.Getenv("NOTIFY_SOCKET")
	n, err := New(ctx, Options{Config: config, Log: log, NotifySocket: notify})
	if err != nil {
		return err
	}
	log.Info("aggregator starts", "console", n.ConsoleAddr().String(), "agents", n.AgentsAddr().String(), "gossip", n.GossipAddr())
	return n.Run(ctx)
}

// postgresConfig are the settings of a command that works on Postgres alone.
type postgresConfig struct {
	PostgresDSN daemon.Secret `config:"postgres_dsn" help:"postgres://user:password@host:5432/database"`
	MasterKey   daemon.Secret `config:"master_key" help:"64 hexadecimal digits that seal the secrets in Postgres"`
}

// Validate reports missing settings.
func (c *postgresConfig) Validate() error {
	return (&Config{PostgresDSN: c.PostgresDSN, MasterKey: c.MasterKey}).validateAccounts()
}

// onAccounts makes a command that works on Postgres alone.
func onAccounts(use, short string, do func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error) *cobra.Command {
	config := &postgresConfig{}
	return daemon.Command(use, short, config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		a, err := openAccounts(ctx, &Config{PostgresDSN: config.PostgresDSN, MasterKey: config.MasterKey})
		if err != nil {
			return err
		}
		defer a.Close()
		return do(ctx, std, a)
	})
}

func migrateCommand() *cobra.Command {
	config := DefaultConfig()
	return daemon.Command("migrate", "bring the schemas of Postgres and ClickHouse up to date", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		a, err := openAccounts(ctx, &config)
		if err != nil {
			return err
		}
		defer a.Close()
		w, err := warehouse.Open(ctx, warehouse.Options{DSN: string(config.ClickHouseDSN), Logger: slog.New(slog.NewTextHandler(std.Err, nil))})
		if err != nil {
			return err
		}
		if err := errors.Join(migrate(ctx, a, w), w.Close()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(std.Out, "The schemas are up to date.")
		return err
	})
}

func userCommand() *cobra.Command {
	user := &cobra.Command{Use: "user", Short: "Create people and reset their passwords", RunE: needsSubcommand}
	var email, name, role string
	create := onAccounts("create", "create a person; the password is read from standard input", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		password, err := readPassword(std.In)
		if err != nil {
			return err
		}
		u, err := a.People.CreateUser(ctx, people.NewUser{Email: email, Name: name, Password: password,
			Roles: []access.Assignment{{Role: access.Role(role), AllApps: true}}})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.Out, "Created %s with id %s.\n", u.Email, u.ID)
		return err
	})
	create.Flags().StringVar(&email, "email", "", "email address, the login name")
	create.Flags().StringVar(&name, "name", "", "name to show")
	create.Flags().StringVar(&role, "role", string(access.Owner), "owner, operator, marketer, analyst or viewer, for all apps")
	var whose string
	var lostPhone bool
	reset := onAccounts("reset", "set a new password, read from standard input, and end all sessions", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		password, err := readPassword(std.In)
		if err != nil {
			return err
		}
		return resetPassword(ctx, std, a, whose, password, lostPhone)
	})
	reset.Flags().StringVar(&whose, "email", "", "email address of the person")
	reset.Flags().BoolVar(&lostPhone, "totp", false, "remove the second factor too")
	user.AddCommand(create, reset, inviteCommand())
	return user
}

func inviteCommand() *cobra.Command {
	var email, name, role string
	invite := onAccounts("invite", "print a one-time link with which a person sets their password; creates the person if need be", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		link, err := invitation(ctx, a, people.NewUser{Email: email, Name: name, Roles: []access.Assignment{{Role: access.Role(role), AllApps: true}}})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.Out, "Open this path of the console before %s, then log in: %s\n", link.Expires.Format(time.RFC3339), link.Path)
		return err
	})
	invite.Flags().StringVar(&email, "email", "", "email address, the login name")
	invite.Flags().StringVar(&name, "name", "", "name to show")
	invite.Flags().StringVar(&role, "role", string(access.Owner), "role of a new person, for all apps")
	return invite
}

// invitation makes a link for a new person, or for one who is there already.
func invitation(ctx context.Context, a *accounts.Accounts, person people.NewUser) (people.PasswordLink, error) {
	users, err := a.People.Users(ctx)
	if err != nil {
		return people.PasswordLink{}, err
	}
	for _, u := range users {
		if u.Kind == people.Person && strings.EqualFold(u.Email, person.Email) {
			return a.People.ResetLink(ctx, u.ID)
		}
	}
	_, link, err := a.People.Invite(ctx, person)
	return link, err
}

func resetPassword(ctx context.Context, std daemon.Streams, a *accounts.Accounts, email, password string, lostPhone bool) error {
	users, err := a.People.Users(ctx)
	if err != nil {
		return err
	}
	for _, u := range users {
		if !strings.EqualFold(u.Email, email) {
			continue
		}
		enabled := false
		if _, err := a.People.UpdateUser(ctx, u.ID, people.UserChange{Password: &password, Disabled: &enabled}); err != nil {
			return err
		}
		if u.TOTP && lostPhone {
			if err := a.Logins.ClearTOTP(ctx, u.ID); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(std.Out, "%s has a new password, and every session has ended.\n", u.Email)
		return err
	}
	return fmt.Errorf("nobody has the email address %q", email)
}

// readPassword reads one line.
func readPassword(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", daemon.Usagef("the password is read from standard input, which was empty")
	}
	return password, nil
}

func needsSubcommand(cmd *cobra.Command, _ []string) error {
	return daemon.Usagef("%s needs a subcommand: see %s --help", cmd.Name(), cmd.CommandPath())
}
