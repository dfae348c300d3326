package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// attributionFields are what scanAttribution reads.
const attributionFields = `conversion_id, version, name, install, time, received, revenue, has_revenue, currency,
    generation, inputs, input_digest, truncated,
    install_id, outcome, reason, match, touch_id, media_source, campaign, adset, ad, keyword, link_id, fraud_rule,
    order_id, repeat_of, untrusted, historical,
    retargeting_open_id, retargeting_opened_at, retargeting_touch_id, retargeting_media_source, retargeting_campaign,
    retargeting_adset, retargeting_ad, retargeting_keyword, retargeting_link_id,
    touches_id, touches_time, touches_kind, touches_media_source, touches_medium, touches_campaign, touches_adset,
    touches_ad, touches_keyword, touches_link_id, touches_fraud,
    [credit_first_touch, credit_last_touch, credit_linear, credit_time_decay, credit_position_based],
    [revenue_first_touch, revenue_last_touch, revenue_linear, revenue_time_decay, revenue_position_based],
    candidates_touch_id, candidates_claim, candidates_kind, candidates_time, candidates_media_source, candidates_campaign,
    candidates_match, candidates_verdict, candidates_fraud`

// Attributions returns the stored attributions of these conversions, in the
// order of their ids. Of a conversion they hold the fields that are stored
// with the attribution: not its keys, its claims or its storage key. Of a
// candidate's touch they hold the fields that people are shown.
func (w *Results) Attributions(ctx context.Context, app string, ids []string) ([]attribution.Row, error) {
	var rows []attribution.Row
	scan := func(r driver.Rows) error {
		row, err := scanAttribution(r, app)
		rows = append(rows, row)
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT `+attributionFields+`
FROM attributions
WHERE app_id = ? AND conversion_id IN (SELECT value FROM wanted)
ORDER BY conversion_id, version DESC LIMIT 1 BY conversion_id`, app)
	if err != nil {
		return nil, fmt.Errorf("read attributions: %w", err)
	}
	return rows, nil
}

// touchColumnsRead are the parallel arrays of touches as they are read.
type touchColumnsRead struct {
	id, kind, source, medium, campaign, adSet, ad, keyword, link, fraud []string
	time                                                                []int64
	credit                                                              [][]uint32
	revenue                                                             [][]int64
}

type candidateColumnsRead struct {
	id, claim, kind, source, campaign, match, verdict, fraud []string
	time                                                     []int64
}

func scanAttribution(rows driver.Rows, app string) (attribution.Row, error) {
	row := attribution.Row{Conversion: attribution.Conversion{App: app}}
	c, r, in, re := &row.Conversion, &row.Result, &row.Result.Install, &row.Result.Retargeting
	var outcome, match, order string
	var historical bool
	var t touchColumnsRead
	var d candidateColumnsRead
	err := rows.Scan(&c.ID, &row.Version, &c.Name, &c.Install, &c.Time, &c.Received, &c.Revenue, &c.HasRevenue, &c.Currency,
		&r.Generation, &r.Inputs, &r.InputDigest, &r.Truncated,
		&in.ID, &outcome, &in.Reason, &match, &in.TouchID, &in.MediaSource, &in.Campaign, &in.AdSet, &in.Ad, &in.Keyword, &in.LinkID, (*string)(&in.Fraud),
		&order, &r.RepeatOf, &c.Untrusted, &historical,
		&re.OpenID, &re.Opened, &re.TouchID, &re.MediaSource, &re.Campaign, &re.AdSet, &re.Ad, &re.Keyword, &re.LinkID,
		&t.id, &t.time, &t.kind, &t.source, &t.medium, &t.campaign, &t.adSet, &t.ad, &t.keyword, &t.link, &t.fraud,
		&t.credit, &t.revenue,
		&d.id, &d.claim, &d.kind, &d.time, &d.source, &d.campaign, &d.match, &d.verdict, &d.fraud)
	if err != nil {
		return row, err
	}
	r.App, r.ID, r.Revenue = app, c.ID, c.Revenue
	if order != "" {
		c.Keys = []string{attribution.KeyOrder + order}
	}
	if historical {
		c.Marks |= attribution.MarkHistorical
	}
	in.Outcome, in.Match = attribution.Outcome(outcome), attribution.Match(match)
	r.Touches = t.credited(app)
	r.Candidates = d.candidates(app)
	return row, nil
}

func (t *touchColumnsRead) credited(app string) []attribution.Credited {
	list := make([]attribution.Credited, len(t.id))
	for i := range list {
		list[i].Touch = &attribution.Touch{
			App: app, ID: t.id[i], Time: t.time[i], Kind: attribution.ParseKind(t.kind[i]), MediaSource: t.source[i], Medium: t.medium[i],
			Campaign: t.campaign[i], AdSet: t.adSet[i], Ad: t.ad[i], Keyword: t.keyword[i], LinkID: t.link[i],
		}
		if i < len(t.fraud) { // rows of before have none
			list[i].Fraud = attribution.Rule(t.fraud[i])
		}
		for m := range attribution.ModelCount {
			list[i].Credit[m], list[i].Revenue[m] = int64(t.credit[m][i]), t.revenue[m][i]
		}
	}
	return list
}

func (d *candidateColumnsRead) candidates(app string) []attribution.Candidate {
	list := make([]attribution.Candidate, len(d.verdict))
	for i := range list {
		list[i] = attribution.Candidate{Claim: d.claim[i], Match: attribution.Match(d.match[i]), Verdict: attribution.Verdict(d.verdict[i])}
		if i < len(d.fraud) {
			list[i].Fraud = attribution.Rule(d.fraud[i])
		}
		if d.id[i] != "" {
			list[i].Touch = &attribution.Touch{
				App: app, ID: d.id[i], Time: d.time[i], Kind: attribution.ParseKind(d.kind[i]), MediaSource: d.source[i], Campaign: d.campaign[i],
			}
		}
	}
	return list
}
