// Package deliveries tells others of attributed conversions: it decides which conversions a postback
// wants, and sends them until the receiver has taken each one.
//
//	attributed rows ──decide──► deliveries (Postgres) ──send──► receiver
//	    (ClickHouse)             one transaction with            │ 2xx: delivered
//	                             the watermark                   │ 408, 429, 5xx, no answer: again, for a day
//	                                                             └ anything else: dead
//
// What always holds:
//
//   - Nothing is lost: the rows since a watermark are read again with a margin that is longer than any
//     insert takes, and the watermark is stored in the transaction that stores the decisions.
//   - Nothing is decided twice: (postback, conversion, number) is a key. A node that lost its lease is
//     fenced off by the epoch of the watermark.
//   - A delivery has one id and one content over all its tries, so a receiver that knows the ids takes
//     effect exactly once, however often we or they die in between.
//   - The delivery log is the queue: any node takes a due row by a lease on it.
package deliveries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postback"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Bounds of the work.
const (
	// LogDays is how long a delivery is kept after it was decided.
	LogDays = 30
	// eligible is how old a conversion may be, by when it was received, to be sent for the first time.
	// It is less than LogDays, so that every delivery that was sent is known.
	eligible = (LogDays - 1) * 24 * time.Hour

	// A row is stamped when its insert begins, and seen when it ends. The margin is read again every
	// fullEvery, so it is longer than that and any insert together.
	margin    = 3 * time.Minute
	fullEvery = time.Minute
	hurry     = 5 * time.Second // of the look-ups in between, which may miss a slow insert
	pageSize  = 2000            // conversions decided in one transaction
	leaseFor  = 15 * time.Second
	tryLease  = 45 * time.Second // of one try, longer than a request may take
	atOnce    = 64               // deliveries that a node sends at a time
	atOneHost = 16               // of those to one host, so that a slow one does not hold up the others
)

// Postback is a definition in force.
type Postback struct {
	ID         string
	App        string
	Since      time.Time // conversions received before are not sent
	Definition postback.Definition
	Secrets    Secrets
}

// Secrets are the values of a definition that nobody is shown.
type Secrets struct {
	Signing string            `json:"signing,omitempty"` // key of the HMAC
	Named   map[string]string `json:"named,omitempty"`   // of {secret.NAME}
}

// Source reads attributions. The warehouse does.
type Source interface {
	// AttributedSince returns a page of the conversions whose attribution was stored in [since, until),
	// and the cursor of the next page, "" after the last.
	AttributedSince(ctx context.Context, since, until time.Time, cursor string, limit int) ([]attribution.Change, string, error)
	// Attributions returns conversions of an app as they are attributed now.
	Attributions(ctx context.Context, app string, conversions []string) ([]attribution.Row, error)
	// EventsByID returns messages of an app.
	EventsByID(ctx context.Context, app string, ids []string) (map[string]protocol.Event, error)
	// Now is the source's own clock, which stamps stored rows.
	Now(ctx context.Context) (time.Time, error)
}

// Decision is a delivery to be.
type Decision struct {
	Postback, App, Conversion string
	Number                    int // 1, and one more for each correction
	Digest                    string
	Event, MediaSource        string
	Campaign, LinkID          string
	Written, Due              time.Time

	settle time.Duration
}

// ID is the delivery's, the same whoever decides it.
func (d *Decision) ID() string {
	sum := sha256.Sum256([]byte(d.Postback + "\x00" + d.Conversion + "\x00" + strconv.Itoa(d.Number)))
	return hex.EncodeToString(sum[:16])
}

// Sent describes the newest delivery of a conversion to a postback.
type Sent struct {
	Number int
	Digest string // of the request, with secrets masked
	Tried  bool   // it may have reached the receiver
}

// Due is a delivery to try now.
type Due struct {
	ID, App, Postback, Conversion string
	Number                        int
	Attempt                       int       // of this try, from 1
	First                         time.Time // of the first try
	Request                       []byte    // fixed by the first try, nil before; sealed
}

