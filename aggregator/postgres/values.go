package postgres

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// MaxName is how long the name of something may be, in characters.
const MaxName = 200

// ValidName refuses what would not be readable on a screen or in a log.
func ValidName(field, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return Invalid("%s has control characters or is not UTF-8", field)
	}
	if utf8.RuneCountInString(value) > MaxName {
		return Invalid("%s is longer than %d characters", field, MaxName)
	}
	return nil
}

// Diff is the detail of a change.
type Diff struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

// Assign sets what from points to, if it points to anything.
func Assign[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Collect reads all rows of a query.
func Collect[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// list makes an empty list of nil, for columns that are never null.
func NotNil(values []string) []string { return append([]string{}, values...) }
