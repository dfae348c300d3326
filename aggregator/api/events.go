package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Bounds of the live view: each watcher asks the warehouse once in livePoll.
const (
	livePoll    = 700 * time.Millisecond
	liveEnd     = 10 * time.Minute // then the client asks again, and roles are looked at again
	liveWrite   = 10 * time.Second
	maxWatchers = 50 // of a node
)

func eventRoutes() []route {
	list := asks("events", "Messages as they were received, newest first, and what became of each", report.ListEvents,
		"from to tz filter type name id q limit cursor")
	list.rule = needs(access.RawRead).inPart()
	return []route{
		list,
		{method: "GET", path: "apps/{app}/events/stream", rule: needs(access.RawRead).inPart(), handle: watchEvents, query: with("filter"), reply: "",
			media:   "text/event-stream",
			summary: "Messages as they are stored, as server-sent events: event, rejected (with the reason), and rate once a second"},
		{method: "GET", path: "apps/{app}/events/{event}", rule: needs(access.RawRead).inPart(), handle: readEvent, summary: "One message as it was received",
			reply: report.EventItem{}},
	}
}

func readEvent(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	event, found, err := report.OneEvent(c.ctx, c.Reports, q, c.param("event"))
	if err == nil && !found {
		err = errNoRoute()
	}
	return event, err
}

// liveAnswer is an answer that goes on until somebody ends it.
type liveAnswer struct {
	watch func(ctx context.Context, send func(name string, data any) error) error
}

// liveRate is how much was stored since the last one.
type liveRate struct {
	Accepted int `json:"accepted"`
	Warned   int `json:"warned"`
	Rejected int `json:"rejected"`
}

func watchEvents(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	return liveAnswer{func(ctx context.Context, send func(string, any) error) error {
		live := report.NewLive(q, c.Now())
		tick := time.NewTicker(livePoll)
		defer tick.Stop()
		told := c.Now()
		var rate liveRate
		for {
			events, refused, err := live.Next(ctx, c.Reports, c.Now())
			if err != nil {
				return err
			}
			for i := range events {
				rate.Accepted++
				if len(events[i].Warnings) > 0 {
					rate.Warned++
				}
				if err := send("event", &events[i]); err != nil {
					return err
				}
			}
			for i := range refused {
				rate.Rejected++
				if err := send("rejected", &refused[i]); err != nil {
					return err
				}
			}
			if now := c.Now(); now.Sub(told) >= time.Second {
				if err := send("rate", rate); err != nil {
					return err
				}
				told, rate = now, liveRate{}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}, nil
}

// follow sends a live answer until the client goes away or its time is over. It outlives the time that a
// request has.
func (c *call) follow(a liveAnswer) {
	if c.watchers.Add(1) > maxWatchers {
		c.watchers.Add(-1)
		c.fail(&problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "Too many watch at this moment: try again.", retryAfter: 10})
		return
	}
	defer c.watchers.Add(-1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), liveEnd)
	defer cancel()
	defer context.AfterFunc(c.client, cancel)()
	control := http.NewResponseController(c.w)
	header := c.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no")
	c.status = http.StatusOK

	send := func(text string) error {

		if err := control.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil {
			return fmt.Errorf("set the deadline of a write: %w", err)
		}
		if _, err := c.w.Write([]byte(text)); err != nil {
			return err
		}
		return control.Flush()
	}
	if send(": watching\n\n") != nil {
		return
	}
	err := a.watch(ctx, func(name string, data any) error {
		body, err := json.Marshal(data)
		if err != nil {
			return err
		}
		return send("event: " + name + "\ndata: " + string(body) + "\n\n")
	})
	if err != nil && ctx.Err() == nil {
		c.Logger.Error("live view ended", "request_id", c.id, "error", err)
	}
}
