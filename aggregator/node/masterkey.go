package node

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// rotateCommand changes the master key while nodes run.
func rotateCommand() *cobra.Command {
	cmd := onAccounts("rotate-master-key", "put the first of two master keys into force and seal every secret anew under it; may be repeated", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		r, err := a.RotateMasterKey(ctx, func(done int) { fmt.Fprintf(std.Err, "%d secrets sealed anew\n", done) })
		if err != nil {
			return err
		}
		from := ""
		if r.From != "" {
			from = " in place of " + r.From
		}
		_, err = fmt.Fprintf(std.Out, "Master key %s is in force%s, and nothing is sealed under another: %d secrets were sealed anew. Give the nodes this key alone.\n", r.To, from, r.Resealed)
		return err
	})
	cmd.Long = `Changes the master key while nodes run:

  1. openssl rand -hex 32 makes the new key.
  2. Give every node both keys in master_key, the old one and the new one with a
     space between, and restart one after the other. Nothing changes yet.
  3. Run this command with the new key first and the old one after it. From then
     on every node seals under the new key. Interrupted, it goes on when it is run
     again.
  4. Give every node the new key alone and restart one after the other. A node that
     has only the old key is refused. Keep the old key as long as backups from
     before need it, apart from them.`
	return cmd
}
