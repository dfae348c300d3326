// Package daemon is what every process owes its operator, whatever it does: settings from
// defaults, a file, the environment and flags; a log; an admin listener with health, readiness,
// metrics and profiles; an ordered start and an ordered stop; and exit codes that scripts can
// rely on.
//
// A program is a main of a few lines that calls [Main] with its commands. A command made by
// [Command] loads one flat settings struct (see [Load]) and calls its function. A command that
// serves builds its parts, adds them to a [Group], downstream first, and runs the group:
//
//	group := daemon.Group{Admin: admin, Log: log, StopTimeout: 15 * time.Second}
//	group.Add("buffer", buffer)
//	group.Add("ingest", ingest) // the tap is opened last and closed first
//	return group.Run(ctx)
//
// The package keeps no state of its own: any number of groups, admin listeners and registries
// live side by side in one process.
package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes of every program.
const (
	ExitDone   = 0  // the work is done
	ExitFailed = 1  // the work failed, or a second signal cut a stop short
	ExitUsage  = 2  // the command line is wrong
	ExitConfig = 78 // the settings are wrong (EX_CONFIG of sysexits.h)
)

// Part is something that runs until its context ends. Run returns only when every goroutine that
// the part started has returned.
type Part interface {
	Run(ctx context.Context) error
}

// PartFunc makes a Part of a function.
type PartFunc func(ctx context.Context) error

// Run calls f.
func (f PartFunc) Run(ctx context.Context) error { return f(ctx) }

// Hangups tells of every SIGHUP, with which an operator asks for new settings, until stop is called.
func Hangups() (hangups <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// Main runs the program called name and exits with its code. build gives the root command its
// description and its commands.
//
// SIGTERM and SIGINT end the context of the running command, which stops in its own order; a
// second signal exits at once with code 1.
func Main(name string, build func(root *cobra.Command)) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		cancel()
		s := <-signals
		fmt.Fprintf(os.Stderr, "%s: second %s: exit without stopping in order\n", name, s)
		os.Exit(ExitFailed)
	}()
	os.Exit(Execute(ctx, name, build, OSStreams()))
}
