package ingest

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// money sets the revenue of a track call: properties.revenue, or else total, or
// else value. "revenue" and "total" can only be money, so anything else in them
// is refused rather than counted as nothing; "value" has many meanings, and is
// only taken where it is a number.
func (c *call) money() reason {
	e, d, p := &c.event, &c.doc, &c.message.props
	if e.Kind != protocol.KindTrack {
		return accepted
	}
	var amount string
	strict := true
	for _, v := range [...]ref{p.revenue, p.total} {
		switch d.kind(v) {
		case kindNone, kindNull:
			continue
		case kindNumber, kindString:
			amount = strings.TrimSpace(d.scalar(v))
		default:
			return reasonInvalidRevenue
		}
		if amount != "" {
			break
		}
	}
	if amount == "" {
		amount, strict = strings.TrimSpace(d.scalar(p.value)), false
	}
	if amount == "" {
		return accepted
	}
	revenue, ok := parseMoney(amount)
	if !ok && !strict {
		return accepted
	}
	if !ok {
		return reasonInvalidRevenue
	}
	return c.setRevenue(revenue)
}

// setRevenue also sets the currency: US dollars if the event names none, as in
// the Segment specification.
func (c *call) setRevenue(revenue int64) reason {
	e, d, currency := &c.event, &c.doc, c.message.props.currency
	e.Revenue, e.Currency = revenue, "USD"
	e.Flags |= protocol.FlagHasRevenue
	switch d.kind(currency) {
	case kindNone, kindNull:
		return accepted
	case kindString:
		name := strings.TrimSpace(d.contents(currency))
		if name == "" {
			return accepted
		}
		code, ok := parseCurrency(name)
		if !ok {
			return reasonInvalidCurrency
		}
		e.Currency = code
		return accepted
	}
	return reasonInvalidCurrency
}
