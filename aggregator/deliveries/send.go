package deliveries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/aggregator/postback"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// keptAnswer is how much of a receiver's answer is kept, in bytes.
const keptAnswer = 1 << 10

// send takes due deliveries, as many as there are free slots for, until no more are due. It does not
// wait for the tries: a receiver that takes its time holds up a slot and nothing else.
func (c *Courier) send(ctx context.Context) error {
	for ctx.Err() == nil {
		free := c.reserve()
		if free == 0 {
			return nil
		}
		due, byID, err := c.take(ctx, free)
		for range free - len(due) {
			c.slots <- struct{}{}
		}
		if err != nil {
			return err
		}
		for _, d := range due {
			c.tries.Go(func() {
				defer func() { c.slots <- struct{}{} }()
				c.deliver(ctx, d, byID[d.Postback])
			})
		}
		if len(due) < free {
			return nil
		}
	}
	return nil
}

// reserve takes all free slots and says how many they were.
func (c *Courier) reserve() int {
	for n := 0; ; n++ {
		select {
		case <-c.slots:
		default:
			return n
		}
	}
}

// take leases deliveries that are due, and reads the postbacks that they are of.
func (c *Courier) take(ctx context.Context, most int) ([]Due, map[string]*Postback, error) {
	due, err := c.o.Store.Take(ctx, c.o.Owner, most, tryLease)
	if err != nil || len(due) == 0 {
		return nil, nil, err
	}
	postbacks, err := c.o.Store.InForce(ctx)
	if err != nil {
		return nil, nil, err // the leases end, and the deliveries are taken again
	}
	byID := make(map[string]*Postback, len(postbacks))
	for i := range postbacks {
		byID[postbacks[i].ID] = &postbacks[i]
	}
	return due, byID, nil
}

// deliver tries one delivery and stores what came of it.
func (c *Courier) deliver(ctx context.Context, d Due, p *Postback) {
	outcome := c.try(ctx, d, p)
	if ctx.Err() != nil && outcome.State == StateDue {
		return // we are stopping: the lease ends, and somebody takes it
	}
	c.metrics.tries.WithLabelValues(outcome.State).Inc()
	// An answer that was had must not be given up because this node stops.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.o.Store.Finish(last, d, c.o.Owner, outcome); err != nil {
		c.o.Log.Warn("outcome of a delivery cannot be stored; it is sent again", "delivery", d.ID, "error", err)
	}
}

func (c *Courier) try(ctx context.Context, d Due, p *Postback) Outcome {
	if p == nil {
		return Outcome{State: StateWithdrawn, Fault: "the postback was disabled or deleted"}
	}
	request, shown, stop := c.request(ctx, d, p)
	if stop != nil {
		return *stop
	}
	o := Outcome{Shown: shown.text, Digest: shown.digest}
	host := hostOf(request.URL)
	if wait := c.breaker.enter(host, c.o.Now()); wait > 0 {
		o.State, o.Next, o.Untried, o.Fault = StateDue, c.o.Now().Add(wait), true, "the host is busy or has failed many times in a row; it is left alone for a moment"
		return o
	}
	defer c.breaker.leave(host)
	request.Sign(d.ID, []byte(p.Secrets.Signing), c.o.Now())
	begun := c.o.Now()
	status, retryAfter, answer, err := c.exchange(ctx, request)
	o.Status, o.Answer, o.Latency = status, answer, c.o.Now().Sub(begun)
	c.metrics.latency.Observe(o.Latency.Seconds())
	c.judge(d, &o, host, retryAfter, err)
	return o
}

// shownRequest is a request as people see it.
type shownRequest struct {
	text   []byte
	digest string
}

