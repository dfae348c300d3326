package unmogrowp

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// internet holds agents at some distance, and the hosts that were posted to.
// The home of the client is home.test.
type internet struct {
	listed   []string // by every agent
	distance map[string]time.Duration

	mu     sync.Mutex
	down   map[string]bool
	posted []string
}

func (n *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	n.mu.Lock()
	down := n.down[host]
	if !down && r.Method == http.MethodPost {
		n.posted = append(n.posted, host)
	}
	n.mu.Unlock()
	select {
	case <-time.After(n.distance[host]):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if down {
		return nil, errors.New("connection refused")
	}
	answer := `{"success":true}`
	if r.URL.Path == pathEdges {
		edges := []map[string]string{}
		for _, url := range n.listed {
			edges = append(edges, map[string]string{"url": url, "region": "eu"})
		}
		text, err := json.Marshal(map[string]any{"region": "eu", "edges": edges})
		if err != nil {
			return nil, err
		}
		answer = string(text)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: r, Header: http.Header{}}, nil
}

func (n *internet) cut(host string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[host] = down
}

func (n *internet) took() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	posted := n.posted
	n.posted = nil
	return posted
}

func newInternet(listed ...string) *internet {
	return &internet{listed: listed, down: map[string]bool{}, distance: map[string]time.Duration{
		"home.test": 80 * time.Millisecond, "near.test": 5 * time.Millisecond, "far.test": 200 * time.Millisecond, "never.test": time.Hour}}
}

func TestMessagesGoToTheNearestAgent(t *testing.T) {
	for name, c := range map[string]struct {
		nearest bool
		home    string
		listed  []string
		want    string
	}{
		"not asked for":      {false, "https://home.test", []string{"https://near.test"}, "home.test"},
		"a nearer one":       {true, "https://home.test/", []string{"https://far.test", "https://never.test", "https://near.test/"}, "near.test"},
		"no nearer one":      {true, "https://home.test", []string{"https://far.test", "https://home.test"}, "home.test"},
		"none":               {true, "https://home.test", nil, "home.test"},
		"no way without TLS": {true, "https://home.test", []string{"http://near.test", "near.test", "ftp://near.test", "%"}, "home.test"},
		"TLS from without":   {true, "http://home.test", []string{"https://near.test"}, "near.test"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(c.listed...)
				client, err := New(Options{Host: c.home, Key: "key", Transport: n, Nearest: c.nearest})
				must(t, err)
				time.Sleep(10 * time.Second)
				must(t, client.Track("1", Message{}))
				must(t, client.Close(t.Context()))
				if posted := n.took(); !slices.Equal(posted, []string{c.want}) {
					t.Errorf("posted to %v, want %s", posted, c.want)
				}
			})
		})
	}
}

func TestHomeIsTurnedToWhenTheNearestIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet("https://near.test")
		client, err := New(Options{Host: "https://home.test", Key: "key", Transport: n, Nearest: true})
		must(t, err)
		send := func(want string) {
			t.Helper()
			must(t, client.Track("1", Message{}))
			must(t, client.Flush(t.Context()))
			if posted := n.took(); !slices.Equal(posted, []string{want}) {
				t.Errorf("posted to %v, want %s", posted, want)
			}
		}
		time.Sleep(time.Second)
		send("near.test")
		n.cut("near.test", true)
		send("home.test")
		n.cut("near.test", false)
		send("home.test")
		time.Sleep(searchPeriod)
		send("near.test")
		must(t, client.Close(t.Context()))
	})
}

func TestMessagesDoNotWaitForTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet("https://never.test")
		n.cut("home.test", false)
		client, err := New(Options{Host: "https://home.test", Key: "key", Transport: n, Nearest: true})
		must(t, err)
		must(t, client.Track("1", Message{}))
		began := time.Now()
		must(t, client.Close(t.Context()))
		if posted := n.took(); !slices.Equal(posted, []string{"home.test"}) || time.Since(began) > 2*time.Second {
			t.Errorf("posted to %v after %s", posted, time.Since(began))
		}
	})
}
