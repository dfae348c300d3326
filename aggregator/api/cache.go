package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Limits of the kept answers.
const (
	freshAnswer = time.Second     // an answer is as good as new for so long
	keepAnswer  = 2 * time.Second // and is given for so long while somebody makes a new one
	keepBytes   = 32 << 20        // of all answers together
	keepLargest = 1 << 20         // bytes of one
)

// answers keeps what reports answered a moment ago, so that a page that many look at asks the
// warehouse once a second, and many who ask for the first time at once wait for one answer. Nobody is answered
// from it who may not ask: each request is authorized before.
type answers struct {
	now     func() time.Time
	working singleflight.Group

	mu     sync.RWMutex
	kept   map[string]*keptAnswer
	bytes  int
	tidied time.Time
}

// keptAnswer is an answer, and what to ask the roles of whoever wants it.
type keptAnswer struct {
	rawAnswer
	route  *route
	app    string
	meters meters
	made   time.Time
	renews atomic.Bool // somebody makes a new one
}

func (k *keptAnswer) fresh(now time.Time) bool  { return now.Sub(k.made) < freshAnswer }
func (k *keptAnswer) usable(now time.Time) bool { return now.Sub(k.made) < keepAnswer }

func newAnswers(now func() time.Time) *answers {
	return &answers{now: now, kept: map[string]*keptAnswer{}}
}

// find returns the kept answer of a key, nil if there is none that can be given now.
func (a *answers) find(key string) *keptAnswer {
	a.mu.RLock()
	k := a.kept[key]
	a.mu.RUnlock()
	if k == nil || !k.usable(a.now()) {
		return nil
	}
	return k
}

// get returns the kept answer of a key, or makes it. One of those who ask for an answer that is no
// longer fresh makes a new one; the others need not wait for it. An error is not kept.
func (a *answers) get(key string, answer func() (*keptAnswer, error)) (rawAnswer, error) {
	if k := a.find(key); k != nil && (k.fresh(a.now()) || !k.renews.CompareAndSwap(false, true)) {
		return k.rawAnswer, nil
	}
	made, err, _ := a.working.Do(key, func() (any, error) {
		k, err := answer()
		if err != nil {
			return nil, err
		}
		a.keep(key, k)
		return k.rawAnswer, nil
	})
	raw, _ := made.(rawAnswer)
	return raw, err
}

// keep keeps an answer if there is room for it, and drops those that are too old. A kept answer is worth
// a second of queries at most, so when the room is used up all of it is forgotten.
func (a *answers) keep(key string, answer *keptAnswer) {
	size := len(key) + len(answer.body)
	if size > keepLargest {
		return
	}
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.tidied) >= keepAnswer {
		a.tidied = now
		for old, k := range a.kept {
			if !k.usable(now) {
				a.dropLocked(old)
			}
		}
	}
	a.dropLocked(key)
	if a.bytes+size > keepBytes {
		clear(a.kept)
		a.bytes = 0
	}
	answer.made = now
	a.kept[key] = answer
	a.bytes += size
}

func (a *answers) dropLocked(key string) {
	if k, ok := a.kept[key]; ok {
		a.bytes -= len(key) + len(k.body)
		delete(a.kept, key)
	}
}

// keyOf is the question of a request as a key. Paths that can be written in more than one way have no key.
func keyOf(r *http.Request) (key string, ok bool) {
	if r.URL.RawPath != "" || strings.Contains(r.URL.Path, "%") {
		return "", false
	}
	return r.URL.Path + "?" + r.URL.RawQuery, true
}

// read runs the route, or takes its answer of a moment ago.
func (c *call) read() (any, error) {
	if !c.route.keep {
		return c.route.handle(c)
	}
	return c.kept()
}

// kept runs a route whose answers are kept, or takes its answer of a moment ago. The narrowing of
// whoever asks is part of the key; that they may ask at all was decided before.
func (c *call) kept() (any, error) {
	app := c.param("app")
	filter := c.filter
	key, ok := keyOf(c.r)
	if !ok {
		return c.route.handle(c)
	}
	if len(filter.MediaSources)+len(filter.Countries) > 0 {
		key += fmt.Sprintf(" %q %q", filter.MediaSources, filter.Countries)
	}
	if c.route.ids && seesIDs(c) {
		key += " ids"
	}
	answer, err := c.answers.get(key, func() (*keptAnswer, error) {
		// Others wait for this answer: it must not end because one of them went away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), requestTimeout)
		defer cancel()
		c.ctx = ctx
		value, err := c.route.handle(c)
		if err != nil {
			return nil, err
		}
		answer, err := rawOf(value)
		return &keptAnswer{rawAnswer: answer, route: c.route, app: app, meters: c.metrics.of(c.name())}, err
	})
	return answer, err
}

// answerKept answers a read at once if its answer is kept, whoever asks is remembered, and they may see
// all of it; else it does nothing, and the request goes the long way. Authorization is the same there
// and here.
func (s *server) answerKept(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || strings.Contains(strings.ToLower(r.Header.Get("Accept")), "csv") {
		return false // exports are never kept: each is an entry of the audit log
	}
	began := s.Now()
	key, ok := keyOf(r)
	if !ok {
		return false
	}
	answer := s.answers.find(key)
	if answer == nil || answer.route.ids || !answer.fresh(began) && !answer.renews.Load() {
		return false
	}
	session, ok := s.Authenticator.remembered(r.Header.Get("Authorization"))
	if !ok || answer.route.rule.decide(&session, answer.app) != nil {
		return false
	}
	filter, err := answer.route.rule.narrowing(session.User.Principal(), answer.app)
	if err != nil || len(filter.MediaSources)+len(filter.Countries) > 0 {
		return false
	}
	id := newRequestID()
	w.Header()["X-Request-Id"] = []string{id}
	if answer.route.exportable() {
		w.Header().Set("Vary", "Accept")
	}
	status := answer.send(w, r)
	took := s.Now().Sub(began)
	answer.meters.answered(took)
	s.log(id, answer.route, status, took, session.User.ID)
	return true
}
