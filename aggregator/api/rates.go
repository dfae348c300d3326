package api

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

func rateRoutes() []route {
	return []route{
		{method: "GET", path: "rates", rule: somewhere(access.ReportsRead), handle: listRates, summary: "Exchange rates, latest day first", query: []string{"limit", "cursor"}, reply: page[apps.Rate]{}},
		{method: "PUT", path: "rates", rule: needs(access.CostsWrite), handle: putRates, summary: "Store exchange rates, or a file of them (lines day,from,to,rate, or the European Central Bank's); 0 removes one", body: ratesBody{}, reply: ratesAnswer{}},
	}
}

// listRates shows the exchange rates, which belong to no app.
func listRates(c *call) (any, error) {
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, err
	}
	var after apps.Rate
	if cursor := p.get("cursor"); cursor != "" {
		parts := strings.Split(cursor, "_")
		if len(parts) != 3 {
			return nil, badRequest("The cursor is not one that a page of this list gave.")
		}
		after = apps.Rate{Day: parts[0], From: parts[1], To: parts[2]}
	}
	rates, err := c.Accounts.Apps.LatestRates(c.ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	answer := pageOf(rates)
	if len(rates) > limit {
		answer.Data = answer.Data[:limit]
		last := answer.Data[limit-1]
		next := last.Day + "_" + last.From + "_" + last.To
		answer.Next = &next
	}
	return answer, nil
}

// ratesBody are rates, or a file of them in a format that [report.ParseRates] reads.
type ratesBody struct {
	Rates []apps.Rate `json:"rates,omitempty"`
	File  string      `json:"file,omitempty"`
}

type ratesAnswer struct {
	Stored int `json:"stored"` // rates that were given
}

func putRates(c *call) (any, error) {
	var body ratesBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.File != "" {
		rates, err := report.ParseRates([]byte(body.File))
		if err != nil {
			return nil, err
		}
		for _, r := range rates {
			body.Rates = append(body.Rates, apps.Rate(r))
		}
	}
	if err := c.Accounts.Apps.PutRates(c.ctx, body.Rates); err != nil {
		return nil, err
	}
	return ratesAnswer{len(body.Rates)}, nil
}

// rates looks up the rates for a valid question that names a currency.
func (c *call) rates(q *report.Query) error {
	if q.Currency == "" {
		return nil
	}
	from := q.Earliest()
	stored, err := c.Accounts.Apps.Rates(c.ctx, from.AddDate(0, 0, -report.MaxRateAge-1), q.To.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	rates := make([]report.Rate, len(stored))
	for i, r := range stored {
		rates[i] = report.Rate(r)
	}
	q.Rates, err = report.Resolve(rates, q.Currency, from, q.To)
	return err
}
