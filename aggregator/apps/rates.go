package apps

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// MaxRates bounds how many rates are stored in one change.
const MaxRates = 20_000

// maxRatesRead bounds the rates that are read at once: five years of every currency there is.
const maxRatesRead = 500_000

// Rate is an exchange rate of a day (in UTC): one unit of From is Rate units of To. A rate of 0, when it
// is stored, removes the one that is there.
type Rate struct {
	Day  string `json:"day"`
	From string `json:"from"`
	To   string `json:"to"`
	Rate string `json:"rate"` // decimal, at most 18 places
}

func (r *Rate) fault() error {
	day, err := time.Parse(time.DateOnly, r.Day)
	switch {
	case err != nil || day.Year() < 1990 || day.Year() > 2299:
		return postgres.Invalid("the day %.40q of a rate is not one such as 2026-01-31", r.Day)
	case !isCurrency(r.From) || !isCurrency(r.To) || r.From == r.To:
		return postgres.Invalid("a rate of %s is from %.40q to %.40q: those must be two codes such as EUR and USD", r.Day, r.From, r.To)
	case !isRate(r.Rate):
		return postgres.Invalid("the rate %.40q of %s from %s to %s is not a decimal number of at most 12 digits and 18 places", r.Rate, r.Day, r.From, r.To)
	}
	return nil
}

// isCurrency and isRate are asked of every one of thousands of rates, for which a pattern is slow.
func isCurrency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func isRate(text string) bool {
	whole, places, pointed := strings.Cut(text, ".")
	return digitsOnly(whole, 12) && (!pointed || digitsOnly(places, 18))
}

func digitsOnly(text string, most int) bool {
	return text != "" && len(text) <= most && strings.Trim(text, "0123456789") == ""
}

func (r *Rate) none() bool { return strings.Trim(r.Rate, "0.") == "" }

// PutRates stores rates, over those of the same days and currencies. Of one that is given twice the
// last counts.
func (a *Apps) PutRates(ctx context.Context, rates []Rate) error {
	if len(rates) == 0 || len(rates) > MaxRates {
		return postgres.Invalid("give 1 to %d rates at once, not %d", MaxRates, len(rates))
	}
	var columns [4][]string // of those that stay
	var removed [3][]string
	last := make(map[[3]string]int, len(rates))
	first, end := rates[0].Day, rates[0].Day
	for i := range rates {
		r := &rates[i]
		if err := r.fault(); err != nil {
			return err
		}
		last[[3]string{r.Day, r.From, r.To}] = i
		first, end = min(first, r.Day), max(end, r.Day)
	}
	for i := range rates {
		r := &rates[i]
		if last[[3]string{r.Day, r.From, r.To}] != i {
			continue
		}
		fields := [4]string{r.Day, r.From, r.To, r.Rate}
		for k := range removed {
			if r.none() {
				removed[k] = append(removed[k], fields[k])
			}
		}
		for k := range columns {
			if !r.none() {
				columns[k] = append(columns[k], fields[k])
			}
		}
	}
	return a.pool.Change(ctx, "store exchange rates", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO rates (day, base, quote, rate)
			SELECT * FROM unnest($1::text[]::date[], $2::text[], $3::text[], $4::text[]::numeric[])
			ON CONFLICT (day, base, quote) DO UPDATE SET rate = excluded.rate`, columns[0], columns[1], columns[2], columns[3])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM rates USING unnest($1::text[]::date[], $2::text[], $3::text[]) AS gone (day, base, quote)
			WHERE rates.day = gone.day AND rates.base = gone.base AND rates.quote = gone.quote`, removed[0], removed[1], removed[2])
		if err != nil {
			return err
		}
		detail := map[string]any{"stored": len(columns[0]), "removed": len(removed[0]), "first_day": first, "last_day": end}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "rates.change", Detail: detail})
	})
}

// Rates returns the rates of the days from from to before to, in order.
func (a *Apps) Rates(ctx context.Context, from, to time.Time) ([]Rate, error) {
	rates, err := a.readRates(ctx, `day >= $1::date AND day < $2::date ORDER BY day, base, quote LIMIT $3`, from, to, maxRatesRead+1)
	if err == nil && len(rates) > maxRatesRead {
		return nil, postgres.Invalid("the range has more than %d exchange rates: ask for a shorter one", maxRatesRead)
	}
	return rates, err
}

// LatestRates returns a page of the rates, those of the latest days first. After is the last rate of the
// page before, the zero Rate for none.
func (a *Apps) LatestRates(ctx context.Context, after Rate, limit int) ([]Rate, error) {
	if after.Day == "" {
		return a.readRates(ctx, `true ORDER BY day DESC, base, quote LIMIT $1`, limit)
	}
	if _, err := time.Parse(time.DateOnly, after.Day); err != nil {
		return nil, postgres.Invalid("the cursor is not one that a page of this list gave")
	}
	return a.readRates(ctx, `day < $1::text::date OR day = $1::text::date AND (base, quote) > ($2, $3) ORDER BY day DESC, base, quote LIMIT $4`,
		after.Day, after.From, after.To, limit)
}

func (a *Apps) readRates(ctx context.Context, where string, args ...any) ([]Rate, error) {
	rows, err := a.pool.Query(ctx, `SELECT to_char(day, 'YYYY-MM-DD'), base, quote, trim_scale(rate)::text FROM rates WHERE `+where, args...)
	if err != nil {
		return nil, postgres.Wrap("read exchange rates", err)
	}
	rates, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Rate, err error) {
		err = row.Scan(&r.Day, &r.From, &r.To, &r.Rate)
		return r, err
	})
	return rates, postgres.Wrap("read exchange rates", err)
}
