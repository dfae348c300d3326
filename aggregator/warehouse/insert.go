package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Row is one event with the agent that delivered it.
type Row struct {
	Event protocol.Event
	Agent string // from the agent's certificate
}

// Batch holds the content of one insert: events and the facts derived from them.
type Batch struct {
	Rows  []Row
	Facts attribution.Facts
}

// Rejection names an event, or a fact of it, that went to quarantine.
type Rejection struct {
	Row    int // index into Batch.Rows
	App    string
	ID     string
	Reason string
}

// Intake stores batches of events with their facts, and keeps rejected rows and blocks in
// quarantine.
type Intake struct{ *server }

// Insert stores a batch: events and links first, then touches and at last
// conversions, so that whoever sees a conversion sees the touches that came
// with it. On an error any part may be stored and nothing may be acknowledged;
// the same rows are to be sent again. Rows that ClickHouse refuses for
// their content are put in quarantine and returned; they do not hold up the others.
// Rows of a person who is to be forgotten (see Erase) are accepted and not stored.
func (w *Intake) Insert(ctx context.Context, b Batch) ([]Rejection, error) {
	if len(b.Rows) == 0 {
		return nil, nil
	}
	apps := appsOf(&b)
	now, erased, err := w.readCondition(ctx, apps)
	if err != nil {
		return nil, err
	}
	rows, links, gone, err := w.forget(ctx, &b, apps, erased)
	if err != nil {
		return nil, err
	}
	links = w.known.fresh(now, links)
	origins := newOrigins(b.Rows)
	var refused []refusal[Row]
	both, within := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		refused, err = storeRows(within, w.server, eventsTable(), rows)
		return err
	})
	both.Go(func() error {
		_, err := storeRows(within, w.server, linksTable(), bothWays(links))
		if err == nil {
			w.known.add(now, links)
		}
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	rejections := appendRejections(nil, origins, refused, func(r *Row) factID { return eventID(&r.Event) })
	for _, r := range rejections {
		gone[eventID(&b.Rows[r.Row].Event)] = true
	}

	touches := keep(pointers(b.Facts.Touches), gone, touchID)
	refusedTouches, err := storeRows(ctx, w.server, touchesTable(origins), touches)
	if err != nil {
		return nil, err
	}
	rejections = appendRejections(rejections, origins, refusedTouches, touchID)
	conversions := keep(pointers(b.Facts.Conversions), gone, conversionID)
	refusedConversions, err := storeRows(ctx, w.server, conversionsTable(origins), conversions)
	if err != nil {
		return nil, err
	}
	rejections = appendRejections(rejections, origins, refusedConversions, conversionID)
	w.metrics.rejected.Add(float64(len(rejections)))
	return rejections, w.quarantine(ctx, b.Rows, rejections)
}

// column is one column of an insert: a name, and a slice with a value per row, or what
// appends the values.
type column struct {
	name   string
	values any
}

// appender appends the values of a column.
type appender func(driver.BatchColumn) error

func (c *column) appendTo(to driver.BatchColumn) error {
	if own, ok := c.values.(appender); ok {
		return own(to)
	}
	return to.Append(c.values)
}

// pick makes a column of one field of every row.
func pick[R, V any](name string, rows []*R, field func(*R) V) column {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = field(r)
	}
	return column{name, values}
}

// nested makes a column of arrays: of one field of every element of a list that each row
// has. The driver takes the elements by pointer, because anything else costs it memory for
// each of them, and one list of pointers serves all rows of a length.
func nested[R, E, V any](name string, rows []*R, list func(*R) []E, field func(*E) V) column {
	return column{name, appender(func(c driver.BatchColumn) error {
		var values []V
		var pointers []*V
		row := any(pointers)
		for _, r := range rows {
			room := cap(values)
			values = appendFields(values[:0], list(r), field)
			if len(values) != len(pointers) || cap(values) != room {
				pointers = pointers[:0]
				for i := range values {
					pointers = append(pointers, &values[i])
				}
				row = pointers
			}
			if err := c.AppendRow(row); err != nil {
				return err
			}
		}
		return nil
	})}
}

// nestedWords is nested for LowCardinality, which the driver takes for values only: it
// would know a pointer again by its address.
func nestedWords[R, E any](name string, rows []*R, list func(*R) []E, field func(*E) string) column {
	return column{name, appender(func(c driver.BatchColumn) error {
		var values []string
		for _, r := range rows {
			values = appendFields(values[:0], list(r), field)
			if err := c.AppendRow(values); err != nil {
				return err
			}
		}
		return nil
	})}
}

func appendFields[E, V any](values []V, elements []E, field func(*E) V) []V {
	for i := range elements {
		values = append(values, field(&elements[i]))
	}
	return values
}

// send inserts rows in one statement and waits until they are stored.
func (w *server) send(ctx context.Context, table string, columns []column, rows int) error {
	begun := time.Now()
	if err := w.sendColumns(ctx, table, columns); err != nil {
		w.metrics.failures.WithLabelValues(table).Inc()
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	w.metrics.inserts.WithLabelValues(table).Observe(time.Since(begun).Seconds())
	w.metrics.rows.WithLabelValues(table).Add(float64(rows))
	return nil
}

func (w *server) sendColumns(ctx context.Context, table string, columns []column) error {
	ctx, cancel := context.WithTimeout(ctx, insertSeconds*time.Second+grace)
	defer cancel()
	batch, err := w.write.PrepareBatch(ctx, insertStatement(table, columns))
	if err != nil {
		return err
	}
	defer batch.Close()
	for i, c := range columns {
		if err := c.appendTo(batch.Column(i)); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return batch.Send()
}

func insertStatement(table string, columns []column) string {
	text := "INSERT INTO " + table + " ("
	for i, c := range columns {
		if i > 0 {
			text += ", "
		}
		text += c.name
	}
	return text + ")"
}

func pointers[R any](rows []R) []*R {
	all := make([]*R, len(rows))
	for i := range rows {
		all[i] = &rows[i]
	}
	return all
}

// keep returns the rows whose event is not in gone.
func keep[R any](rows []*R, gone map[factID]bool, id func(*R) factID) []*R {
	if len(gone) == 0 {
		return rows
	}
	kept := make([]*R, 0, len(rows))
	for _, r := range rows {
		if !gone[id(r)] {
			kept = append(kept, r)
		}
	}
	return kept
}
