package reconcile

import (
	"context"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Lister lists conversions; Store is one.
type Lister interface {
	ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]attribution.Conversion, attribution.Cursor, bool, error)
}

// Span are the conversions of an app from one time to before another, in
// milliseconds, and how many of them are handled at once.
type Span struct {
	App      string
	From, To int64
	PageSize int
}

// Pages gives the conversions of a span to do, page by page in order.
func Pages(ctx context.Context, l Lister, s Span, do func([]attribution.Conversion) error) error {
	at := attribution.Cursor{Time: s.From}
	for {
		page, next, more, err := l.ConversionsAfter(ctx, s.App, at, s.To, s.PageSize)
		if err != nil || !more {
			return err
		}
		if err := do(page); err != nil {
			return err
		}
		at = next
	}
}
