package unmogrowp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pathEdges    = "/v1/edges"
	maxEdges     = 16 // that are asked
	maxEdgeList  = 64 << 10
	askTimeout   = 5 * time.Second
	searchPeriod = time.Hour // between two searches for the nearest agent
)

// route is where messages go: to the agent of the options, or to the public one
// that answers fastest. Searches change it while batches are on their way.
type route struct {
	home string
	http *http.Client
	near atomic.Pointer[string]
}

// url is the agent that the next batch goes to.
func (r *route) url() string {
	if near := r.near.Load(); near != nil {
		return *near
	}
	return r.home
}

// lost goes back to the agent of the options, after one could not take a batch.
func (r *route) lost() { r.near.Store(nil) }

// search looks for the nearest agent now and again, until ctx ends.
func (r *route) search(ctx context.Context, failed func(error)) {
	ticker := time.NewTicker(searchPeriod)
	defer ticker.Stop()
	for {
		if err := r.find(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// find asks the agent of the options which ones are public and keeps the one
// that answers fastest.
func (r *route) find(ctx context.Context) error {
	edges, err := r.edges(ctx)
	if err != nil {
		return fmt.Errorf("ask %s for the public agents: %w", r.home, err)
	}
	took := make([]time.Duration, len(edges)) // 0: it did not answer
	var wg sync.WaitGroup
	for i, edge := range edges {
		wg.Go(func() { took[i] = r.distance(ctx, edge) })
	}
	wg.Wait()
	best := -1
	for i, d := range took {
		if d > 0 && (best < 0 || d < took[best]) {
			best = i
		}
	}
	if best < 0 {
		return errors.New("find the nearest agent: none of them answers")
	}
	r.near.Store(&edges[best])
	return nil
}

// distance is how long an agent takes to answer on an open connection.
func (r *route) distance(ctx context.Context, edge string) time.Duration {
	if _, err := r.ask(ctx, edge); err != nil { // opens it
		return 0
	}
	began := time.Now()
	if _, err := r.ask(ctx, edge); err != nil {
		return 0
	}
	return max(time.Since(began), 1)
}

// edges are the agent of the options and those that it lists.
func (r *route) edges(ctx context.Context) ([]string, error) {
	text, err := r.ask(ctx, r.home)
	if err != nil {
		return nil, err
	}
	var list struct {
		Edges []struct {
			URL string `json:"url"`
		} `json:"edges"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	edges, known := []string{r.home}, map[string]bool{r.home: true}
	for _, e := range list.Edges {
		edge := strings.TrimRight(e.URL, "/")
		if u, err := url.Parse(edge); err != nil || u.Host == "" || u.Scheme != "https" && !strings.HasPrefix(r.home, u.Scheme+"://") {
			continue // nor does a key that goes over TLS leave it
		}
		if !known[edge] && len(edges) < maxEdges {
			known[edge] = true
			edges = append(edges, edge)
		}
	}
	return edges, nil
}

func (r *route) ask(ctx context.Context, host string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+pathEdges, nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxEdgeList))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return text, err
}
