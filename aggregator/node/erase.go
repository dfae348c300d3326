package node

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// eraseCommand forgets a person: by the ids that the operator names, for which others
// stand in identity links is for the operator to say.
func eraseCommand() *cobra.Command {
	var app string
	var keys []string
	cmd := onStored("erase", "forget a user or a device: delete what it sent up to now and attribute anew what that touched", func(ctx context.Context, std daemon.Streams, s *stored) error {
		if app == "" || len(keys) == 0 {
			return daemon.Usagef("give --app and at least one --key, such as --key user:42")
		}
		if err := s.known(app); err != nil {
			return err
		}
		a, err := s.attributor(s.warehouse, s.at)
		if err != nil {
			return err
		}
		gone, changed, err := a.Forget(ctx, s.warehouse, app, keys, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.Out, "forgot %d facts, attributed %d conversions anew\n", gone, changed)
		return err
	})
	cmd.Flags().StringVar(&app, "app", "", "id of the app")
	cmd.Flags().StringArrayVar(&keys, "key", nil, "match key: user:, anon:, device:, gaid:, idfa:, idfv:, oaid: and the id; may be repeated")
	return cmd
}
