package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// restoration tells what followed from a restore of Postgres.
type restoration struct {
	postgres.Version
	Gap     postgres.Gap `json:"audit_gap"`
	Raised  []string     `json:"settings_raised"` // apps whose settings outrank lost ones from now on
	Revoked string       `json:"note"`
}

const revokedNote = "Keys, agents, people and links that were revoked, disabled or deleted within the gap are in force again, " +
	"and those that were made in it are gone: compare with the log of the aggregators and do it again."

// restoredCommand tells the installation that Postgres was restored from a backup.
func restoredCommand() *cobra.Command {
	cmd := onStored("restored", "after Postgres was restored from a backup: begin a new timeline, which agents and results follow",
		func(ctx context.Context, std daemon.Streams, s *stored) error {
			out, err := s.restored(ctx)
			if err != nil {
				return err
			}
			return printRestoration(std.Out, out)
		})
	cmd.Long = `Tells the installation that Postgres was restored from a backup.

Agents have seen higher generations of the settings than the backup has, and
ClickHouse has results under settings that are lost: both would be taken for newer.
A new timeline is newer than either. Agents follow it within seconds, so a key
that the backup does not have is refused, and results are computed again under the
settings of the backup. The audit log says where its gap is. It may be repeated.`
	return cmd
}

func printRestoration(w io.Writer, out restoration) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

// restored begins a timeline. The copies of the audit log's heads in ClickHouse tell how far it had come.
func (s *stored) restored(ctx context.Context) (out restoration, err error) {
	heads, err := copiedHeads(s.warehouse)(ctx)
	if err != nil {
		return out, err
	}
	last := int64(0)
	for _, h := range heads {
		last = max(last, h.Seq)
	}
	entries, err := s.accounts.Audit(ctx, postgres.AuditPage{Limit: 1})
	if err != nil {
		return out, err
	}
	if len(entries) > 0 {
		out.Gap.After = entries[0].Seq
	}
	if out.Version, err = s.accounts.BeginTimeline(ctx, last); err != nil {
		return out, err
	}
	out.Gap.Timeline, out.Gap.Lost, out.Revoked = out.Timeline, max(last, out.Gap.After), revokedNote
	generations, err := s.warehouse.Generations(ctx)
	if err != nil {
		return out, err
	}
	out.Raised = []string{}
	for app, generation := range generations {
		raised, err := s.accounts.Apps.Outrank(ctx, app, generation)
		if err != nil {
			return out, fmt.Errorf("app %s: %w", app, err)
		}
		if raised {
			out.Raised = append(out.Raised, app)
		}
	}
	return out, nil
}

// noticeRestore begins a timeline if the copies in ClickHouse know of entries of the audit log that Postgres
// does not have: it was restored, and nobody has said so.
func (n *Node) noticeRestore(ctx context.Context) error {
	s := &stored{warehouse: n.warehouse, accounts: n.accounts}
	unknown, err := s.unknownEntries(ctx)
	if err != nil || !unknown {
		return err
	}
	out, err := s.restored(ctx)
	if err != nil {
		return fmt.Errorf("begin a timeline after a restore: %w", err)
	}
	n.o.Log.Warn("Postgres was restored from a backup: a new timeline begins", "timeline", out.Timeline,
		"audit_after", out.Gap.After, "audit_lost", out.Gap.Lost, "settings_raised", out.Raised, "note", out.Revoked)
	return nil
}

// unknownEntries reports whether there is a copy of a head of the audit log that is newer than the log, and
// than the entries that the last restore told of.
func (s *stored) unknownEntries(ctx context.Context) (bool, error) {
	heads, err := copiedHeads(s.warehouse)(ctx)
	if err != nil || len(heads) == 0 {
		return false, err
	}
	last := heads[len(heads)-1].Seq
	newest, err := s.accounts.Audit(ctx, postgres.AuditPage{Limit: 1})
	if err != nil || len(newest) > 0 && newest[0].Seq >= last {
		return false, err
	}
	told, err := s.accounts.Audit(ctx, postgres.AuditPage{Limit: 1, Action: postgres.Restored})
	if err != nil || len(told) == 0 {
		return err == nil, err
	}
	var gap postgres.Gap
	if err := json.Unmarshal(told[0].Detail, &gap); err != nil {
		return false, fmt.Errorf("read the last restore: %w", err)
	}
	return last > gap.Lost, nil
}

// ignoreHangups keeps a SIGHUP from ending the node: its settings change with a restart, of one node after the other.
func (n *Node) ignoreHangups(ctx context.Context) error {
	hangups, stop := daemon.Hangups()
	defer stop()
	for {
		select {
		case <-hangups:
			n.o.Log.Warn("SIGHUP ignored: an aggregator takes new settings when it is restarted")
		case <-ctx.Done():
			return nil
		}
	}
}
