package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/deploy/standalone/traffic"
)

// sender sends requests to an agent as SDKs do: it comes again when it is told
// to, or when nobody answers.
type sender struct {
	agent         string // URL
	write, server string // keys
	senders       int    // connections at once
	http          *http.Client
	patience      time.Duration // with one request, over all its attempts
	now           func() time.Time

	last atomic.Int64 // when the latest request that was taken was sent, in milliseconds
}

// all sends everything and calls done with the number of messages of each
// request that was taken.
func (s *sender) all(ctx context.Context, requests iter.Seq[traffic.Request], done func(messages int)) error {
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan traffic.Request)
	group.Go(func() error {
		defer close(queue)
		for r := range requests {
			select {
			case queue <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range s.senders {
		group.Go(func() error {
			for r := range queue {
				if err := s.one(ctx, &r); err != nil {
					return err
				}
				done(len(r.Messages))
			}
			return nil
		})
	}
	return group.Wait()
}

// one sends one request until it is taken.
func (s *sender) one(ctx context.Context, r *traffic.Request) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for attempt := 0; ; attempt++ {
		wait, err := s.attempt(ctx, r)
		if err == nil || wait < 0 {
			return err
		}
		if wait == 0 {
			wait = min(100*time.Millisecond<<min(attempt, 6), 5*time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("send to the agent: gave up after %s: %w", s.patience, err)
			}
			return ctx.Err()
		}
	}
}

// attempt sends a request once. After an error it says how long to wait before
// the next attempt: 0 leaves it to the caller, less means that it is of no use.
func (s *sender) attempt(ctx context.Context, r *traffic.Request) (wait time.Duration, err error) {
	now := s.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.agent, "/")+r.Path(), bytes.NewReader(r.Body(now)))
	if err != nil {
		return -1, fmt.Errorf("send to the agent: %w", err)
	}
	key := s.server
	if r.Lane == traffic.Client {
		key = s.write
	}
	req.SetBasicAuth(key, "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send to the agent: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("read the agent's answer: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		s.last.Store(now.UnixMilli()) // several at once: one of the latest will do
		return -1, refused(answer)
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= http.StatusInternalServerError:
		return retryAfter(resp.Header), fmt.Errorf("%s answered %s: %s", r.Path(), resp.Status, bytes.TrimSpace(answer))
	}
	return -1, fmt.Errorf("%s answered %s: %s", r.Path(), resp.Status, bytes.TrimSpace(answer))
}

// retryAfter reads the seconds that the agent asks for, at most a minute.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Minute)
}

// refused is an error if the agent took the request but not all of its
// messages: the sample traffic is valid, so something is wrong.
func refused(answer []byte) error {
	var a struct {
		Success  bool
		Rejected []struct {
			Index  int
			Reason string
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil || !a.Success {
		return fmt.Errorf("the agent's answer makes no sense: %.200s", answer)
	}
	if len(a.Rejected) > 0 {
		return fmt.Errorf("the agent refused %d messages, number %d because %s", len(a.Rejected), a.Rejected[0].Index, a.Rejected[0].Reason)
	}
	return nil
}
