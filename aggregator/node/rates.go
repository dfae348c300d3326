package node

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// maxRateFile bounds a file of exchange rates. The European Central Bank's whole history has 2 MB.
const maxRateFile = 64 << 20

func ratesCommand() *cobra.Command {
	rates := &cobra.Command{Use: "rates", Short: "Import the exchange rates that reports convert with", RunE: needsSubcommand}
	config := &postgresConfig{}
	load := daemon.Command("import FILE", "store a file of daily rates: lines day,from,to,rate, or the European Central Bank's CSV or XML; - is standard input", config,
		func(ctx context.Context, std daemon.Streams, args []string) error {
			list, err := readRates(args[0], std.In)
			if err != nil {
				return err
			}
			a, err := openAccounts(ctx, &Config{PostgresDSN: config.PostgresDSN, MasterKey: config.MasterKey})
			if err != nil {
				return err
			}
			defer a.Close()
			return importRates(ctx, std.Out, a, list)
		})
	load.Args = cobra.ExactArgs(1)
	rates.AddCommand(load)
	return rates
}

func readRates(file string, in io.Reader) ([]report.Rate, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read exchange rates: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRateFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read exchange rates: %w", err)
	case len(text) > maxRateFile:
		return nil, fmt.Errorf("read exchange rates: %s has more than %d bytes: give it in parts", file, maxRateFile)
	}
	return report.ParseRates(text)
}

// importRates stores the rates in transactions of their own, each with its audit entry. An import that was
// broken off can be done again.
func importRates(ctx context.Context, out io.Writer, a *accounts.Accounts, list []report.Rate) error {
	for chunk := range slices.Chunk(list, apps.MaxRates) {
		rates := make([]apps.Rate, len(chunk))
		for i, r := range chunk {
			rates[i] = apps.Rate(r)
		}
		if err := a.Apps.PutRates(ctx, rates); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "Stored %d exchange rates.\n", len(list))
	return err
}
