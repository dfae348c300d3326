package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/deploy/standalone/traffic"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const (
	demoPeople = 4000
	demoSeed   = 1
	maxSenders = 64
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	people  int
	seed    uint64
	senders int
}

// demoCommand sends sample traffic through the agent and says where to look.
func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := daemon.Command("demo", "send a month of sample traffic through the agent", nil, func(ctx context.Context, std daemon.Streams, _ []string) error {
		p, err := newPlan(std.Getenv)
		if err != nil {
			return err
		}
		if o.people < 1 || o.people > traffic.MaxPeople {
			return daemon.Usagef("--people is %d, 1 to %d are possible", o.people, traffic.MaxPeople)
		}
		if o.senders < 1 || o.senders > maxSenders {
			return daemon.Usagef("--senders is %d, 1 to %d are possible", o.senders, maxSenders)
		}
		return demo(ctx, std, p, o)
	})
	cmd.Long = `Send a month of sample traffic through the agent and say where to look.

The same seed makes the same messages with the same ids: run again, the demo adds
what has happened since (by the clock of the story) and counts nothing twice.`
	cmd.Flags().IntVar(&o.people, "people", demoPeople, "how many people take part, about")
	cmd.Flags().Uint64Var(&o.seed, "seed", demoSeed, "another number makes another story, beside those sent before")
	cmd.Flags().IntVar(&o.senders, "senders", 4, "how many connections send at once")
	return cmd
}

func demo(ctx context.Context, std daemon.Streams, p plan, o demoOptions) error {
	env, err := p.runningSystem(ctx)
	if err != nil {
		return err
	}
	api, err := logIn(ctx, env)
	if err != nil {
		return err
	}
	began := time.Now()
	made, err := traffic.Generate(traffic.Options{Seed: o.seed, Now: began, People: o.people})
	if err != nil {
		return err
	}
	s := &made.Summary
	if _, err := fmt.Fprintf(std.Err, "Sending %s messages of %s people (%s of them twice, %s late) to %s …\n",
		grouped(s.Events), grouped(s.People), grouped(s.Repeated), grouped(s.Late), env.get("AGENT_URL")); err != nil {
		return err
	}
	send := sender{agent: env.get("AGENT_URL"), write: env.get("WRITE_KEY"), server: env.get("SERVER_KEY"), senders: o.senders,
		http: &http.Client{Timeout: 30 * time.Second}, patience: time.Minute, now: time.Now}
	sending := newProgress(std, len(made.Messages), true)
	err = send.all(ctx, made.Requests(), sending.step)
	sending.end()
	if err != nil {
		return err
	}
	sent := time.Since(began)
	if _, err := fmt.Fprintln(std.Err, "Waiting until the reports show them …"); err != nil {
		return err
	}
	// What happened just now may be stamped a little later than it was sent.
	w := watcher{api: api, app: env.get("APP_ID"), from: s.From, to: s.To.Add(5 * time.Minute), sent: time.UnixMilli(send.last.Load()),
		every: 500 * time.Millisecond, patience: 2 * time.Minute}
	shown, err := w.await(ctx, s, newProgress(std, s.Events, false))
	if err != nil {
		return err
	}
	return report{standing: shown, sent: sent, took: time.Since(began), messages: len(made.Messages), env: env}.print(std.Out)
}

// runningSystem returns how to reach the system, or what to do if it does not
// run.
func (p plan) runningSystem(ctx context.Context) (*environment, error) {
	s, running := p.readState()
	switch {
	case !running:
		return nil, errors.New("the system is not running: run make start first")
	case s.Infra:
		return nil, errors.New("only ClickHouse and Postgres run: run make stop, then make start")
	case !s.Ready:
		return nil, fmt.Errorf("the system is still starting (%s): run make start, which waits for it", s.Phase)
	}
	env, err := readEnvironment(p.envFile())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"AGENT_URL", "WRITE_KEY", "SERVER_KEY", "APP_ID"} {
		if env.get(name) == "" {
			return nil, fmt.Errorf("%s lacks %s: run make stop, then make start", p.envFile(), name)
		}
	}
	if err := ready(p.local(agentAdmin))(ctx); err != nil {
		return nil, fmt.Errorf("the agent is not ready: %w: see make status", err)
	}
	return env, nil
}
