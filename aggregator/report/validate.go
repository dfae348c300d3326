package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// InvalidError names a fault of a question, in words for the person who asked it.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

// Validate returns all faults of a query joined, each an InvalidError. A report of a
// query that is not valid must not be run.
func (q *Query) Validate() error {
	return errors.Join(q.validateApp(), q.validateRange(), q.validateShape(), q.validateFilters(), q.validateFields())
}

func (q *Query) validateApp() error {
	switch {
	case q.App == "":
		return invalid("the app is missing")
	case !q.Apps.All && !slices.Contains(q.Apps.IDs, q.App):
		return invalid("the app %s is outside your scope", q.App)
	}
	return nil
}

func (q *Query) validateRange() error {
	if _, err := q.location(); err != nil {
		return err
	}
	switch {
	case !q.From.Before(q.To):
		return invalid("from must be before to")
	case q.To.Sub(q.From) > MaxSpan*24*time.Hour:
		return invalid("the range is longer than %d days", MaxSpan)
	case q.From.UnixMilli() < 0 || q.To.Year() > 2299:
		return invalid("the range must lie between 1970 and 2299")
	}
	return nil
}

func (q *Query) location() (*time.Location, error) {
	zone, err := time.LoadLocation(q.TZ)
	if err != nil || q.TZ == "Local" || len(q.TZ) > 64 || strings.ContainsAny(q.TZ, `'"\?`) {
		return nil, invalid("tz is not an IANA name such as Europe/Berlin")
	}
	return zone, nil
}

func (q *Query) validateShape() error {
	var faults []error
	if q.Interval != "" && !slices.Contains([]Interval{Hour, Day, Week}, q.Interval) {
		faults = append(faults, invalid("interval must be hour, day or week"))
	}
	if q.Metric != "" && !slices.Contains([]Metric{Events, Clicks, Impressions, Installs, Conversions, Revenue}, q.Metric) {
		faults = append(faults, invalid("metric must be events, clicks, impressions, installs, conversions or revenue"))
	}
	if q.Model >= attribution.ModelCount {
		faults = append(faults, invalid("the model is unknown"))
	}
	if err := q.validateDataDriven(); err != nil {
		faults = append(faults, err)
	}
	for i, d := range q.GroupBy {
		if !slices.Contains(gridDimensions(), d) || slices.Contains(q.GroupBy[:i], d) || i == maxGroupBy {
			faults = append(faults, invalid("group_by must be a list of at most %d of %s, each once", maxGroupBy, names(gridDimensions())))
			break
		}
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		faults = append(faults, invalid("limit must be 1 to %d", MaxLimit))
	}
	return errors.Join(faults...)
}

func (q *Query) validateFilters() error {
	if !isCurrency(q.Currency) || !isCurrency(q.AppCurrency) {
		return invalid("the currency is not a code such as EUR")
	}
	for name, list := range map[string][]string{"media source": q.MediaSources, "country": q.Countries} {
		if len(list) > MaxFilter {
			return invalid("the %s filter has more than %d entries", name, MaxFilter)
		}
		if slices.ContainsFunc(list, func(s string) bool { return len(s) > maxName }) {
			return invalid("an entry of the %s filter is longer than %d bytes", name, maxName)
		}
	}
	return nil
}

// isCurrency accepts three capital letters, and nothing for no currency.
func isCurrency(code string) bool {
	small := strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' })
	return code == "" || len(code) == 3 && !small
}

// few says whether an attribution report knows all dimensions that were asked for.
func (q *Query) few() error {
	for _, d := range q.GroupBy {
		if !slices.Contains(dimensions(), d) {
			return invalid("group_by must be a list of %s here: the performance report knows the others", names(dimensions()))
		}
	}
	return nil
}

func dimensions() []Dimension { return []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword} }
