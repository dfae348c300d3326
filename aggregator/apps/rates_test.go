package apps_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestRatesAreReplacedRemovedAndAudited(t *testing.T) {
	a := accountstest.Open(t)
	ctx := accountstest.As(t.Context(), accountstest.Owner(t, a, "o@example.com"))
	put := func(rates ...apps.Rate) {
		t.Helper()
		if err := a.Apps.PutRates(ctx, rates); err != nil {
			t.Fatal(err)
		}
	}
	put(apps.Rate{"2026-01-30", "EUR", "USD", "1.08"}, apps.Rate{"2026-01-31", "EUR", "USD", "1.10"}, apps.Rate{"2026-01-31", "EUR", "JPY", "160"}, apps.Rate{"2026-01-31", "EUR", "USD", "1.0900"})
	put(apps.Rate{"2026-01-31", "EUR", "JPY", "0.000"}, apps.Rate{"2026-02-01", "EUR", "BTC", "0.000010123456789012"})
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	got, err := a.Apps.Rates(ctx, day(30), day(33))
	want := "[{2026-01-30 EUR USD 1.08} {2026-01-31 EUR USD 1.09} {2026-02-01 EUR BTC 0.000010123456789012}]"
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
	if got, err := a.Apps.Rates(ctx, day(31), day(32)); err != nil || len(got) != 1 {
		t.Errorf("one day: %v %v", got, err)
	}
	first, err := a.Apps.LatestRates(ctx, apps.Rate{}, 1)
	if err != nil || len(first) != 1 || first[0].To != "BTC" {
		t.Fatalf("%v %v", first, err)
	}
	if rest, err := a.Apps.LatestRates(ctx, first[0], 9); err != nil || len(rest) != 2 || rest[1].Day != "2026-01-30" {
		t.Errorf("%v %v", rest, err)
	}
	entries, err := a.Audit(ctx, postgres.AuditPage{Action: "rates.change", Limit: 10})
	if err != nil || len(entries) != 2 {
		t.Errorf("audit: %v %v", entries, err)
	}
	for _, bad := range []apps.Rate{
		{"30.1.2026", "EUR", "USD", "1"}, {"2026-01-30", "EUR", "EUR", "1"}, {"2026-01-30", "eur", "USD", "1"}, {"2026-01-30", "EUR", "USD", "-1"},
		{"2026-01-30", "EUR", "USD", "1e3"}, {"2026-01-30", "EUR", "USD", "1.0000000000000000001"}, {"2026-01-30", "EUR", "USD", ""}, {"1889-01-30", "EUR", "USD", "1"},
		{"2026-01-30", "EUR", "USD", "1."}, {"2026-01-30", "EUR", "USD", ".5"}, {"2026-01-30", "EUR", "USD", "1.2.3"}, {"2026-01-30", "EUR", "USD", "+1"},
		{"2026-01-30", "EUR", "USD", "1234567890123"}, {"2026-01-30", "EURO", "USD", "1"}, {"2026-01-30", "EU", "USD", "1"}, {"2026-01-30", "EUR", "US1", "1"},
	} {
		var fault *postgres.InvalidError
		if err := a.Apps.PutRates(ctx, []apps.Rate{bad}); !errors.As(err, &fault) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
