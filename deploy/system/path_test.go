package system

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

type overview struct {
	Events      int `json:"events"`
	Clicks      int `json:"clicks"`
	Impressions int `json:"impressions"`
	Installs    int `json:"installs"`
	Conversions int `json:"conversions"`
	Revenue     []struct {
		Currency string `json:"currency"`
		Amount   string `json:"amount"`
	} `json:"revenue"`
}

type journey struct {
	ID      string `json:"id"`
	Revenue string `json:"revenue"`
	Inputs  int    `json:"inputs"`
	Install struct {
		Result      string `json:"result"`
		MediaSource string `json:"media_source"`
		Match       string `json:"match"`
	} `json:"install"`
	Candidates []struct {
		TouchID string `json:"touch_id"`
		Verdict string `json:"verdict"`
	} `json:"candidates"`
	Touches []struct {
		TouchID     string            `json:"touch_id"`
		MediaSource string            `json:"media_source"`
		Credit      map[string]int    `json:"credit"`
		Revenue     map[string]string `json:"revenue"`
	} `json:"touches"`
}

// batch is the body of /v1/batch.
func batch(events ...map[string]any) map[string]any {
	return map[string]any{"batch": events, "sentAt": time.Now().UTC().Format(time.RFC3339Nano)}
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (c *Cluster) mustPost(p *Part, key, path string, body any) {
	c.T.Helper()
	if status, answer := c.Post(p, key, path, body); status != http.StatusOK {
		c.T.Fatalf("POST %s answered %d: %s", path, status, answer)
	}
}

// awaitEvents waits until the overview counts so many distinct messages.
func (c *Cluster) awaitEvents(k *Console, want int) overview {
	c.T.Helper()
	var o overview
	c.Await(fmt.Sprintf("%d events", want), func() error {
		if err := k.Try("GET", "apps/"+c.App+"/reports/overview", nil, &o); err != nil {
			return err
		}
		if o.Events != want {
			return fmt.Errorf("%d events", o.Events)
		}
		return nil
	})
	return o
}

func (c *Cluster) awaitJourney(k *Console, id string, ok func(journey) error) journey {
	c.T.Helper()
	var j journey
	c.Await("journey of "+id, func() error {
		j = journey{}
		if err := k.Try("GET", "apps/"+c.App+"/conversions/"+id, nil, &j); err != nil {
			return err
		}
		return ok(j)
	})
	return j
}

func touches(n int) func(journey) error {
	return func(j journey) error {
		if len(j.Touches) != n {
			return fmt.Errorf("%d touches", len(j.Touches))
		}
		return nil
	}
}

// The way of an event, whole: an ad click from a server, a campaign visit and
// an order from an SDK, a login that ties two devices, and the credit on screen.
func TestAnEventBecomesACreditedConversion(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	agent := c.Agents[0]
	now := time.Now()
	c.mustPost(agent, c.ServerKey, "/v1/s2s/touch", map[string]any{"id": "click-1", "kind": "click", "time": at(now.Add(-48 * time.Hour)),
		"media_source": "google", "campaign": "spring", "keys": map[string]string{"anonymous_id": "laptop"}})
	c.mustPost(agent, c.WriteKey, "/v1/batch", batch(
		map[string]any{"type": "page", "messageId": "visit-1", "anonymousId": "phone", "timestamp": at(now.Add(-24 * time.Hour)),
			"context": map[string]any{"campaign": map[string]string{"source": "newsletter", "name": "april"}}},
		map[string]any{"type": "identify", "messageId": "login-1", "anonymousId": "laptop", "userId": "ann", "timestamp": at(now.Add(-3 * time.Hour))},
		map[string]any{"type": "identify", "messageId": "login-2", "anonymousId": "phone", "userId": "ann", "timestamp": at(now.Add(-2 * time.Hour))},
		map[string]any{"type": "track", "event": "Order Completed", "messageId": "order-1", "userId": "ann", "timestamp": at(now.Add(-time.Hour)),
			"properties": map[string]any{"revenue": 100.01, "currency": "EUR", "order_id": "o-1"}},
	))
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	j := c.awaitJourney(k, "order-1", touches(2))
	o := c.awaitEvents(k, 5)
	if o.Clicks != 1 || o.Conversions != 1 || len(o.Revenue) != 1 || o.Revenue[0].Amount != "100.010000" || o.Revenue[0].Currency != "EUR" {
		t.Errorf("overview %+v", o)
	}
	if j.Touches[0].TouchID != "click-1" || j.Touches[1].TouchID != "visit-1" || j.Touches[0].Revenue["linear"] != "50.005000" {
		t.Errorf("journey %+v", j)
	}
	for _, model := range []string{"first_touch", "last_touch", "linear", "time_decay", "position_based"} {
		if sum := j.Touches[0].Credit[model] + j.Touches[1].Credit[model]; sum != 1_000_000 {
			t.Errorf("%s credits %d millionths", model, sum)
		}
		c.checkReport(k, model, "1.000000", "100.010000")
	}
}

// checkReport compares a model's totals, and its rows with its totals.
func (c *Cluster) checkReport(k *Console, model, conversions, revenue string) {
	c.T.Helper()
	var report struct {
		Rows []struct {
			MediaSource string `json:"media_source"`
			Conversions string `json:"conversions"`
			Revenue     string `json:"revenue"`
		} `json:"rows"`
		Total struct {
			Conversions string `json:"conversions"`
			Revenue     string `json:"revenue"`
		} `json:"total"`
	}
	k.Call("GET", "apps/"+c.App+"/reports/attribution?model="+model+"&group_by=media_source", nil, &report)
	if report.Total.Conversions != conversions || report.Total.Revenue != revenue {
		c.T.Errorf("%s: total %+v, want %s and %s", model, report.Total, conversions, revenue)
	}
	var sumConversions, sumRevenue int64
	for _, r := range report.Rows {
		sumConversions += millionths(c.T, r.Conversions)
		sumRevenue += millionths(c.T, r.Revenue)
	}
	if sumConversions != millionths(c.T, report.Total.Conversions) || sumRevenue != millionths(c.T, report.Total.Revenue) {
		c.T.Errorf("%s: rows %+v do not add up to %+v", model, report.Rows, report.Total)
	}
}

// millionths reads a decimal with six places exactly.
func millionths(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.Replace(s, ".", "", 1), 10, 64)
	if err != nil || len(s) < 8 || s[len(s)-7] != '.' {
		t.Fatalf("%q is not a decimal with six places", s)
	}
	return n
}