// Outcome is what came of a try.
type Outcome struct {
	State   string        // StateDue, StateDelivered, StateDead or StateWithdrawn
	Next    time.Time     // of the next try, for StateDue
	Status  int           // 0 without an answer
	Latency time.Duration // of the request
	Answer  string        // the first KiB
	Fault   string        // why, in words for people
	Shown   []byte        // the request with secrets masked, JSON
	Digest  string
	Untried bool // nothing was sent: the attempt does not count
}

// The states of a delivery.
const (
	StateDue       = "due"
	StateDelivered = "delivered"
	StateDead      = "dead"      // refused, or not taken within a day: it can be sent again by hand
	StateWithdrawn = "withdrawn" // not wanted any more when its time came
)

// Store keeps definitions and deliveries. Postgres does.
type Store interface {
	Lease(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
	Watermark(ctx context.Context, name string) (time.Time, error)
	InForce(ctx context.Context) ([]Postback, error)
	Known(ctx context.Context, postback string, conversions []string) (map[string]Sent, error)
	Decide(ctx context.Context, decisions []Decision, watermark time.Time, epoch int64) (int, error)
	Queue
}

// Queue is the part of a Store that sending needs.
type Queue interface {
	Take(ctx context.Context, owner string, most int, lease time.Duration) ([]Due, error)
	Fix(ctx context.Context, d Due, owner string, request []byte) error
	Finish(ctx context.Context, d Due, owner string, o Outcome) error
	Sweep(ctx context.Context, before time.Time) (int64, error)
}

// Options configure a Courier. All are required except Log.
type Options struct {
	Store  Store
	Source Source
	Client http.RoundTripper // guarded: see protocol/guard
	Key    []byte            // 32 bytes; seals requests that wait
	Owner  string            // this node
	Poll   time.Duration     // 0 is 1 s
	Now    func() time.Time

	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Courier decides and sends. Any number of them share one database.
type Courier struct {
	o       Options
	seal    *sealer
	breaker *breaker
	metrics metrics

	full  time.Time      // when the whole margin was read last; owned by decide
	tries sync.WaitGroup // under way
	slots chan struct{}  // of tries; a token is a free one
}

// New returns a Courier; Run starts it.
func New(o Options) (*Courier, error) {
	if o.Store == nil || o.Source == nil || o.Client == nil || o.Owner == "" || o.Now == nil || o.Registerer == nil {
		return nil, errors.New("make courier: a store, a source, a client, an owner, a clock and a registerer are needed")
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	seal, err := newSealer(o.Key)
	if err != nil {
		return nil, fmt.Errorf("make courier: %w", err)
	}
	c := &Courier{o: o, seal: seal, breaker: newBreaker(), metrics: newMetrics(o.Registerer), slots: make(chan struct{}, atOnce)}
	for range atOnce {
		c.slots <- struct{}{}
	}
	return c, nil
}

// Run works until ctx ends. Tries under way end with it, and are taken up again by whoever runs next.
func (c *Courier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { c.every(ctx, c.o.Poll, "postbacks cannot be decided", c.decide) })
	wg.Go(func() { c.every(ctx, c.o.Poll/4, "postbacks cannot be sent", c.send) })
	wg.Go(func() { c.every(ctx, time.Hour, "old deliveries cannot be dropped", c.sweep) })
	wg.Wait()
	c.tries.Wait()
	return nil
}

// every does work again and again. What fails is told once until it works again.
func (c *Courier) every(ctx context.Context, pause time.Duration, fault string, work func(context.Context) error) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	failing := false
	for {
		err := work(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			c.o.Log.Warn(fault, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *Courier) sweep(ctx context.Context) error {
	_, err := c.o.Store.Sweep(ctx, c.o.Now().Add(-LogDays*24*time.Hour))
	return err
}
