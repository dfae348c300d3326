// Package unmogrowp sends what customers do, as their servers see it, to an
// UnMoGrowP agent.
//
//	client, err := unmogrowp.New(unmogrowp.Options{Host: "https://events.example.com", Key: key})
//	…
//	err = client.Track("Order Completed", unmogrowp.Message{UserID: "ann",
//		Properties: map[string]any{"revenue": 12.5, "currency": "EUR"}})
//	…
//	err = client.Close(ctx) // delivers what waits
//
// Calls only put a message into a bounded queue. One goroutine brings batches to
// the agent in order, again and again until it has answered; with a spool they
// wait on the disk while it cannot. An agent answers once a message is synced to
// its own disk, and counts the same message id once, so that repeating is safe.
//
// The package is named after the product, and not after its directory, because
// a reader of the calling code wants to see that name: unmogrowp.New. Name it
// in the import. It needs nothing except the standard library and google/uuid.
package unmogrowp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The errors of a call. None of them is retried.
var (
	ErrClosed    = errors.New("the client is closed")
	ErrFull      = errors.New("the queue is full: the agent does not take messages as fast as they come")
	ErrTooLarge  = errors.New("a message has at most 32 KiB")
	ErrNoConsent = errors.New("the person refused every purpose")
)

// Options configure a client. Host and Key are required.
type Options struct {
	Host string // where the agent is, as "https://events.example.com"
	Key  string // of the app; only a server key may send touches, and its revenue and addresses are believed

	// Nearest asks Host which agents are public, and sends to the one that answers
	// fastest. Host stays the one to turn to when that one does not.
	Nearest bool

	Consent  Consent         // of messages that say nothing of it themselves
	Rejected func(Rejection) // is told each message that will not be delivered, by the client's goroutine: it must not block
	Logger   *slog.Logger    // nil discards

	Interval      time.Duration // how long a message waits for others; default 1 s
	QueueMessages int           // that wait in memory; default 10,000
	QueueBytes    int           // of messages that wait in memory; default 32 MiB

	Spool      string // a directory of this client alone, for batches that the agent cannot take now; empty keeps them in memory
	SpoolBytes int64  // of that directory; default 64 MiB

	Timeout   time.Duration     // of one request; default 20 s
	Transport http.RoundTripper // nil is one of the client's own
}

func (o *Options) complete() error {
	u, err := url.Parse(o.Host)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("host is %q; give the address of an agent, as https://events.example.com", o.Host)
	}
	if o.Key == "" {
		return errors.New("key is empty; take a key from the app's settings")
	}
	o.Host = strings.TrimRight(o.Host, "/")
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Interval = orDefault(o.Interval, time.Second)
	o.QueueMessages = orDefault(o.QueueMessages, 10_000)
	o.QueueBytes = orDefault(o.QueueBytes, 32<<20)
	o.SpoolBytes = orDefault(o.SpoolBytes, 64<<20)
	o.Timeout = orDefault(o.Timeout, 20*time.Second)
	return nil
}

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Rejection is a message that will not be delivered, and why.
type Rejection struct {
	ID      string          // of the message
	Message json.RawMessage // as it was sent
	Code    string          // the agent's, or "closed" or "unreadable"
	Reason  string          // the fault and how to mend it
}

// Client sends the messages of one app. Its methods may be called by any
// goroutine. Close it.
type Client struct {
	options Options
	http    *http.Client
	route   *route
	queue   *queue

	// Owned by run, and by Close after it.
	spool    *spool // nil without one
	limit    int    // messages of a request, less than maxBatch after a 413
	failures int    // since the last answer

	closing    chan struct{} // closed by Close
	closed     sync.Once
	result     error // of Close
	abandoned  context.Context
	abandon    context.CancelFunc
	stopSearch context.CancelFunc // for the nearest agent
	running    sync.WaitGroup
}

// New starts a client. Messages that an earlier one left in the spool are sent
// first.
func New(o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	c := &Client{options: o, limit: maxBatch, closing: make(chan struct{}), queue: newQueue(o.QueueMessages, o.QueueBytes)}
	if o.Spool != "" {
		var err error
		if c.spool, err = openSpool(o.Spool, o.SpoolBytes); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
	}
	transport := o.Transport
	if transport == nil {
		transport = ownTransport()
	}
	c.http = &http.Client{Transport: transport, Timeout: o.Timeout}
	c.route = &route{home: o.Host, http: c.http}
	c.abandoned, c.abandon = context.WithCancel(context.Background())
	searching, stop := context.WithCancel(c.abandoned)
	c.stopSearch = stop
	if o.Nearest {
		c.running.Go(func() {
			c.route.search(searching, func(err error) { c.options.Logger.Warn("nearest agent not found", "error", err) })
		})
	}
	c.running.Go(c.run)
	return c, nil
}

// ownTransport keeps connections of its own, which Close can close.
func ownTransport() http.RoundTripper {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment}
}

// Flush returns once every message that was taken before has been answered by
// the agent or lies in the spool.
func (c *Client) Flush(ctx context.Context) error {
	done := c.queue.flush()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush client: %w", ctx.Err())
	}
}

// Close takes no more messages and delivers those that wait. While the agent
// does not answer it tries until ctx ends; with a spool it puts them there and
// returns at once. Messages that could do neither are told as rejected and make
// an error.
func (c *Client) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.abandon)
	defer stop()
	c.closed.Do(func() {
		c.queue.close()
		close(c.closing)
		c.stopSearch()
		c.running.Wait()
		c.abandon()
		if c.options.Transport == nil {
			c.http.CloseIdleConnections()
		}
		c.result = c.giveUp()
	})
	return c.result
}

// giveUp spools undelivered messages, and rejects those that cannot be spooled.
func (c *Client) giveUp() error {
	c.spill()
	lost := 0
	for {
		left := c.queue.take(maxBatch, maxBatchBytes)
		for _, m := range left {
			c.reject(m, "closed", "the client was closed before the agent took the message")
		}
		c.queue.settle(len(left))
		if lost += len(left); len(left) > 0 {
			continue
		}
		if lost > 0 {
			return fmt.Errorf("close client: %d messages are lost, the agent did not take them", lost)
		}
		return nil
	}
}

// reject tells the application, or else the log.
func (c *Client) reject(m message, code, reason string) {
	if c.options.Rejected == nil {
		c.options.Logger.Warn("message rejected", "id", m.id(), "code", code, "reason", reason)
		return
	}
	c.options.Rejected(Rejection{ID: m.id(), Message: m.json, Code: code, Reason: reason})
}
