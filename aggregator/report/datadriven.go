package report

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// DataModel is a way to share conversions out by what all journeys together tell,
// and not each journey by itself.
type DataModel string

// The data-driven models. Both are computed over the paths of the conversions in
// range; journeys that led to none are not known to them.
const (
	Markov  DataModel = "markov"
	Shapley DataModel = "shapley"
)

// DataModels are the names of the data-driven models.
func DataModels() []DataModel { return []DataModel{Markov, Shapley} }

// ModelNames are the names of all models of an attribution report.
func ModelNames() []string {
	list := attribution.Models()
	return append(list[:], string(Markov), string(Shapley))
}

// ParseModel sets the model of a name, and reports whether there is one.
func (q *Query) ParseModel(name string) bool {
	if slices.Contains(DataModels(), DataModel(name)) {
		q.DataDriven = DataModel(name)
		return true
	}
	model, ok := attribution.ParseModel(name)
	q.Model = model
	return ok
}

func (q *Query) modelName() string {
	if q.DataDriven != "" {
		return string(q.DataDriven)
	}
	return q.Model.String()
}

func (q *Query) validateDataDriven() error {
	switch {
	case q.DataDriven == "":
		return nil
	case !slices.Contains(DataModels(), q.DataDriven):
		return invalid("the model is unknown")
	case !slices.Equal(q.dimensions(), []Dimension{MediaSource}):
		return invalid("the model %s groups by media_source only", q.DataDriven)
	}
	return nil
}

// Journeys returns the paths to the conversions of the range of a valid query, each
// with how many went it.
func Journeys(ctx context.Context, store Store, q Query) ([]JourneySum, error) {
	var sums []JourneySum
	err := store.Read(ctx, into(&sums, journeysSQL(&q), func(r Row, s *JourneySum) error {
		return r.Scan(&s.Channels, &s.Paid, &s.Currency, &s.Conversions, &s.Revenue, &s.Exact, &s.Unknown)
	}))
	if err != nil {
		return nil, fmt.Errorf("read journeys: %w", err)
	}
	return sums, nil
}

// journeys answers with the media sources of a path, repeated ones once, whether there is
// revenue, its currency, how many conversions had that path, and their revenue in
// millionths as text.
func journeysSQL(q *Query) Statement {
	var s Statement
	s.add("SELECT channels, paid, currency, toInt64(sum(n)), toString(sum(amount))").exact(q, "amount").
		add("\nFROM (SELECT channels, paid, currency, " + q.day("time") + ", count() AS n, sum(toInt128(revenue)) AS amount FROM (\n" +
			"    SELECT arrayCompact(touches_media_source) AS channels, has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, revenue\n" +
			"    FROM (SELECT * FROM attributions FINAL ").within(q).madeIn(q).
		add("))\n    GROUP BY channels, paid, currency, day)").rates(q)
	return *s.add("\nGROUP BY channels, paid, currency LIMIT ?", maxGroups)
}

// JourneySum is a row of a data-driven report's statement.
type JourneySum struct {
	Channels    []string
	Paid        bool
	Currency    string
	Conversions int64
	Revenue     string
	Exact       string // as in CreditSum
	Unknown     string
}

// bucket are the conversions of one currency, with or without a channel.
type bucket struct {
	paid, organic bool
	currency      string
}

// journeys are those of a bucket, and the amounts to share out over them: the
// conversions, the revenue, the revenue converted and the revenue without a rate.
type journeys struct {
	list  []attribution.Journey
	worth [4][]*big.Int // each beside the list
	whole [4]*big.Int   // and added up
}

// DataDrivenOf puts a data-driven report together. Conversions that met no channel
// are organic. Those of each currency that met one are shared out as whole numbers
// of millionths, and so is their revenue, so that the total is exactly the
// conversions and exactly the revenue. Under markov both go by the removal effects
// over all journeys; under shapley each has the values of its own game.
func (q *Query) DataDrivenOf(sums []JourneySum) (AttributionResult, error) { return q.learn(sums, nil) }

// DataDrivenResult is the result of a run over all paths of a range.
type DataDrivenResult struct {
	Markov  *AttributionResult `json:"markov"` // nil if it could not be computed
	Shapley *AttributionResult `json:"shapley"`
	Note    string             `json:"note,omitempty"` // why not

	Conversions int64 `json:"conversions"` // in the range
	Lost        int64 `json:"lost"`        // people who met a channel in it and did not convert
	Paths       int   `json:"paths"`       // different ones, of both
}

// Learn is DataDrivenOf under both models, and with the journeys of those who did
// not convert, which lower the chance that a step in a Markov chain leads to a
// conversion. To Shapley values they are worth nothing.
func (q *Query) Learn(sums []JourneySum, lost []attribution.Journey) (DataDrivenResult, error) {
	result := DataDrivenResult{Paths: len(lost)}
	known := make(map[string]bool)
	for _, s := range sums {
		result.Conversions += s.Conversions
		known[strings.Join(s.Channels, "\x00")] = true
	}
	for _, j := range lost {
		result.Lost += j.Lost
		if known[strings.Join(j.Channels, "\x00")] {
			result.Paths--
		}
	}
	result.Paths += len(known)
	for model, into := range map[DataModel]**AttributionResult{Markov: &result.Markov, Shapley: &result.Shapley} {
		asked := *q
		asked.DataDriven = model
		report, err := asked.learn(sums, lost)
		var bad *InvalidError
		switch {
		case err == nil:
			*into = &report
		case model == Markov && errors.As(err, &bad):
			result.Note = bad.Reason
		default:
			return result, err
		}
	}
	return result, nil
}

