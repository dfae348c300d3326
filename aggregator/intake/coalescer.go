package intake

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// inserts is how many inserts run at once: while one waits for the disk, the
// next is encoded.
const inserts = 2

// While an insert is under way the next one grows to so many times the rows that make
// one due at rest, or waits so many times as long.
const (
	backlogInsert = 5
	backlogDelay  = 4
)

// insertTimeout bounds one insert from outside; ClickHouse itself gives up
// after 30 s.
const insertTimeout = 45 * time.Second

// coalescer turns the blocks of many sessions into few large inserts: one is
// made when enough rows have come together, when the oldest has waited long
// enough, when an agent has nothing left that it may send, or when memory is short.
type coalescer struct {
	o       Options
	metrics metrics
	memory  *semaphore.Weighted
	in      chan submission
	short   chan struct{} // has a token when a block waits for memory
}

// submission is one block on its way into an insert.
type submission struct {
	rows []Row
	full bool         // its agent has its whole window waiting: it sends nothing more until this is stored
	done chan outcome // buffered: the inserter never waits for a session
}

type outcome struct {
	rejected []Rejected // indices are those of the submission's rows
	err      error
}

func newCoalescer(o Options, m metrics) *coalescer {
	return &coalescer{o: o, metrics: m, memory: semaphore.NewWeighted(o.MemoryBytes), in: make(chan submission), short: make(chan struct{}, 1)}
}

// reserve waits for memory for a block, until the session or the node ends. A
// waiting session is back-pressure: its window fills and its agent stops
// sending.
func (c *coalescer) reserve(ctx, session context.Context, bytes int) bool {
	if c.memory.TryAcquire(int64(bytes)) {
		return true
	}
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stop := context.AfterFunc(session, cancel)
	defer stop()
	select {
	case c.short <- struct{}{}:
	default:
	}
	return c.memory.Acquire(within, int64(bytes)) == nil
}

func (c *coalescer) release(bytes int) { c.memory.Release(int64(bytes)) }

// store hands rows in and waits for what became of them. full says that the
// agent waits with its whole window.
func (c *coalescer) store(ctx context.Context, rows []Row, full bool) ([]Rejected, error) {
	s := submission{rows: rows, full: full, done: make(chan outcome, 1)}
	select {
	case c.in <- s:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case out := <-s.done:
		return out.rejected, out.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run collects and inserts until ctx ends. Sessions have ended by then.
func (c *coalescer) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	var g gathering
	running, done := 0, make(chan struct{}, inserts)
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		if g.rows > 0 && running < inserts {
			wait := c.wait(&g, running)
			if wait <= 0 {
				batch := g.batch
				g, running = gathering{}, running+1
				wg.Go(func() {
					c.insert(ctx, batch)
					done <- struct{}{}
				})
				continue
			}
			due.Reset(wait)
		}
		in := c.in
		if g.rows >= c.o.InsertRows*backlogInsert {
			in = nil
		}
		select {
		case s := <-in:
			g.add(s, c.o.Now())
		case <-c.short:
			g.short = g.rows > 0
		case <-due.C:
		case <-done:
			running--
		case <-ctx.Done():
			return
		}
	}
}

// gathering is the insert that is coming together.
type gathering struct {
	batch []submission
	rows  int
	since time.Time // when the oldest came
	full  bool      // an agent has its whole window in it
	short bool      // a block waits for memory that is freed when these are stored
}

func (g *gathering) add(s submission, now time.Time) {
	if g.rows == 0 {
		g.since = now
	}
	g.batch = append(g.batch, s)
	g.rows += len(s.rows)
	g.full = g.full || s.full
}

// wait returns how long to wait for more rows, 0 or less if the insert is due. With
// nothing else under way, few rows and a short wait make it due: that is the delay of an
// event at rest. While another insert is under way there is a backlog, and the cost of an
// event falls with the size of the insert that it is in.
func (c *coalescer) wait(g *gathering, running int) time.Duration {
	rows, delay := c.o.InsertRows, c.o.InsertDelay
	if running > 0 {
		rows, delay = rows*backlogInsert, delay*backlogDelay
	}
	if g.rows >= rows || g.full || g.short {
		return 0
	}
	return g.since.Add(delay).Sub(c.o.Now())
}

// insert stores one batch and tells every submission how it went.
func (c *coalescer) insert(ctx context.Context, batch []submission) {
	total := 0
	for _, s := range batch {
		total += len(s.rows)
	}
	rows := make([]Row, 0, total)
	for _, s := range batch {
		rows = append(rows, s.rows...)
	}
	within, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	start := c.o.Now()
	rejected, err := c.o.Sink.Store(within, rows)
	c.metrics.inserted(total, c.o.Now().Sub(start), err)
	if err != nil {
		c.o.Logger.Warn("insert failed, the agents will send its blocks again", "blocks", len(batch), "rows", total, "error", err)
	}
	for _, s := range batch {
		s.done <- outcome{rejected: take(&rejected, len(s.rows)), err: err}
	}
}

// take cuts off the rejections of the first n rows and shifts the others.
func take(rejected *[]Rejected, n int) []Rejected {
	var mine, others []Rejected
	for _, r := range *rejected {
		if r.Index < n {
			mine = append(mine, r)
		} else {
			r.Index -= n
			others = append(others, r)
		}
	}
	*rejected = others
	return mine
}
