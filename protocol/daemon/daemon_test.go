package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestMain makes a program "node" for the scripts in testdata: a real process with Main, the way
// the agent and the aggregator are.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"node": func() { Main("node", buildNode) },
	})
}

func buildNode(root *cobra.Command) {
	root.Short = "a program for tests"
	var runConfig, validConfig = defaults(), defaults()
	group := &cobra.Command{Use: "buffer", Short: "look at the buffer"}
	group.AddCommand(Command("inspect", "show it", nil, func(_ context.Context, std Streams, _ []string) error {
		_, err := fmt.Fprintln(std.Out, "empty")
		return err
	}))
	root.AddCommand(group, ValidateCommand(validConfig),
		Command("run", "run until stopped", runConfig, func(ctx context.Context, std Streams, _ []string) error {
			fmt.Fprintf(std.Out, "running in %s\n", runConfig.Dir)
			var g Group
			g.Add("sleeper", PartFunc(func(ctx context.Context) error {
				<-ctx.Done()
				return nil
			}))
			g.Add("killer", PartFunc(interrupt))
			err := g.Run(ctx)
			fmt.Fprintln(std.Out, "stopped")
			return err
		}),
		Command("hang", "never stop", nil, func(ctx context.Context, _ Streams, _ []string) error {
			_ = interrupt(ctx)
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			select {}
		}),
		Command("fail", "fail", nil, func(context.Context, Streams, []string) error {
			return errors.New("open buffer: disk on fire")
		}))
}

// interrupt sends the process the signal that an operator would, and waits for it to take effect.
func interrupt(ctx context.Context) error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("the signal did not end the context")
	}
}

func TestProgram(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
		},
	})
}

// exits runs a program and checks its exit code: exits 78 node validate.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit interface{ ExitCode() int }
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = fmt.Sprint(exit.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}
