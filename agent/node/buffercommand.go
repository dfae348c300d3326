package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/agent/buffer"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// bufferCommand looks into the buffer of an agent that does not run.
func bufferCommand(c *Config) *cobra.Command {
	cmd := &cobra.Command{Use: "buffer", Short: "look into the buffer of an agent that is stopped"}
	for _, sub := range []struct {
		use, short string
		do         func(ctx context.Context, std daemon.Streams, v *buffer.View) error
	}{
		{"inspect", "print what the buffer holds, as JSON", inspect},
		{"verify", "read every block that was not acknowledged; fails and names them if some are missing or damaged. Writes nothing", verify},
		{"export", "print every event that was not acknowledged, one JSON object a line", export},
		{"dead", "list what aggregators put into quarantine and what was damaged, one JSON object a line, with its events", dead},
	} {
		cmd.AddCommand(daemon.Command(sub.use, sub.short, c, func(ctx context.Context, std daemon.Streams, _ []string) error {
			return withView(ctx, std, c, sub.do)
		}))
	}
	cmd.AddCommand(damagedCommand(c), replayCommand(c))
	cmd.AddCommand(deadCommand(c, "resend", "put dead letters into the queue again; the agent sends them when it starts", resend))
	cmd.AddCommand(deadCommand(c, "discard", "remove dead letters for good", discard))
	return cmd
}

// damagedCommand lists and exports segments that have lost blocks, and discards
// those that were set aside.
func damagedCommand(c *Config) *cobra.Command {
	cmd := daemon.Command("damaged", "list segments that have lost blocks, one JSON object a line", c,
		func(ctx context.Context, std daemon.Streams, _ []string) error {
			return withView(ctx, std, c, func(_ context.Context, std daemon.Streams, v *buffer.View) error {
				list, err := v.SetAside()
				e := json.NewEncoder(std.Out)
				for _, a := range list {
					if err := e.Encode(a); err != nil {
						return err
					}
				}
				return err
			})
		})
	exporting := daemon.Command("export name", "print the events that can still be read in something that was set aside", c,
		func(ctx context.Context, std daemon.Streams, args []string) error {
			return withView(ctx, std, c, func(_ context.Context, std daemon.Streams, v *buffer.View) error {
				return exportBlocks(std, func(visit func(seq uint64, block []byte) error) error { return v.EachAside(args[0], visit) })
			})
		})
	exporting.Args = cobra.ExactArgs(1)
	discarding := daemon.Command("discard name ...", "remove for good what was set aside", c,
		func(_ context.Context, std daemon.Streams, args []string) error {
			for _, name := range args {
				if err := buffer.DiscardAside(c.bufferDir(), name, slog.New(slog.NewTextHandler(std.Err, nil))); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(std.Out, "%s: removed\n", name); err != nil {
					return err
				}
			}
			return nil
		})
	discarding.Args = cobra.MinimumNArgs(1)
	cmd.AddCommand(exporting, discarding)
	return cmd
}

// deadCommand does something with the dead letters that are named, or all.
func deadCommand(c *Config, verb, short string, do func(ctx context.Context, std daemon.Streams, q *buffer.Queue, name string) error) *cobra.Command {
	var all bool
	cmd := daemon.Command(verb+" [name ...]", short, c, func(ctx context.Context, std daemon.Streams, names []string) error {
		if all == (len(names) > 0) {
			return daemon.Usagef("name dead letters as `agent buffer dead` lists them, or give --all")
		}
		return withBuffer(ctx, std, c, func(ctx context.Context, std daemon.Streams, q *buffer.Queue) error {
			if all {
				for _, letter := range q.Dead() {
					if verb == "discard" || !letter.Damaged {
						names = append(names, letter.Name)
					}
				}
			}
			for _, name := range names {
				if err := do(ctx, std, q, name); err != nil {
					return err
				}
			}
			return nil
		})
	})
	cmd.Args = cobra.ArbitraryArgs
	cmd.Flags().BoolVar(&all, "all", false, "all of them; damaged ones cannot be sent")
	return cmd
}

func resend(ctx context.Context, std daemon.Streams, q *buffer.Queue, name string) error {
	events, err := q.Resend(ctx, name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, "%s: %d events will be sent again when the agent starts\n", name, events)
	return err
}

func discard(_ context.Context, std daemon.Streams, q *buffer.Queue, name string) error {
	if err := q.Discard(name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.Out, "%s: removed\n", name)
	return err
}

// dead lists the dead letters.
func dead(_ context.Context, std daemon.Streams, v *buffer.View) error {
	e := json.NewEncoder(std.Out)
	for _, letter := range v.Dead() {
		out := struct {
			buffer.DeadLetter
			Contents []exportedEvent `json:"contents,omitempty"`
		}{DeadLetter: letter}
		if !letter.Damaged {
			events, err := v.DeadEvents(letter.Name)
			if err != nil {
				out.Reason += "; cannot be read: " + err.Error()
			}
			for i := range events {
				out.Contents = append(out.Contents, exported(0, &events[i]))
			}
		}
		if err := e.Encode(out); err != nil {
			return err
		}
	}
	return nil
}

