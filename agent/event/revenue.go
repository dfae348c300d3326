package event

import (
	"strings"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// money sets the revenue and the order of a track call: properties.revenue, or else total, or
// else value. "revenue" and "total" can only be money, so that anything else in them is told;
// "value" has many meanings, and is only taken where it is a number. Whatever the money is, the
// event is kept. Money given back is negative.
func (m *Maker) money() Reason {
	e, p := &m.Event, &m.message.props
	if e.Kind != protocol.KindTrack {
		return Accepted
	}
	if p.order != [4]document.Ref{} {
		m.setOrder()
	}
	if refund(e.Name) {
		e.Flags |= protocol.FlagRefund
	}
	amount, strict := m.amount(p.revenue), true
	if amount == "" {
		amount = m.amount(p.total)
	}
	if amount == "" {
		amount, strict = strings.TrimSpace(m.Doc.Scalar(p.value)), false
	}
	if amount == "" {
		return Accepted
	}
	revenue, ok := parseMoney(amount)
	around := ""
	if !ok && (strict || amount[0] > '9' || amount[0] < '0') {
		revenue, around, ok = parsePrice(amount)
	}
	if ok && around != "" && !m.setCurrency(around, strict) {
		ok = false
	}
	switch {
	case !ok && strict:
		m.warn(protocol.WarnMoneyUnread, amount, "is no amount that can be read: the event has no revenue; send a number below 10^12")
		return Accepted
	case !ok:
		return Accepted
	case around == "":
		m.setCurrency("", strict)
	}
	if e.Has(protocol.FlagRefund) && revenue > 0 {
		revenue = -revenue
	}
	if revenue < 0 {
		e.Flags |= protocol.FlagRefund
	}
	e.Revenue = revenue
	e.Flags |= protocol.FlagHasRevenue
	return Accepted
}

// amount is a value that should be money, as text; "" if there is none.
func (m *Maker) amount(v document.Ref) string {
	switch d := &m.Doc; d.Kind(v) {
	case document.Number, document.String:
		return strings.TrimSpace(d.Scalar(v))
	case document.None, document.Null:
	default:
		m.warn(protocol.WarnMoneyUnread, "", "revenue is neither a number nor a text: the event has no revenue")
	}
	return ""
}

// setOrder sets the order that the event is about: events under the same order count as one.
func (m *Maker) setOrder() {
	for _, v := range m.message.props.order {
		if v == 0 {
			continue
		}
		if id := strings.TrimSpace(m.Doc.Scalar(v)); id != "" && len(id) <= MaxID && !protocol.SaysNothing(id) {
			m.Event.OrderID = id
			return
		}
	}
}

// refund says whether an event of this name gives money back.
func refund(name string) bool {
	if len(name) < 6 || len(name) > 16 {
		return false
	}
	for _, known := range [...]string{"order refunded", "order_refunded", "refund", "refunded", "af_refund", "purchase refund", "order refund"} {
		if foldEqualTo(name, known) {
			return true
		}
	}
	return false
}

// setCurrency sets the currency of the revenue: the one that the event names, or else the one
// written around the amount, or else US dollars, as in the Segment specification. One that is not
// known is kept and told. It reports whether the text around an amount can be a currency: otherwise
// the amount is none.
func (m *Maker) setCurrency(around string, strict bool) bool {
	e, d, currency := &m.Event, &m.Doc, m.message.props.currency
	hint := ""
	if around != "" {
		if hint = currencySign(around); hint == "" {
			if code, ok := parseCurrency(around); ok && listed(code) {
				hint = code
			}
		}
		if hint == "" && (!strict || utf8.RuneCountInString(around) > 4 || strings.ContainsAny(around, "%0123456789")) {
			return false
		}
	}
	said := ""
	switch d.Kind(currency) {
	case document.None, document.Null:
	case document.String:
		said = strings.TrimSpace(d.Contents(currency))
	default:
		m.warn(protocol.WarnCurrencyUnknown, "", "currency is no text: US dollars are assumed")
	}
	code, ok := parseCurrency(said)
	switch {
	case ok && listed(code):
		e.Currency = code
	case said == "" && hint != "":
		e.Currency = hint
	case said == "" && around == "":
		e.Currency = "USD"
	case said == "":
		e.Currency = noCurrency
		m.warn(protocol.WarnCurrencyUnknown, around, "stands for no one currency: the money is kept as XXX; send the ISO 4217 code in currency")
	default:
		e.Currency = m.guessCurrency(said, code, hint)
	}
	return true
}

// guessCurrency makes the best of a currency that is no code of ISO 4217, and tells.
func (m *Maker) guessCurrency(said, code, hint string) string {
	guess := currencySign(said)
	if guess == "" && protocol.SaysNothing(said) {
		guess = hint
		if guess == "" {
			guess = "USD"
		}
	}
	if guess != "" {
		m.warn(protocol.WarnCurrencyUnknown, said, "is no currency code of ISO 4217: it was read as "+guess)
		return guess
	}
	if code == "" {
		code = noCurrency
	}
	m.warn(protocol.WarnCurrencyUnknown, said, "is no currency code of ISO 4217: the money is kept as "+code)
	return code
}
