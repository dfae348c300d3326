package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// How many conversions a command computes at once, and how many times that.
const (
	backfillPage    = 50_000
	backfillWorkers = 2
)

// stored is what commands about stored attributions work with.
type stored struct {
	warehouse *warehouse.Warehouse
	versions  versions
	accounts  *accounts.Accounts
}

// rangeFlags say which conversions a command is about.
type rangeFlags struct{ app, from, to string }

func (f *rangeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.app, "app", "", "id of the app")
	cmd.Flags().StringVar(&f.from, "from", "", "first day, or time: 2026-01-31 or 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&f.to, "to", "", "day or time that the range ends before")
}

// span returns the range, half-open.
func (f *rangeFlags) span(size int) (reconcile.Span, error) {
	from, err := parseTime(f.from)
	to, err2 := parseTime(f.to)
	if err := errors.Join(err, err2); err != nil {
		return reconcile.Span{}, daemon.Usagef("--from and --to: %v", err)
	}
	if f.app == "" || !from.Before(to) {
		return reconcile.Span{}, daemon.Usagef("give --app, and a --from that lies before --to")
	}
	return reconcile.Span{App: f.app, From: from.UnixMilli(), To: to.UnixMilli(), PageSize: size}, nil
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// onStored makes a command that works on both databases.
func onStored(use, short string, do func(ctx context.Context, std daemon.Streams, s *stored) error) *cobra.Command {
	config := DefaultConfig()
	return daemon.Command(use, short, &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		a, err := openAccounts(ctx, &config)
		if err != nil {
			return err
		}
		defer a.Close()
		apps, err := a.Apps.AppSettings(ctx)
		if err != nil {
			return err
		}
		w, err := warehouse.Open(ctx, warehouse.Options{DSN: string(config.ClickHouseDSN)})
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, std, &stored{warehouse: w, versions: apps, accounts: a}), w.Close())
	})
}

// at returns the settings of an app, the defaults for one that does not exist.
func (s *stored) at(app string, ms int64) *attribution.Settings {
	if found := s.versions.at(app, ms); found != nil {
		return found
	}
	fallback := attribution.Default()
	return &fallback
}

func (s *stored) attributor(store recompute.Store, settings recompute.Settings) (*recompute.Attributor, error) {
	return recompute.New(recompute.Options{Store: store, Feed: s.warehouse, Watermarks: s.accounts, Settings: settings})
}

func (s *stored) known(app string) error {
	if len(s.versions[app]) == 0 {
		return fmt.Errorf("there is no app with the id %q", app)
	}
	return nil
}

func reconcileCommand() *cobra.Command {
	var flags rangeFlags
	settle := 30 * time.Second
	cmd := onStored("reconcile", "compare stored attributions with a second computation and repair what differs", func(ctx context.Context, std daemon.Streams, s *stored) error {
		span, err := flags.span(0)
		if err == nil {
			err = s.known(span.App)
		}
		if err != nil {
			return err
		}
		a, err := s.attributor(s.warehouse, s.at)
		if err != nil {
			return err
		}
		if settle <= 0 {
			settle = -1
		}
		fingerprints, err := s.accounts.Secret(ctx, "fingerprints", randomKey)
		if err != nil {
			return fmt.Errorf("load fingerprint secret: %w", err)
		}
		restater := &reconcile.Restater{Store: s.warehouse, Versions: s.versions.history, Secret: fingerprints, Recompute: a.Recompute}
		r, err := reconcile.New(reconcile.Options{Store: s.warehouse, Repairer: a, Settings: s.at, Settle: settle, Restate: restater.Restate})
		if err != nil {
			return err
		}
		out, err := r.Range(ctx, span.App, span.From, span.To)
		if err := errors.Join(err, json.NewEncoder(std.Out).Encode(out)); err != nil {
			return err
		}
		if out.Disputed > 0 {
			return fmt.Errorf("the two implementations disagree about %d conversions", out.Disputed)
		}
		return nil
	})
	flags.add(cmd)
	cmd.Flags().DurationVar(&settle, "settle", settle, "how long a difference must last, for facts that have just arrived are not attributed yet; 0 is not at all")
	return cmd
}

