package report

import (
	"slices"
	"strings"
)

// Filter keeps rows with one of the values in a field, or with Not rows with none of
// them. The empty value is "has none".
type Filter struct {
	Field  Dimension
	Not    bool
	Values []string
}

// maxFilters bounds the fields that one question filters by.
const maxFilters = 20

// ParseFilters reads filters as people write them: "field:value", several values of a
// field after commas or in a filter each (any of them will do), and "field:!value" or
// "!field:value" to leave rows out. A comma, an exclamation mark or a
// backslash that belongs to a value has a backslash before it.
func ParseFilters(texts []string) ([]Filter, error) {
	var list []Filter
	for _, text := range texts {
		given, rest, found := strings.Cut(text, ":")
		name, not := strings.CutPrefix(given, "!")
		field := Dimension(name)
		if !found || !slices.Contains(fields(), field) {
			return nil, invalid("a filter is field:value, with a field of %s, not %.60q", names(fields()), text)
		}
		for _, value := range splitValues(rest) {
			without := not
			if after, ok := strings.CutPrefix(value, "!"); ok {
				value, without = after, !not
			}
			list = addFilter(list, field, without, unescape(value))
		}
	}
	return list, nil
}

// addFilter adds a value to the filter of its field, or a filter.
func addFilter(list []Filter, field Dimension, not bool, value string) []Filter {
	for i := range list {
		if f := &list[i]; f.Field == field && f.Not == not {
			f.Values = append(f.Values, value)
			return list
		}
	}
	return append(list, Filter{field, not, []string{value}})
}

// splitValues splits at commas that have no backslash before them.
func splitValues(text string) []string {
	var list []string
	begin := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			list = append(list, text[begin:i])
			begin = i + 1
		}
	}
	return append(list, text[begin:])
}

func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// filters are those of the question and those of the person's view: the one place
// in which a narrowed view becomes a filter.
func (q *Query) filters() []Filter {
	list := slices.Clip(q.Filters)
	if len(q.MediaSources) > 0 {
		list = append(list, Filter{Field: MediaSource, Values: q.MediaSources})
	}
	if len(q.Countries) > 0 {
		list = append(list, Filter{Field: Country, Values: q.Countries})
	}
	return list
}

func (q *Query) validateFields() error {
	if len(q.Filters) > maxFilters {
		return invalid("there are more than %d filters", maxFilters)
	}
	for _, f := range q.Filters {
		switch {
		case !slices.Contains(fields(), f.Field):
			return invalid("the field %.60q of a filter is none of %s", f.Field, names(fields()))
		case len(f.Values) == 0 || len(f.Values) > MaxFilter:
			return invalid("the filter of %s must have 1 to %d values", f.Field, MaxFilter)
		case slices.ContainsFunc(f.Values, func(s string) bool { return len(s) > maxName }):
			return invalid("a value of the filter of %s is longer than %d bytes", f.Field, maxName)
		}
	}
	return nil
}

// SeesCost reports whether a cost is one that the person asking may see.
func (q *Query) SeesCost(c *Cost) bool {
	return (len(q.MediaSources) == 0 || slices.Contains(q.MediaSources, c.MediaSource)) && (len(q.Countries) == 0 || slices.Contains(q.Countries, c.Country))
}

// escape writes a value as ParseFilters reads it.
func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, "!", `\!`).Replace(value)
}
