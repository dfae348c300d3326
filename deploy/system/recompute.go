package system

import (
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// connect opens ClickHouse beside the aggregators.
func (c *Cluster) connect() (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(c.ClickHouseDSN)
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(options)
}

// storedEvents reads every stored variant of every message back.
func (c *Cluster) storedEvents() ([]protocol.Event, error) { return c.eventsWhere("true") }

// eventsWhere reads the stored events for which a condition holds.
func (c *Cluster) eventsWhere(condition string, args ...any) ([]protocol.Event, error) {
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.Query(c.T.Context(), `SELECT app_id, event_id, kind, name, original, time, received, digest, user_id, anonymous_id,
		device_id, gaid, idfa, idfv, oaid, previous_id, group_id, click_id, referrer, media_source, medium, campaign, adset, ad, keyword,
		link_id, cost, cost_currency, revenue, currency, flags, consent, ip, user_agent, payload, order_id, network, stated FROM events FINAL WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []protocol.Event
	for rows.Next() {
		var e protocol.Event
		var kind, payload string
		var flags uint16
		var consent uint8
		if err := rows.Scan(&e.App, &e.ID, &kind, &e.Name, &e.Original, &e.Time, &e.Received, &e.Digest, &e.UserID, &e.AnonymousID,
			&e.DeviceID, &e.GAID, &e.IDFA, &e.IDFV, &e.OAID, &e.PreviousID, &e.GroupID, &e.ClickID, &e.Referrer, &e.MediaSource, &e.Medium,
			&e.Campaign, &e.AdSet, &e.Ad, &e.Keyword, &e.LinkID, &e.Cost, &e.CostCurrency, &e.Revenue, &e.Currency, &flags, &consent, &e.IP, &e.UserAgent, &payload,
			&e.OrderID, &e.Network, (*uint8)(&e.Stated)); err != nil {
			return nil, err
		}
		e.Kind, e.Flags, e.Consent, e.Payload = protocol.ParseKind(kind), protocol.Flags(flags), protocol.Consent(consent), []byte(payload)
		events = append(events, e)
	}
	return events, rows.Err()
}

// checkStored compares the ids in ClickHouse with those acknowledged: none is
// missing, none is invented.
func (c *Cluster) checkStored(acked map[string]bool) {
	c.T.Helper()
	events, err := c.storedEvents()
	if err != nil {
		c.T.Fatal(err)
	}
	stored := make(map[string]bool, len(events))
	for i := range events {
		stored[events[i].ID] = true
		if !acked[events[i].ID] {
			c.T.Errorf("%s is stored and was never sent", events[i].ID)
		}
	}
	for id := range acked {
		if !stored[id] {
			c.T.Errorf("%s was acknowledged and is not stored", id)
		}
	}
}

// storedAttribution holds the fields of a row that must equal its recomputation.
type storedAttribution struct {
	inputs     uint32
	digest     uint64
	outcome    string
	match      string
	winner     string
	touches    []string
	credit     [attribution.ModelCount][]int64
	revenue    [attribution.ModelCount][]int64
	candidates []string
	verdicts   []string
}

// compare recomputes every conversion from the stored events and returns the
// first differences.
func (c *Cluster) compare() error {
	events, err := c.storedEvents()
	if err != nil {
		return err
	}
	stored, err := c.storedAttributions()
	if err != nil {
		return err
	}
	settings := attribution.Default()
	want := oracle.Recompute(events, settings)
	wrong, first := 0, ""
	for id, result := range want {
		expected := expectation(&result)
		if got, ok := stored[id.Conversion]; !ok || fmt.Sprint(got) != fmt.Sprint(expected) {
			wrong++
			first = fmt.Sprintf("%s: stored (%t) %v, recomputed %v", id.Conversion, ok, got, expected)
		}
	}
	if wrong > 0 || len(stored) != len(want) {
		return fmt.Errorf("%d of %d attributions differ, %d are stored; one is %s", wrong, len(want), len(stored), first)
	}
	if len(want) == 0 {
		return fmt.Errorf("no conversion among %d events", len(events))
	}
	c.T.Logf("%d attributions compared", len(want))
	return nil
}

func expectation(r *attribution.Result) storedAttribution {
	s := storedAttribution{inputs: r.Inputs, digest: r.InputDigest, outcome: string(r.Install.Outcome), match: string(r.Install.Match),
		winner: r.Install.TouchID}
	for i := range r.Touches {
		t := &r.Touches[i]
		s.touches = append(s.touches, t.Touch.ID)
		for m := range t.Credit {
			s.credit[m] = append(s.credit[m], t.Credit[m])
			s.revenue[m] = append(s.revenue[m], t.Revenue[m])
		}
	}
	for _, k := range r.Candidates {
		id := ""
		if k.Touch != nil {
			id = k.Touch.ID
		}
		s.candidates, s.verdicts = append(s.candidates, id), append(s.verdicts, string(k.Verdict))
	}
	return s
}

func (c *Cluster) storedAttributions() (map[string]storedAttribution, error) {
	return c.attributionsWhere("true")
}

// attributionsWhere reads the stored attributions for which a condition holds.
func (c *Cluster) attributionsWhere(condition string, args ...any) (map[string]storedAttribution, error) {
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.Query(c.T.Context(), `SELECT conversion_id, inputs, input_digest, outcome, match, touch_id, touches_id,
		credit_first_touch, credit_last_touch, credit_linear, credit_time_decay, credit_position_based,
		revenue_first_touch, revenue_last_touch, revenue_linear, revenue_time_decay, revenue_position_based,
		candidates_touch_id, candidates_verdict FROM attributions FINAL WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]storedAttribution{}
	for rows.Next() {
		var id string
		var s storedAttribution
		var credit [attribution.ModelCount][]uint32
		if err := rows.Scan(&id, &s.inputs, &s.digest, &s.outcome, &s.match, &s.winner, &s.touches,
			&credit[0], &credit[1], &credit[2], &credit[3], &credit[4],
			&s.revenue[0], &s.revenue[1], &s.revenue[2], &s.revenue[3], &s.revenue[4], &s.candidates, &s.verdicts); err != nil {
			return nil, err
		}
		for m := range credit {
			sum := int64(0)
			for _, n := range credit[m] {
				s.credit[m] = append(s.credit[m], int64(n))
				sum += int64(n)
			}
			if len(credit[m]) > 0 && sum != attribution.Million {
				return nil, fmt.Errorf("%s: model %d credits %d millionths", id, m, sum)
			}
		}
		all[id] = s
	}
	return all, rows.Err()
}