func backfillCommand() *cobra.Command {
	var flags rangeFlags
	var name, file string
	var second bool
	cmd := onStored("backfill", "attribute a range again, or under other settings as a named what-if", func(ctx context.Context, std daemon.Streams, s *stored) error {
		tuneMemory(std, 2*int64(DefaultConfig().IntakeMemory)) // for its pages are larger than the batches of a node
		span, err := flags.span(backfillPage)
		if err == nil {
			err = s.known(span.App)
		}
		switch {
		case err != nil:
			return err
		case (name == "") != (file == ""):
			return daemon.Usagef("--what-if and --settings go together")
		case name != "":
			return s.whatIf(ctx, std.Out, span, whatIfFlags{name, file, second})
		case second:
			return daemon.Usagef("--sql goes with --what-if: what is stored is the first implementation's, and reconcile compares the two")
		}
		return s.backfill(ctx, std.Out, span)
	})
	flags.add(cmd)
	cmd.Flags().StringVar(&name, "what-if", "", "name of a run that overwrites nothing; needs --settings")
	cmd.Flags().StringVar(&file, "settings", "", "JSON `file` of attribution settings; what it leaves out is as the app has it at the end of the range")
	cmd.Flags().BoolVar(&second, "sql", false, "compute the what-if by the second implementation, in ClickHouse")
	return cmd
}

// backfill recomputes the stored attributions.
func (s *stored) backfill(ctx context.Context, out io.Writer, span reconcile.Span) error {
	a, err := s.attributor(s.warehouse, s.at)
	if err != nil {
		return err
	}
	computed, changed := 0, 0
	err = reconcile.Pages(ctx, s.warehouse, span, func(page []attribution.Conversion) error {
		n, err := a.Recompute(ctx, &attribution.Facts{Conversions: page})
		computed, changed = computed+len(page), changed+n
		return err
	})
	_, told := fmt.Fprintf(out, "Attributed %d conversions again; %d attributions were new or changed.\n", computed, changed)
	return errors.Join(err, told)
}

// whatIfFlags describe a run.
type whatIfFlags struct {
	name, file string
	second     bool // by the second implementation
}

// whatIf computes a run under other settings and prints how credit moves.
func (s *stored) whatIf(ctx context.Context, out io.Writer, span reconcile.Span, flags whatIfFlags) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`).MatchString(flags.name) {
		return daemon.Usagef("--what-if %q: a name has 1 to 64 lower-case letters, digits, - and _", flags.name)
	}
	settings, err := readSettings(flags.file, *s.at(span.App, span.To-1))
	if err != nil {
		return err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("write settings down: %w", err)
	}
	run, err := s.warehouse.WhatIf(ctx, span.App, flags.name, string(text))
	if err != nil {
		return err
	}
	if err := s.compute(ctx, run, span, &settings, flags.second); err != nil {
		return err
	}
	shifts, err := run.Shifts(ctx)
	return errors.Join(err, json.NewEncoder(out).Encode(shifts))
}

// compute attributes a span under the settings of a run. While the results of a page
// are worked out and stored, the next is read.
func (s *stored) compute(ctx context.Context, run *warehouse.WhatIf, span reconcile.Span, settings *attribution.Settings, second bool) error {
	a, err := s.attributor(run, func(string, int64) *attribution.Settings { return settings })
	if err != nil {
		return err
	}
	pages, within := errgroup.WithContext(ctx)
	pages.SetLimit(backfillWorkers)
	err = reconcile.Pages(within, s.warehouse, span, func(page []attribution.Conversion) error {
		pages.Go(func() error {
			page = runs.Listed(page, settings)
			if !second {
				_, err := a.RewriteRead(within, span.App, page)
				return err
			}
			ids := make([]string, len(page))
			for i := range page {
				ids[i] = page[i].ID
			}
			return run.Compute(within, ids, func(int64) *attribution.Settings { return settings })
		})
		return within.Err()
	})
	if err = errors.Join(pages.Wait(), err); err != nil || second {
		return err // the second implementation knows stored conversions only
	}
	return runs.Derived(ctx, s.warehouse, span.App, [2]int64{span.From, span.To}, settings, func(page []attribution.Conversion) error {
		_, err := a.RewriteRead(ctx, span.App, page)
		return err
	})
}

// maxSettings bounds a file of settings.
const maxSettings = 1 << 20

// readSettings reads settings over those given.
func readSettings(file string, settings attribution.Settings) (attribution.Settings, error) {
	f, err := os.Open(file)
	if err != nil {
		return settings, fmt.Errorf("read settings: %w", err)
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxSettings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		return settings, fmt.Errorf("read settings from %s: %w", file, err)
	}
	return settings, errors.Join(settings.Validate()...)
}
