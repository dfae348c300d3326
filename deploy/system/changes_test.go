package system

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
)

// changes are settings that somebody changes through the API while events flow: which
// events are conversions, which addresses are blocked, how far back touches count. At the
// same moment people act, and one aggregator reads their events under
// the new settings and another, which has not heard of them yet, under the old ones.
type changes struct {
	f     *flood
	most  int
	token string

	made     int    // changes
	people   int    // who acted
	distinct int    // ids of their messages
	sum      uint64 // of the hashes of these, exclusive or
}

// pauses lie between a change and the bursts of events around it.
const (
	changePause = 500 * time.Millisecond
	burstPeople = 25
)

// run changes settings until the flood has ended, at least once and at most so often.
func (c *changes) run(ended <-chan struct{}) {
	for c.made < c.most {
		c.burst()
		c.change()
		c.burst()
		select {
		case <-ended:
			return
		case <-time.After(changePause):
		}
	}
}

// change adds the next version, at whichever aggregator is up.
func (c *changes) change() {
	deadline := time.Now().Add(2 * Patience)
	for try := c.made; ; try++ {
		err := c.put(c.f.p.Aggregators[try%len(c.f.p.Aggregators)])
		if err == nil {
			c.made++
			return
		}
		if time.Now().After(deadline) {
			c.f.p.T.Errorf("change %d was never taken: %v", c.made, err)
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

func (c *changes) put(at *Part) error {
	k := &Console{t: c.f.p.T, base: at.URL + "/api/v1/", token: c.token}
	if c.token == "" {
		var session struct {
			AccessToken string `json:"access_token"`
		}
		if err := k.Try("POST", "auth/login", map[string]string{"email": OwnerEmail, "password": OwnerPassword}, &session); err != nil {
			return err
		}
		c.token, k.token = session.AccessToken, session.AccessToken
	}
	var settings map[string]any
	if err := k.Try("GET", "apps/"+c.f.p.App+"/attribution", nil, &settings); err != nil {
		return err
	}
	delete(settings, "from")
	delete(settings, "by")
	// Journeys have openings of two contents, one ahead of its time: both must be conversions, whatever is changed.
	lists := [][]string{{"Application Opened", "Order Completed", "Signed Up"}, {"Application Opened", "Signed Up"}, {"Application Opened", "Order Completed"}, {"Signed Up", "Order Completed", "Application Opened"}}
	blocked := [][]string{{}, {"198.51.100.0/24"}, {"198.51.100.0/25", "203.0.113.7"}}
	settings["conversion_events"], settings["blocked_ranges"] = lists[c.made%len(lists)], blocked[c.made%len(blocked)]
	settings["lookback_ms"] = []int64{attribution.Day, 10 * attribution.Day, 30 * attribution.Day}[c.made%3]
	if fraud, ok := settings["fraud"].(map[string]any); ok {
		fraud["blocked_address"] = "reject"
	}
	return k.Try("PUT", "apps/"+c.f.p.App+"/attribution", settings, nil)
}

// burst has some people act through both agents at once; some of their messages are
// about the seconds before.
func (c *changes) burst() {
	var senders sync.WaitGroup
	for _, agent := range c.f.p.Agents {
		var batch []map[string]any
		for range burstPeople {
			batch = append(batch, c.act(time.Now())...)
		}
		data, err := json.Marshal(map[string]any{"batch": batch, "sentAt": time.Now().UTC().Format(time.RFC3339Nano)})
		if err != nil {
			c.f.p.T.Error(err)
			return
		}
		senders.Go(func() { c.f.deliver(agent, request{path: "/v1/batch", body: data}) })
	}
	senders.Wait()
}

// act makes the messages of one person.
func (c *changes) act(now time.Time) []map[string]any {
	n := c.people
	c.people++
	user, address := fmt.Sprintf("user-q%07d", n), fmt.Sprintf("%s.%d", []string{"198.51.100", "203.0.113", "192.0.2"}[n%3], n%256)
	at := now.Add(-time.Duration(n%5) * time.Second)
	var list []map[string]any
	add := func(kind, event string, after time.Duration, more map[string]any) {
		id := fmt.Sprintf("q%07d-%d", n, len(list))
		m := map[string]any{"messageId": id, "type": kind, "userId": user, "timestamp": stamp(at.Add(after).UnixMilli())}
		if event != "" {
			m["event"] = event
		}
		for name, value := range more {
			m[name] = value
		}
		list = append(list, m)
		c.distinct++
		c.sum ^= city.CH64([]byte(id))
	}
	add("page", "", -2*time.Second, map[string]any{"name": "Home", "context": map[string]any{"ip": address, "campaign": map[string]string{"source": "google", "medium": "cpc", "name": "c1"}}})
	add("page", "", -time.Second, map[string]any{"name": "Home", "context": map[string]any{"ip": "192.0.2.1", "campaign": map[string]string{"source": "newsletter"}}})
	add("track", "Order Completed", 0, map[string]any{"properties": map[string]any{"revenue": "12.345678", "currency": "EUR"}})
	add("track", "Signed Up", time.Millisecond, nil)
	add("track", "Product Viewed", 2*time.Millisecond, nil)
	add("track", "Application Installed", 3*time.Millisecond, map[string]any{"context": map[string]any{"ip": address, "device": map[string]string{"id": "dev-" + user}}})
	return list
}

// versionsOf are the settings as they came to be.
func versionsOf(c *Cluster) (list []apps.SettingsVersion) {
	c.T.Helper()
	all, err := c.Accounts.Apps.AppSettings(c.T.Context())
	if err != nil || len(all[c.App]) == 0 {
		c.T.Fatal(err)
	}
	return all[c.App]
}

// awaitLive waits until everything about the people who acted while settings changed
// is as the oracle has it from the events, and returns how many conversions they have.
func (m *ledger) awaitLive() int {
	m.T.Helper()
	conversions := 0
	m.Await("people who acted while settings changed are attributed by those of their time", func() error {
		n, err := m.recomputePage("q", "r")
		conversions = n
		return err
	})
	m.Await("no conversion that is none is stored", func() error {
		stored, err := m.ids("SELECT DISTINCT conversion_id FROM conversion_ids WHERE conversion_id >= 'q' AND conversion_id < 'r'")
		if err != nil {
			return err
		}
		events, err := m.eventsWhere("event_id >= 'q' AND event_id < 'r'")
		if err != nil {
			return err
		}
		want := oracle.RecomputeAt(events, func(_ string, ms int64) *attribution.Settings { return m.at(ms) })
		for id := range want {
			stored = slices.DeleteFunc(stored, func(s string) bool { return s == id.Conversion })
		}
		if len(stored) > 0 {
			return fmt.Errorf("%d, one is %s", len(stored), stored[0])
		}
		return nil
	})
	return conversions
}
