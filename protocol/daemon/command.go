package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Streams are a command's ways in and out.
type Streams struct {
	In     io.Reader
	Out    io.Writer // results
	Err    io.Writer // logs, progress and errors
	Getenv func(name string) (string, bool)

	// Load fills a struct of defaults from where the command's own settings came from, as they are
	// there now. It is nil for commands without settings.
	Load func(config any) error
}

// OSStreams are those of the process.
func OSStreams() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv}
}

// UsageError is a wrong command line. A command that returns one exits with code 2.
type UsageError struct{ Err error }

// Error is the error of the command line.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// RunFunc is the work of a command. The settings are loaded when it is called.
type RunFunc func(ctx context.Context, std Streams, args []string) error

// Command makes a command with the settings of config, a pointer to a struct of defaults (see
// [Load]), which is filled before run is called. It takes a flag for each setting and --config
// for the file (or UNMOGROWP_CONFIG), and no arguments unless the caller sets Args. A nil config
// makes a command without settings. A command must be made anew for each execution.
func Command(use, short string, config any, run RunFunc) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	var file string
	if config != nil {
		AddFlags(cmd.Flags(), config)
		cmd.Flags().StringVar(&file, "config", "", "YAML `file` with settings (environment: "+EnvPrefix+"CONFIG)")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		std := streamsOf(cmd)
		if config != nil {
			if file == "" {
				file, _ = std.Getenv(EnvPrefix + "CONFIG")
			}
			std.Load = func(config any) error {
				return Load(config, Sources{File: file, Getenv: std.Getenv, Flags: cmd.Flags()})
			}
			if err := std.Load(config); err != nil {
				return err
			}
		}
		return run(cmd.Context(), std, args)
	}
	return cmd
}

// ValidateCommand makes the command "validate": it loads the settings as the command that uses them
// would, and prints the resulting values, secrets hidden.
func ValidateCommand(config any) *cobra.Command {
	var asJSON bool
	cmd := Command("validate", "check the settings and print what they come to", config,
		func(_ context.Context, std Streams, _ []string) error {
			if asJSON {
				values := make(map[string]string)
				for _, s := range Describe(config) {
					values[s.Name] = s.Default
				}
				return json.NewEncoder(std.Out).Encode(values)
			}
			for _, s := range Describe(config) {
				fmt.Fprintf(std.Out, "%s: %q\n", s.Name, s.Default)
			}
			return nil
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type streamsKey struct{}

func streamsOf(cmd *cobra.Command) Streams {
	return cmd.Context().Value(streamsKey{}).(Streams)
}

// Execute runs the program with the arguments of the process and answers its exit code. Errors
// are printed to std.Err. Main is this plus signals.
func Execute(ctx context.Context, name string, build func(root *cobra.Command), std Streams) int {
	return ExecuteArgs(ctx, name, build, std, os.Args[1:])
}

// ExecuteArgs is Execute with arguments of the caller's.
func ExecuteArgs(ctx context.Context, name string, build func(root *cobra.Command), std Streams, args []string) int {
	root := &cobra.Command{Use: name, SilenceErrors: true, SilenceUsage: true}
	build(root)
	root.AddCommand(versionCommand())
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	working := false // whether the command line was accepted and a command's own work has begun
	prepare(root, &working)

	cmd, err := root.ExecuteContextC(context.WithValue(ctx, streamsKey{}, std))
	if err == nil {
		return ExitDone
	}
	code := ExitFailed
	var usage *UsageError
	var config *ConfigError
	switch {
	case errors.As(err, &config):
		code = ExitConfig
	case errors.As(err, &usage) || !working:
		code = ExitUsage
	}
	fmt.Fprintf(std.Err, "%s: %s\n", cmd.CommandPath(), err)
	if code == ExitUsage {
		fmt.Fprintf(std.Err, "Run '%s --help' for how to call it.\n", cmd.CommandPath())
	}
	return code
}

// prepare makes every command tell when its own work begins, so that all earlier errors are the
// command line's, and makes a command that only groups others refuse to be called by itself.
func prepare(cmd *cobra.Command, working *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*working = true
			return run(cmd, args)
		}
	} else if cmd.Run == nil && cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = 2
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					return Usagef("unknown command %q; did you mean %q?", args[0], near[0])
				}
				return Usagef("unknown command %q", args[0])
			}
			cmd.SetOut(cmd.ErrOrStderr())
			return errors.Join(cmd.Usage(), Usagef("name a command"))
		}
	}
	for _, sub := range cmd.Commands() {
		prepare(sub, working)
	}
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := Command("version", "print the version", nil, func(_ context.Context, std Streams, _ []string) error {
		b := BuildInfo()
		if asJSON {
			return json.NewEncoder(std.Out).Encode(b)
		}
		_, err := fmt.Fprintf(std.Out, "%s %s %s %s\n", b.Version, b.Revision, b.Go, b.Platform)
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