// request returns the request to send: the one that the first try has fixed, or for the first try the
// conversion as it is attributed now. Instead it may return the outcome of a delivery that is not sent.
func (c *Courier) request(ctx context.Context, d Due, p *Postback) (postback.Request, shownRequest, *Outcome) {
	var fixed struct{ Sent, Shown postback.Request }
	later := func(err error) *Outcome {
		return &Outcome{State: StateDue, Next: c.o.Now().Add(postback.Wait(d.ID, d.Attempt, 0)), Fault: err.Error()}
	}
	if d.Request != nil {
		plain, err := c.seal.open(d.ID, d.Request)
		if err == nil {
			err = json.Unmarshal(plain, &fixed)
		}
		if err != nil {
			return fixed.Sent, shownRequest{}, &Outcome{State: StateDead, Fault: "the stored request cannot be read: send it again"}
		}
		return fixed.Sent, shownOf(&fixed.Shown), nil
	}
	facts, err := c.facts(ctx, d.App, []string{d.Conversion})
	if err != nil {
		return fixed.Sent, shownRequest{}, later(errors.New("the conversion could not be read"))
	}
	fact, found := facts[d.Conversion]
	if !found || fact.gone {
		return fixed.Sent, shownRequest{}, &Outcome{State: StateWithdrawn, Fault: "the conversion is gone, or counts with another one"}
	}
	if wants, why := p.Definition.Wants(&fact.Fact); !wants {
		return fixed.Sent, shownRequest{}, &Outcome{State: StateWithdrawn, Fault: why}
	}
	if fixed.Sent, err = p.Definition.Render(&fact.Fact, p.Secrets.Named); err == nil {
		fixed.Shown, err = p.Definition.Shown(&fact.Fact, p.Secrets.Named)
	}
	if err != nil {
		return fixed.Sent, shownRequest{}, &Outcome{State: StateDead, Fault: err.Error()}
	}
	plain, err := json.Marshal(fixed)
	if err == nil {
		var sealed []byte
		if sealed, err = c.seal.seal(d.ID, plain); err == nil {
			err = c.o.Store.Fix(ctx, d, c.o.Owner, sealed)
		}
	}
	if err != nil {
		return fixed.Sent, shownRequest{}, later(errors.New("the request could not be stored"))
	}
	return fixed.Sent, shownOf(&fixed.Shown), nil
}

func shownOf(r *postback.Request) shownRequest {
	text, err := json.Marshal(r)
	if err != nil {
		return shownRequest{digest: r.Digest()}
	}
	return shownRequest{text: text, digest: r.Digest()}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// exchange sends a request and reads the beginning of the answer.
func (c *Courier) exchange(ctx context.Context, r postback.Request) (status int, retryAfter time.Duration, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return 0, 0, "", fmt.Errorf("make request: %w", err)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", "unmogrowp-postback/1")
	resp, err := c.o.Client.RoundTrip(req)
	if err != nil {
		return 0, 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	head, _ := io.ReadAll(io.LimitReader(resp.Body, keptAnswer)) // the status decides, whatever becomes of the body
	return resp.StatusCode, postback.RetryAfter(resp.Header.Get("Retry-After"), c.o.Now()), printable(head), nil
}

// printable is a text that Postgres takes and a page can show.
func printable(b []byte) string {
	text := strings.ToValidUTF8(string(b), string(utf8.RuneError))
	return strings.ReplaceAll(text, "\x00", "")
}

// judge decides what becomes of the delivery.
func (c *Courier) judge(d Due, o *Outcome, host string, retryAfter time.Duration, err error) {
	verdict := postback.Judge(o.Status)
	if err != nil {
		verdict = c.blame(o, err)
	}
	now := c.o.Now()
	c.breaker.saw(host, verdict == postback.Again, now)
	switch {
	case verdict == postback.Delivered:
		o.State = StateDelivered
	case verdict == postback.Refused:
		o.State = StateDead
		if o.Fault == "" {
			o.Fault = fmt.Sprintf("the receiver answered %d, which trying again would not change", o.Status)
		}
	default:
		o.State, o.Next = StateDue, now.Add(postback.Wait(d.ID, d.Attempt, retryAfter))
		if !d.First.IsZero() && o.Next.Sub(d.First) > postback.Patience {
			o.State, o.Fault = StateDead, strings.TrimPrefix(o.Fault+"; the receiver did not take it within a day", "; ")
		}
	}
}

// blame says why there was no answer, and whether trying again could help.
func (c *Courier) blame(o *Outcome, err error) postback.Verdict {
	var refused *guard.RefusedError
	if errors.As(err, &refused) {
		o.Fault = refused.Error()
		return postback.Refused
	}
	o.Fault = "no answer: " + reason(err)
	return postback.Again
}

// reason is an error of the network without the address, which may hold a secret.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	return err.Error()
}