// Late facts change the credit; repeated ones change nothing.
func TestLateAndRepeatedFactsConverge(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	agent := c.Agents[0]
	now := time.Now()
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	order := batch(map[string]any{"type": "track", "event": "Order Completed", "messageId": "order-1", "userId": "ann",
		"timestamp": at(now.Add(-time.Hour)), "properties": map[string]any{"total": "9.99", "currency": "USD"}})
	c.mustPost(agent, c.ServerKey, "/v1/batch", order)
	c.awaitJourney(k, "order-1", touches(0))
	c.checkSource(k, "organic")

	late := map[string]any{"id": "click-1", "kind": "click", "time": at(now.Add(-2 * time.Hour)), "media_source": "tiktok",
		"keys": map[string]string{"device_id": "d-1"}}
	c.mustPost(agent, c.ServerKey, "/v1/s2s/touch", late)
	c.awaitEvents(k, 2)
	link := batch(map[string]any{"type": "identify", "messageId": "login-1", "userId": "ann", "timestamp": at(now),
		"context": map[string]any{"device": map[string]string{"id": "d-1"}}})
	c.mustPost(agent, c.WriteKey, "/v1/batch", link)
	first := c.awaitJourney(k, "order-1", touches(1))
	c.checkSource(k, "tiktok")

	for range 3 {
		c.mustPost(agent, c.WriteKey, "/v1/batch", link)
		c.mustPost(agent, c.ServerKey, "/v1/s2s/touch", late)
		c.mustPost(agent, c.ServerKey, "/v1/batch", order)
	}
	c.mustPost(agent, c.WriteKey, "/v1/track", map[string]any{"messageId": "last", "event": "Seen", "userId": "bob"})
	o := c.awaitEvents(k, 4)
	if o.Conversions != 1 || o.Clicks != 1 || o.Revenue[0].Amount != "9.990000" {
		t.Errorf("overview after repeats %+v", o)
	}
	if again := c.awaitJourney(k, "order-1", touches(1)); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("journey after repeats %+v, before %+v", again, first)
	}
}

// checkSource waits until all credit is one media source's.
func (c *Cluster) checkSource(k *Console, want string) {
	c.T.Helper()
	c.Await("all credit for "+want, func() error {
		var report struct {
			Rows []struct {
				MediaSource string `json:"media_source"`
			} `json:"rows"`
		}
		if err := k.Try("GET", "apps/"+c.App+"/reports/attribution?model=linear", nil, &report); err != nil {
			return err
		}
		if len(report.Rows) != 1 || report.Rows[0].MediaSource != want {
			return fmt.Errorf("rows %+v", report.Rows)
		}
		return nil
	})
}

// One aggregator goes, the agents move on to the other, and every event that
// was acknowledged is counted once.
func TestAgentsFailOver(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 2, 2)
	var ids []string
	send := func(round int) {
		for i, agent := range c.Agents {
			id := fmt.Sprintf("m-%d-%d", round, i)
			c.mustPost(agent, c.WriteKey, "/v1/track", map[string]any{"messageId": id, "event": "Seen", "userId": "u"})
			ids = append(ids, id)
		}
	}
	for round := range 20 {
		if round == 5 {
			c.Aggregators[0].Stop(t)
		}
		if round == 12 {
			c.AddAggregator()
		}
		send(round)
	}
	k := c.LogIn(c.Aggregators[1], OwnerEmail, OwnerPassword)
	c.awaitEvents(k, len(ids))
	var cluster struct {
		Members []struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"members"`
	}
	c.Await("two members", func() error {
		if err := k.Try("GET", "cluster", nil, &cluster); err != nil {
			return err
		}
		if len(cluster.Members) != 2 || !slices.ContainsFunc(cluster.Members, func(m struct {
			ID    string `json:"id"`
			State string `json:"state"`
		}) bool {
			return strings.HasPrefix(m.ID, "aggregator-3")
		}) {
			return fmt.Errorf("members %+v", cluster.Members)
		}
		return nil
	})
}
