package report

import "strings"

// Statement is SQL text with a ? for each argument. Values are never part of the
// text.
type Statement struct {
	SQL  string
	Args []any
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

// countries restricts a table that has the country to what the person may see.
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
	return s
}

// madeIn restricts the attributions to conversions made in countries that the
// person may see.
func (s *Statement) madeIn(q *Query) *Statement {
	if len(q.Countries) > 0 {
		s.add("\n    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL ").within(q).countries(q).add(")")
	}
	return s
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