func (q *Query) learn(sums []JourneySum, lost []attribution.Journey) (AttributionResult, error) {
	if len(sums) >= maxGroups {
		return AttributionResult{}, invalid("the range has more than %d different paths: ask for a shorter one", maxGroups)
	}
	buckets, err := divide(sums)
	if err != nil {
		return AttributionResult{}, err
	}
	var effects attribution.Contribution
	if q.DataDriven == Markov {
		if effects, err = attribution.Markov(append(merge(buckets), lost...)); err != nil {
			return AttributionResult{}, invalid("%v: ask for a shorter range", err)
		}
	}
	var credits []CreditSum
	for b, j := range buckets {
		channels, parts := []string{attribution.Organic}, [4][]*big.Int{}
		for k, whole := range j.whole {
			switch {
			case b.organic:
				parts[k] = []*big.Int{whole}
			case q.DataDriven == Markov:
				channels, parts[k] = effects.Channels, effects.Split(whole)
			default:
				values := attribution.ShapleyOf(j.list, j.worth[k])
				channels, parts[k] = values.Channels, values.Whole()
			}
		}
		for i, channel := range channels {
			if len(q.MediaSources) == 0 || slices.Contains(q.MediaSources, channel) {
				credits = append(credits, CreditSum{Group: []string{channel}, Paid: b.paid, Currency: b.currency,
					Credit: parts[0][i].String(), Revenue: parts[1][i].String(), Exact: parts[2][i].String(), Unknown: parts[3][i].String()})
			}
		}
	}
	return q.attributionOf(credits)
}

func divide(sums []JourneySum) (map[bucket]*journeys, error) {
	buckets := make(map[bucket]*journeys)
	for _, s := range sums {
		a, err := amountOf(s.Currency, s.Revenue, s.Exact, s.Unknown)
		if err != nil {
			return nil, err
		}
		b := bucket{s.Paid, len(s.Channels) == 0, s.Currency}
		j := buckets[b]
		if j == nil {
			j = &journeys{whole: [4]*big.Int{new(big.Int), new(big.Int), new(big.Int), new(big.Int)}}
			buckets[b] = j
		}
		j.list = append(j.list, attribution.Journey{Channels: s.Channels, Converted: s.Conversions})
		conversions := new(big.Int).Mul(big.NewInt(s.Conversions), big.NewInt(attribution.Million))
		for k, worth := range []*big.Int{conversions, a.revenue, a.exact, a.unknown} {
			j.worth[k] = append(j.worth[k], worth)
			j.whole[k].Add(j.whole[k], worth)
		}
	}
	return buckets, nil
}

func merge(buckets map[bucket]*journeys) []attribution.Journey {
	var all []attribution.Journey
	for _, j := range buckets {
		all = append(all, j.list...)
	}
	return all
}

// maxPeopleKeys bounds the keys that converted in a range, and the links of an app.
// Each of them takes about 30 bytes while journeys are put together.
const maxPeopleKeys = 10_000_000

// LostJourneys returns the paths of those who met a channel in the range of a valid
// query and made no conversion in it. Impressions are on them if asked for.
func LostJourneys(ctx context.Context, store Store, q Query, impressions bool) ([]attribution.Journey, error) {
	people := NewPeople()
	bounded := func(what string, do func(Row) error) func(Row) error {
		n := 0
		return func(r Row) error {
			if n++; n > maxPeopleKeys {
				return invalid("there are more than %d %s: ask for a shorter range", maxPeopleKeys, what)
			}
			return do(r)
		}
	}
	sql := lostStatements(&q, impressions)
	for _, part := range []Part{
		{sql.Converted, bounded("keys of people who converted", func(r Row) error {
			var key uint64
			err := r.Scan(&key)
			people.Converted(key)
			return err
		})},
		{sql.Links, bounded("identity links", func(r Row) error {
			var a, b uint64
			err := r.Scan(&a, &b)
			people.Link(a, b)
			return err
		})},
		{sql.Touches, func(r Row) error {
			var channel string
			var keys []uint64
			if err := r.Scan(&channel, &keys); err != nil {
				return err
			}
			return people.Touch(channel, keys)
		}},
	} {
		if err := store.Read(ctx, part); err != nil {
			return nil, fmt.Errorf("read journeys without a conversion: %w", err)
		}
	}
	lost, _ := people.Lost()
	return lost, nil
}

// lostSQL are the statements from which the journeys without a conversion are put
// together; see People.
type lostSQL struct {
	Converted Statement // hash of a key of whoever converted
	Links     Statement // hashes of two keys of one person
	Touches   Statement // media source and hashes of keys, in order
}

func lostStatements(q *Query, impressions bool) lostSQL {
	var l lostSQL
	l.Converted.add("SELECT DISTINCT cityHash64(arrayJoin(keys)) FROM conversions\n").within(q)
	l.Links.add("SELECT DISTINCT a_hash, cityHash64(b) FROM identity_links\nWHERE app_id = ? AND a < b", q.App)
	l.Touches.add("SELECT source, hashes FROM (\n" +
		"    SELECT touch_id, argMax(time, version) AS at, argMax(media_source, version) AS source, argMax(kind, version) AS kind_of,\n" +
		"        argMax(withheld, version) AS denied, argMax(arrayMap(k -> cityHash64(k), keys), version) AS hashes\n    FROM touches FINAL\n    ").within(q).
		add("\n    GROUP BY touch_id)\nWHERE NOT denied AND kind_of IN ('click', 'visit'")
	if impressions {
		l.Touches.add(", 'impression'")
	}
	l.Touches.add(")")
	l.Touches.add("\nORDER BY at, touch_id LIMIT ?", MaxPeopleTouches+1)
	return l
}
