package report

import "context"

// Row is one row of an answer. Scan reads its columns into pointers, in order.
type Row interface{ Scan(into ...any) error }

// Part is a statement with the function that takes each row of its answer. Row is called by one
// goroutine at a time, but the parts of one Read may run at the same time: they
// must not share the variables that they write to.
type Part struct {
	Statement
	Row func(Row) error
}

// Store runs statements and gives each row to its part. It returns when all parts
// are done, or one has failed. The warehouse is one.
type Store interface {
	Read(ctx context.Context, parts ...Part) error
}

// into is a part that collects what read makes of each row.
func into[T any](list *[]T, s Statement, read func(Row, *T) error) Part {
	return Part{s, func(r Row) error {
		var one T
		err := read(r, &one)
		*list = append(*list, one)
		return err
	}}
}

// settle reads the conditions of a question before it can be put: whether
// message ids of the app were used for several contents, and which of its hours have sums.
func (q *Query) settle(ctx context.Context, store Store) error {
	var s Statement
	s.add("SELECT 1 FROM event_id_conflicts WHERE app_id = ? LIMIT 1", q.App)
	if err := store.Read(ctx, Part{s, func(Row) error { q.Disputed = true; return nil }}); err != nil || q.FromRows {
		return err
	}
	return readBuckets(ctx, store, q)
}

// LimitError means that a question needs more than one question may take.
type LimitError struct {
	Busy  bool  // time or memory ran out, which another moment may cure; else it is the rows
	Cause error // for the log
}

// Error says what happened.
func (e *LimitError) Error() string { return "limit of one question: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *LimitError) Unwrap() error { return e.Cause }
