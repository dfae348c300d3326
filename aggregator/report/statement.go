package report

import "strings"

// Statement is SQL text with a ? for each argument. Values are never part of the
// text.
type Statement struct {
	SQL  string
	Args []any

	// Converts says that the statement reads a table day_rates (day Int32, currency
	// String, rate Int128), which holds Rates.
	Converts bool
	Rates    []DayRate

	// Buckets are the rows of a table buckets (fact UInt8, hour UInt32, as_of Int64) that the
	// statement reads, if there are any.
	Buckets []Bucket
}

// exact adds the columns with the amounts in the currency of the query, in 10^-24
// units, and with the amounts that have no rate, in millionths. Where the query
// names no currency nothing is converted.
func (s *Statement) exact(q *Query, amount string) *Statement {
	if q.Currency == "" {
		return s.add(", '0' AS exact, '0' AS unknown")
	}
	s.Converts, s.Rates = true, q.Rates
	return s.add(", toString(sum(toInt256("+amount+") * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact"+
		", toString(sumIf("+amount+", currency != ? AND rate = 0)) AS unknown", q.Currency, q.Currency)
}

// rates joins a query inside of it, which has a day and a currency, with the rates.
func (s *Statement) rates(q *Query) *Statement {
	if q.Currency != "" {
		s.add(" AS summed\nLEFT ANY JOIN day_rates USING (day, currency)")
	}
	return s
}

// day is the column of the day of a time for the join with the rates.
func (q *Query) day(at string) string {
	if q.Currency == "" {
		return "0 AS day"
	}
	return "toInt32(intDiv(" + at + ", 86400000)) AS day"
}

func (s *Statement) add(text string, args ...any) *Statement {
	s.SQL += text
	s.Args = append(s.Args, args...)
	return s
}

// within restricts to the app and the range. The rows are read FINAL, so that of
// a message that was stored several times one row decides whether it is in.
func (s *Statement) within(q *Query) *Statement {
	return s.add("WHERE app_id = ? AND time >= ? AND time < ?", q.App, q.From.UnixMilli(), q.To.UnixMilli())
}

// countries restricts a table that has the country to the countries that the person may see.
func (s *Statement) countries(q *Query) *Statement {
	if len(q.Countries) > 0 {
		s.add(" AND country IN (?)", q.Countries)
	}
	return s
}

// sources restricts a table that has the media source.
func (s *Statement) sources(q *Query) *Statement {
	if len(q.MediaSources) > 0 {
		s.add(" AND media_source IN (?)", q.MediaSources)
	}
	return s
}

// creditedTo restricts a table of conversions to those with a touch of a media
// source that the person may see; a conversion without touches is organic.
func (s *Statement) creditedTo(q *Query) *Statement {
	if len(q.MediaSources) > 0 {
		s.add("\n    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL ").within(q)
		s.add(" AND hasAny("+orOrganic("touches_media_source")+", ?))", q.MediaSources)
	}
	return s.only(q, "conversion_id", anyCredit)
}

// madeIn keeps the attributions of conversions that were made in the countries of
// the query, and without the marked ones if it is about net figures.
func (s *Statement) madeIn(q *Query) *Statement {
	s.add("\n    AND repeat_of = ''") // an order that is named again counts nowhere
	if q.Net {
		s.add("\n    AND fraud_rule = ''")
	}
	s.only(q, "conversion_id", anyCredit)
	if len(q.Countries) > 0 {
		s.add("\n    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL ").within(q).countries(q).add(")")
	}
	return s
}

// decided leaves out the losing variants of message ids that were used for several
// contents, each perhaps in another hour. A fact is a touch or a conversion.
func (s *Statement) decided(q *Query, fact string) *Statement {
	f := TouchFact
	if fact == "conversion" {
		f = ConversionFact
	}
	return s.add("\n    AND "+Counting(f), q.App, q.App, q.App)
}

// undisputed is decided for plain events, where there are such message ids at all.
func (s *Statement) undisputed(q *Query) *Statement {
	if !q.Disputed {
		return s
	}
	return s.add("\n    AND (event_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)\n        OR (event_id, digest) IN "+
		"(SELECT event_id, argMin(digest, (received, digest)) FROM event_id_conflicts WHERE app_id = ? GROUP BY event_id))", q.App, q.App)
}

// orOrganic is an array column of the credited touches, or the one value that
// stands for no touch.
func orOrganic(column string) string {
	return "if(empty(touches_id), ['organic'], " + column + ")"
}

func names[S ~string](list []S) string {
	text := make([]string, len(list))
	for i, s := range list {
		text[i] = string(s)
	}
	return strings.Join(text, ", ")
}
