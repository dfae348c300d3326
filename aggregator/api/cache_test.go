package api

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

func TestAnswersAreKeptForASecond(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	path := "apps/" + s.app("Shop") + "/reports/overview?from=2026-01-01&to=2026-02-01"
	first := c.get(path).want(200)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { c.get(path).want(200) })
	}
	wg.Wait()
	if again := c.get(path).want(200); string(again.body) != string(first.body) || again.header.Get("Content-Security-Policy") == "" ||
		again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
		t.Errorf("the kept answer is another: %s %v", again.body, again.header)
	}
	if asks := s.reports.asks(); asks != 1 {
		t.Errorf("the warehouse was asked %d times, want once", asks)
	}
	c.get(path + "&tz=UTC").want(200)
	s.clock.advance(freshAnswer)
	c.get(path).want(200)
	if asks := s.reports.asks(); asks != 3 {
		t.Errorf("the warehouse was asked %d times, want again for another question and after a second", asks)
	}
	s.clock.advance(time.Minute)
	c.get(path).want(200)
	if asks := s.reports.asks(); asks != 4 {
		t.Errorf("the warehouse was asked %d times, want again after a minute", asks)
	}
}

// TestKeptAnswersAreForWhoMaySeeThem asks for an answer that is kept as people who may not see it.
func TestKeptAnswersAreForWhoMaySeeThem(t *testing.T) {
	s := newSystem(t)
	owner := s.owner()
	shop, other := s.app("Shop"), s.app("Other")
	path := "apps/" + shop + "/reports/overview?from=2026-01-01&to=2026-02-01"
	owner.get(path).want(200)
	s.user("foreign@example.com", access.Assignment{Role: access.Analyst, Apps: []string{other}})
	s.user("narrow@example.com", access.Assignment{Role: access.Analyst, Apps: []string{shop}, Countries: []string{"DE"}})
	foreign, narrow := s.login("foreign@example.com"), s.login("narrow@example.com")
	for i := range 2 { // the second time the session is remembered
		owner.get(path).want(200)
		foreign.get(path).want(404)
		var whole, part report.OverviewResult
		owner.get(path).want(200).decode(&whole)
		narrow.get(path).want(200).decode(&part)
		if i == 0 && !s.reports.asked([]string{"DE"}) || whole.Events != 3 || part.Events != 2 {
			t.Errorf("round %d: the narrowed question was asked as %+v; %d events are all, and %d the part", i, s.reports.last, whole.Events, part.Events)
		}
		s.client().get(path).want(401)
		if got := owner.send(http.MethodHead, path, nil, nil); got.status != 405 {
			t.Errorf("HEAD answers %d", got.status)
		}
		owner.get(strings.Replace(path, "reports", "report%73", 1)).want(200)
		owner.get(strings.Replace(path, "/reports", "//reports", 1)).want(404)
	}
	var sessions page[sessionItem]
	owner.get("me/sessions").want(200).decode(&sessions)
	owner.send(http.MethodDelete, "me/sessions/"+sessions.Data[0].ID, nil, nil).want(204)
	s.clock.advance(5 * time.Second)
	owner.get(path).want(401)
}

// TestNobodyWaitsForARenewal: while one makes a new answer, the others get the old one.
func TestNobodyWaitsForARenewal(t *testing.T) {
	now := time.Now()
	a := newAnswers(func() time.Time { return now })
	a.keep("q", &keptAnswer{rawAnswer: rawAnswer{body: []byte("old")}})
	now = now.Add(freshAnswer)
	got, err := a.get("q", func() (*keptAnswer, error) {
		meanwhile, err := a.get("q", func() (*keptAnswer, error) { return nil, errors.New("a second renewal") })
		if err != nil || string(meanwhile.body) != "old" {
			t.Errorf("the others get %q, %v", meanwhile.body, err)
		}
		return nil, errors.New("the warehouse is down")
	})
	if err == nil {
		t.Errorf("whoever renews hears of the failure, got %q", got.body)
	}
	now = now.Add(keepAnswer)
	got, err = a.get("q", func() (*keptAnswer, error) { return &keptAnswer{rawAnswer: rawAnswer{body: []byte("new")}}, nil })
	if err != nil || string(got.body) != "new" {
		t.Errorf("after that, %q, %v", got.body, err)
	}
}

// TestExportsAreNotKept: each is made, and recorded, by itself.
func TestExportsAreNotKept(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	path := "apps/" + s.app("Shop") + "/reports/sources?from=2026-01-01&to=2026-02-01"
	for i := range 2 {
		if got := c.get(path).want(200); got.header.Get("Content-Type") != "application/json" || got.header.Get("Vary") != "Accept" {
			t.Errorf("JSON came with %v", got.header)
		}
		for _, got := range []*answer{c.send("GET", path, nil, map[string]string{"Accept": "Text/CSV"}), c.get(path + "&format=csv")} {
			if got.want(200).header.Get("Content-Type") != csvType {
				t.Errorf("CSV came with %v", got.header)
			}
		}
		if asks := s.reports.asks(); asks != 1+2*(i+1) {
			t.Errorf("the warehouse was asked %d times after round %d", asks, i)
		}
	}
}

func TestRoomForAnswersIsBounded(t *testing.T) {
	now := time.Now()
	a := newAnswers(func() time.Time { return now })
	body := make([]byte, keepLargest/2)
	for i := range 3 * keepBytes / len(body) {
		a.keep(strings.Repeat("k", i+1), &keptAnswer{rawAnswer: rawAnswer{body: body}})
	}
	a.keep("large", &keptAnswer{rawAnswer: rawAnswer{body: make([]byte, keepLargest)}})
	if a.find("large") != nil || a.bytes > keepBytes {
		t.Errorf("%d bytes are kept", a.bytes)
	}
	now = now.Add(keepAnswer)
	a.keep("one", &keptAnswer{rawAnswer: rawAnswer{body: []byte("1")}})
	if len(a.kept) != 1 || a.bytes != 4 {
		t.Errorf("%d answers of %d bytes are left, want what is not too old", len(a.kept), a.bytes)
	}
}
