package event

import (
	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// MakeTouch turns one object of the document, a touch that a server reports, into Event. Keep
// is told of it while it is good, and may refuse it as well.
func (m *Maker) MakeTouch(index int, item document.Ref, keep func(*protocol.Event) Reason) Rejection {
	r, ok := m.look(index, item)
	if !ok {
		return r
	}
	if start, end := m.Doc.Span(item); end-start > m.EventBytes {
		r.Reason = TooLarge
		return r
	}
	m.message = message{self: item}
	m.Event = protocol.Event{App: m.App.ID, Flags: protocol.FlagTrusted}
	if r.Reason = m.readTouch(item); r.Reason == Accepted {
		r.Reason = m.seal()
	}
	if r.Reason == Accepted {
		r.Reason = keep(&m.Event)
	}
	return r
}

func (m *Maker) readTouch(item document.Ref) Reason {
	e, d := &m.Event, &m.Doc
	var cost, when, keys document.Ref
	d.Members(item, func(key string, v document.Ref) bool {
		if f := touchField(e, key); f != nil {
			*f = short(d.Scalar(v))
			return true
		}
		switch key {
		case "id":
			e.ID = d.Scalar(v)
		case "kind":
			e.Kind = protocol.ParseKind(d.Str(v))
		case "time":
			when = v
		case "cost":
			cost = v
		case "keys":
			keys = d.Object(v)
		case "retargeting":
			if d.Kind(v) == document.True {
				e.Flags |= protocol.FlagRetargeting
			}
		case "writeKey":
			m.message.writeKey = v
		}
		return true
	})
	if !e.Kind.Touch() || e.MediaSource == "" {
		return InvalidTouch
	}
	if r := m.readKeys(keys); r != Accepted {
		return r
	}
	if !m.setCost(d.Scalar(cost)) {
		return InvalidRevenue
	}
	return m.stampTouch(claimOf(d, when))
}

// touchField is where a campaign field of a touch goes, nil for other fields.
func touchField(e *protocol.Event, key string) *string {
	switch key {
	case "media_source":
		return &e.MediaSource
	case "medium":
		return &e.Medium
	case "campaign":
		return &e.Campaign
	case "adset":
		return &e.AdSet
	case "ad":
		return &e.Ad
	case "keyword":
		return &e.Keyword
	case "click_id":
		return &e.ClickID
	case "cost_currency":
		return &e.CostCurrency
	case "sub1", "sub2", "sub3", "sub4", "sub5":
		return &e.Sub[key[3]-'1']
	}
	return nil
}

func (m *Maker) readKeys(keys document.Ref) Reason {
	if keys == 0 {
		return Accepted
	}
	e, d := &m.Event, &m.Doc
	r := Accepted
	d.Members(keys, func(key string, v document.Ref) bool {
		id := d.Scalar(v)
		if len(id) > MaxID {
			r = IDTooLong
		}
		switch key {
		case "gaid":
			e.GAID = androidID(id)
		case "idfa":
			e.IDFA = appleID(id)
		case "idfv":
			e.IDFV = appleID(id)
		case "oaid":
			e.OAID = androidID(id)
		case "device_id":
			e.DeviceID = id
		case "anonymous_id":
			e.AnonymousID = id
		case "user_id":
			e.UserID = id
		}
		return true
	})
	return r
}

// setCost reads an amount and checks its currency, US dollars by default.
func (m *Maker) setCost(amount string) bool {
	e := &m.Event
	if amount == "" {
		e.CostCurrency = ""
		return true
	}
	cost, ok := parseMoney(amount)
	if !ok {
		return false
	}
	e.Cost = cost
	if e.CostCurrency == "" {
		e.CostCurrency = "USD"
	}
	e.CostCurrency, ok = parseCurrency(e.CostCurrency)
	return ok
}

// stampTouch believes the server's time. A touch without an id cannot be sent
// twice as the same, so without a time it is simply of now.
func (m *Maker) stampTouch(when claim) Reason {
	e := &m.Event
	if when.given && when.at == 0 {
		return InvalidTouch
	}
	stamp(e, when, claim{}, m.Received)
	if !ValidMessageID(e.ID) {
		e.ID = m.NewID()
		if !when.given {
			e.Original = m.Received
		}
	}
	return Accepted
}
