package event

import (
	"github.com/unmogrowp/unmogrowp/agent/document"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// money sets the revenue of a track call: properties.revenue, or else total, or
// else value. "revenue" and "total" can only be money, so anything else in them
// is refused rather than counted as nothing; "value" has many meanings, and is
// only taken where it is a number.
func (m *Maker) money() Reason {
	e, d, p := &m.Event, &m.Doc, &m.message.props
	if e.Kind != protocol.KindTrack {
		return Accepted
	}
	var amount string
	strict := true
	for _, v := range [...]document.Ref{p.revenue, p.total} {
		switch d.Kind(v) {
		case document.None, document.Null:
			continue
		case document.Number, document.String:
			amount = strings.TrimSpace(d.Scalar(v))
		default:
			return InvalidRevenue
		}
		if amount != "" {
			break
		}
	}
	if amount == "" {
		amount, strict = strings.TrimSpace(d.Scalar(p.value)), false
	}
	if amount == "" {
		return Accepted
	}
	revenue, ok := parseMoney(amount)
	if !ok && !strict {
		return Accepted
	}
	if !ok {
		return InvalidRevenue
	}
	return m.setRevenue(revenue)
}

// setRevenue also sets the currency: US dollars if the event names none, as in
// the Segment specification.
func (m *Maker) setRevenue(revenue int64) Reason {
	e, d, currency := &m.Event, &m.Doc, m.message.props.currency
	e.Revenue, e.Currency = revenue, "USD"
	e.Flags |= protocol.FlagHasRevenue
	switch d.Kind(currency) {
	case document.None, document.Null:
		return Accepted
	case document.String:
		name := strings.TrimSpace(d.Contents(currency))
		if name == "" {
			return Accepted
		}
		code, ok := parseCurrency(name)
		if !ok {
			return InvalidCurrency
		}
		e.Currency = code
		return Accepted
	}
	return InvalidCurrency
}