// replayCommand makes a stopped agent send its kept blocks again, for a
// ClickHouse that was restored from a backup.
func replayCommand(c *Config) *cobra.Command {
	var since string
	cmd := daemon.Command("replay", "at the next start, send again what was acknowledged since a time and is still kept", c,
		func(ctx context.Context, std daemon.Streams, _ []string) error {
			from, err := time.Parse(time.RFC3339, since)
			if err != nil {
				return daemon.Usagef("--since %q is not a time as in 2026-01-31T08:00:00Z", since)
			}
			return withBuffer(ctx, std, c, func(_ context.Context, std daemon.Streams, q *buffer.Queue) error {
				r, err := q.Replay(from.UnixMilli(), "")
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(std.Out, "%d blocks with %d events will be sent again when the agent starts\n", r.Blocks, r.Events); err != nil {
					return err
				}
				if r.MissingBlocks > 0 {
					_, err = fmt.Fprintf(std.Out, "%d blocks with %d events, acknowledged from %s to %s, are no longer kept\n", r.MissingBlocks, r.MissingEvents,
						time.UnixMilli(r.MissingFrom).UTC().Format(time.RFC3339), time.UnixMilli(r.MissingUntil).UTC().Format(time.RFC3339))
				}
				if err == nil && r.Unknown {
					_, err = fmt.Fprintln(std.Out, "the agent's records do not reach back so far: more may be missing")
				}
				return err
			})
		})
	cmd.Flags().StringVar(&since, "since", "", "time of the backup, RFC 3339")
	return cmd
}

// withBuffer opens the buffer for one command. Its opening verifies all blocks
// that were not acknowledged and logs the lost ones.
func withBuffer(ctx context.Context, std daemon.Streams, c *Config, do func(context.Context, daemon.Streams, *buffer.Queue) error) (err error) {
	if !buffer.Exists(c.bufferDir()) {
		return fmt.Errorf("there is no buffer in %s; set data_dir", c.bufferDir())
	}
	q, err := buffer.Open(buffer.Options{Dir: c.bufferDir(), QuotaBytes: int64(c.Quota), BallastBytes: -1, Retention: c.Retention,
		Logger: slog.New(slog.NewTextHandler(std.Err, nil))})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := q.Close(); err == nil {
			err = closeErr
		}
	}()
	return do(ctx, std, q)
}

// withView looks at the buffer for one command and changes nothing.
func withView(ctx context.Context, std daemon.Streams, c *Config, do func(context.Context, daemon.Streams, *buffer.View) error) (err error) {
	if !buffer.Exists(c.bufferDir()) {
		return fmt.Errorf("there is no buffer in %s; set data_dir", c.bufferDir())
	}
	v, err := buffer.Look(buffer.Options{Dir: c.bufferDir(), QuotaBytes: int64(c.Quota), Retention: c.Retention,
		Logger: slog.New(slog.NewTextHandler(std.Err, nil))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return do(ctx, std, v)
}

func inspect(_ context.Context, std daemon.Streams, v *buffer.View) error {
	e := json.NewEncoder(std.Out)
	e.SetIndent("", "  ")
	return e.Encode(v.Stats())
}

func verify(_ context.Context, std daemon.Streams, v *buffer.View) error {
	s := v.Stats()
	if _, err := fmt.Fprintf(std.Out, "%d blocks with %d events wait, %d blocks lost\n", s.QueuedBlocks, s.QueuedEvents, s.Lost); err != nil {
		return err
	}
	for _, l := range v.Lost() {
		if _, err := fmt.Fprintf(std.Out, "lost: block %d to %d of epoch %016x\n", l.First, l.Last, s.Epoch); err != nil {
			return err
		}
	}
	if s.Lost > 0 {
		return fmt.Errorf("%d blocks are missing or damaged; all others will be sent", s.Lost)
	}
	return nil
}

func export(ctx context.Context, std daemon.Streams, v *buffer.View) error {
	return exportBlocks(std, func(visit func(seq uint64, block []byte) error) error { return v.Each(ctx, visit) })
}

func exportBlocks(std daemon.Streams, each func(visit func(seq uint64, block []byte) error) error) error {
	codec, err := protocol.NewCompressor()
	if err != nil {
		return err
	}
	e := json.NewEncoder(std.Out)
	return each(func(seq uint64, block []byte) error {
		b, err := protocol.ParseBlock(block)
		if err != nil {
			return err
		}
		events, err := codec.Events(&b)
		if err != nil {
			return err
		}
		for i := range events {
			if err := e.Encode(exported(seq, &events[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

// exportedEvent is an event for people and scripts: what identifies it and what
// the client sent.
type exportedEvent struct {
	Seq      uint64          `json:"block,omitempty"`
	App      string          `json:"app"`
	ID       string          `json:"message_id"`
	Kind     string          `json:"kind"`
	Name     string          `json:"name,omitempty"`
	Time     int64           `json:"time_ms"`
	Received int64           `json:"received_ms"`
	Payload  json.RawMessage `json:"payload,omitempty"`
}

func exported(seq uint64, e *protocol.Event) exportedEvent {
	payload := json.RawMessage(e.Payload)
	if !json.Valid(payload) {
		payload = nil
	}
	return exportedEvent{Seq: seq, App: e.App, ID: e.ID, Kind: e.Kind.String(), Name: e.Name, Time: e.Time, Received: e.Received, Payload: payload}
}
