package system

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestChaosLosesNothing sends events while agents, aggregators and ClickHouse
// are killed with -9 and restarted, again and again. Then the reports must
// count exactly the distinct acknowledged messages, and every attribution must
// equal the one that an independent implementation computes from the stored events.
//
// UNMOGROWP_CHAOS_EVENTS, _KILLS and _SEED make it longer or other.
func TestChaosLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute")
	}
	events, kills, seed := setting(t, "EVENTS", 200_000), setting(t, "KILLS", 15), setting(t, "SEED", 1)
	t.Logf("%d events, %d kills, seed %d", events, kills, seed)
	p := StartProcesses(t, childtest.Postgres(t), 2, 2)
	s := &storm{p: p, load: NewLoad(uint64(seed), 20_000, time.Now()), total: events, kills: kills}
	began := time.Now()
	s.blow()
	t.Logf("%d messages acknowledged (%d requests repeated after a fault) and %d kills in %s", len(s.acked), s.repeated.Load(), s.killed, time.Since(began).Round(time.Millisecond))

	console := p.LogIn(p.Aggregators[1], OwnerEmail, OwnerPassword)
	o := p.awaitEvents(console, len(s.acked))
	t.Logf("every acknowledged message counted once after %s: %+v", time.Since(began).Round(time.Millisecond), o)
	p.checkStored(s.acked)
	p.Await("attributions equal to their recomputation", func() error { return p.compare() })
	t.Logf("attributions equal after %s", time.Since(began).Round(time.Millisecond))
	p.Await("no mismatch reported", func() error {
		var cluster struct {
			Mismatched int `json:"mismatched_attributions"`
		}
		if err := console.Try("GET", "cluster", nil, &cluster); err != nil {
			return err
		}
		if cluster.Mismatched != 0 {
			return fmt.Errorf("%d mismatched attributions", cluster.Mismatched)
		}
		return nil
	})
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv("UNMOGROWP_CHAOS_" + name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// storm sends and kills at once. Each kill is due when its share of the
// messages has been acknowledged, so no clock decides.
type storm struct {
	p     *Processes
	load  *Load
	total int
	kills int

	mu       sync.Mutex // guards load and the fields below
	made     int
	acked    map[string]bool
	due      chan int // of kills
	killed   int
	repeated atomic.Int64
}

const perRequest = 100

func (s *storm) blow() {
	s.acked = make(map[string]bool, s.total)
	s.due = make(chan int, s.kills)
	var senders, nemesis sync.WaitGroup
	nemesis.Go(s.kill)
	for i := range 4 {
		senders.Go(func() { s.send(s.p.Agents[i%len(s.p.Agents)]) })
	}
	senders.Wait()
	close(s.due)
	nemesis.Wait()
}

// kill takes the victims in turn: an agent, an aggregator, the ClickHouse.
func (s *storm) kill() {
	for n := range s.due {
		var victim interface {
			Kill() error
			Start(ctx context.Context) error
		}
		programs, aggregators := s.p.Programs, s.p.aggregators
		switch n % 3 {
		case 0:
			victim = programs[aggregators+n/3%(len(programs)-aggregators)]
		case 1:
			victim = programs[n/3%aggregators]
		default:
			victim = s.p.ClickHouse
		}
		if err := s.p.KillAndRestart(victim); err != nil {
			s.p.T.Errorf("kill %d: %v", n, err)
			return
		}
		s.killed++
	}
}

// send makes requests until the total is reached, and repeats each until it is
// acknowledged. Every twentieth is sent once more after that, as SDKs do whose
// answer got lost.
func (s *storm) send(agent *Part) {
	for {
		requests := s.next()
		if requests == nil {
			return
		}
		for _, r := range requests {
			s.deliver(agent, r)
			if r.number%20 == 0 {
				s.deliver(agent, r)
			}
			s.count(r)
		}
	}
}

type request struct {
	number int
	path   string
	body   []byte
	ids    []string
}

// next makes the next hundred messages: one batch, and one request of touches.
func (s *storm) next() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(perRequest, s.total-s.made)
	if n == 0 {
		return nil
	}
	s.made += n
	batch, touches := request{path: "/v1/batch"}, request{path: "/v1/s2s/touch"}
	var messages, clicks []map[string]any
	for range n {
		m := s.load.Next()
		if m.Touch {
			clicks, touches.ids = append(clicks, m.Body), append(touches.ids, m.ID)
		} else {
			messages, batch.ids = append(messages, m.Body), append(batch.ids, m.ID)
		}
	}
	var requests []request
	sent := time.Now().UTC().Format(time.RFC3339Nano)
	for body, r := range map[*map[string]any]*request{
		{"batch": messages, "sentAt": sent}: &batch,
		{"touches": clicks}:                 &touches,
	} {
		if len(r.ids) == 0 {
			continue
		}
		data, err := json.Marshal(*body)
		if err != nil {
			s.p.T.Error(err)
			return nil
		}
		r.body, r.number = data, s.made/perRequest
		requests = append(requests, *r)
	}
	return requests
}

// deliver sends until it is answered 200.
func (s *storm) deliver(agent *Part, r request) {
	for deadline := time.Now().Add(2 * Patience); ; {
		err := s.post(agent, r)
		if err == nil {
			return
		}
		s.repeated.Add(1)
		if time.Now().After(deadline) {
			s.p.T.Errorf("%s never took a request: %v", agent.Name, err)
			return
		}
	}
}

func (s *storm) post(agent *Part, r request) error {
	req, err := http.NewRequest(http.MethodPost, agent.URL+r.path, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(s.p.ServerKey, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	if bytes.Contains(answer, []byte(`"rejected"`)) {
		s.p.T.Errorf("items rejected: %s", answer[:min(len(answer), 500)])
	}
	return nil
}

func (s *storm) count(r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.acked)
	for _, id := range r.ids {
		s.acked[id] = true
	}
	// kill k is due at (k+1)/(kills+1) of the messages
	for k := before * (s.kills + 1) / s.total; k < len(s.acked)*(s.kills+1)/s.total && k < s.kills; k++ {
		s.due <- k
	}
}
