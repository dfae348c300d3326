package event

import (
	"strconv"
	"strings"

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
	m.message = message{self: item, index: index}
	m.Event, m.Minted = protocol.Event{App: m.App.ID, Flags: protocol.FlagTrusted}, false
	warned := len(m.Warned)
	var t touch
	if r.Reason, r.Detail = m.readTouch(item, &t); r.Reason == Accepted {
		r.Reason = m.setTouch(&t)
	}
	if r.Reason == Accepted {
		r.Reason = m.seal()
	}
	if r.Reason == Accepted {
		sign(&m.Event, m.KeyHash)
		r.Reason = keep(&m.Event)
	}
	if r.Reason != Accepted {
		m.Warned = m.Warned[:warned]
	}
	return r
}

// touch says where the parts of a touch lie that are no plain text.
type touch struct{ id, cost, when, keys, retargeting, historical document.Ref }

// readTouch reads the members of a touch. A name that means nothing is refused, and named: a server
// that believes it has stated a time must not find it ignored.
func (m *Maker) readTouch(item document.Ref, t *touch) (r Reason, detail string) {
	e, d := &m.Event, &m.Doc
	d.Members(item, func(key string, v document.Ref) bool {
		if f := touchField(e, touchAlias(key)); f != nil {
			if value := d.Scalar(v); !unnamed(value) {
				*f = short(value)
			}
			return true
		}
		switch key {
		case "id", "touch_id", "message_id", "messageId":
			t.id = v
		case "kind", "type":
			e.Kind = protocol.ParseKind(strings.ToLower(d.Str(v)))
		case "time", "timestamp", "at", "ts", "event_time", "occurred_at", "click_time":
			if t.when == 0 || key == "time" {
				t.when = v
			}
		case "cost":
			t.cost = v
		case "keys", "ids":
			t.keys = v
		case "retargeting", "is_retargeting":
			t.retargeting = v
		case "historical":
			t.historical = v
		case "writeKey":
			m.message.writeKey = v
		default:
			r, detail = UnknownField, strconv.QuoteToASCII(clip(key, 60))
		}
		return true
	})
	if r == Accepted && t.keys != 0 {
		r, detail = m.readKeys(t.keys)
	}
	return r, detail
}

// setTouch checks the fields read and sets those that are no plain text.
func (m *Maker) setTouch(t *touch) Reason {
	e, d := &m.Event, &m.Doc
	if !e.Kind.Touch() || e.MediaSource == "" {
		return InvalidTouch
	}
	e.Stated = protocol.StatedByMessage
	if e.ClickID != "" && protocol.SaysNothing(e.ClickID) {
		m.warn(protocol.WarnIDIgnored, e.ClickID, "is no click id")
		e.ClickID = ""
	}
	switch d.Kind(t.retargeting) {
	case document.None, document.Null, document.False:
	case document.True:
		e.Flags |= protocol.FlagRetargeting
	default:
		switch d.Scalar(t.retargeting) {
		case "true", "1":
			e.Flags |= protocol.FlagRetargeting
		case "false", "0", "":
		default:
			return InvalidRetargeting
		}
	}
	if !setCost(e, d.Scalar(t.cost)) {
		return InvalidCost
	}
	m.message.id, m.message.timestamp, m.message.historical = t.id, t.when, t.historical
	if reason := m.stampTouch(claimOf(d, t.when)); reason != Accepted {
		return reason
	}
	if nobody(e) && e.ClickID == "" {
		m.warn(protocol.WarnIDIgnored, "", "no key and no click id: nothing can ever be attributed to this touch")
	}
	return Accepted
}

// nobody says whether an event has no id of a person or a device.
func nobody(e *protocol.Event) bool {
	return e.UserID == "" && e.AnonymousID == "" && e.DeviceID == "" && e.GAID == "" && e.IDFA == "" && e.IDFV == "" && e.OAID == ""
}

// touchAlias is the name here of a field that other systems call otherwise.
func touchAlias(key string) string {
	switch key {
	case "source", "mediaSource", "network", "pid":
		return "media_source"
	case "ad_set", "adgroup", "ad_group", "adSet":
		return "adset"
	case "creative", "ad_name":
		return "ad"
	case "term":
		return "keyword"
	case "clickid", "clickId", "umcid":
		return "click_id"
	case "currency", "costCurrency":
		return "cost_currency"
	case "campaign_name", "c":
		return "campaign"
	}
	return key
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

// readKeys reads the ids of a touch.
func (m *Maker) readKeys(keys document.Ref) (r Reason, detail string) {
	e, d := &m.Event, &m.Doc
	if d.Kind(keys) != document.Object {
		if d.Kind(keys) == document.Null {
			return Accepted, ""
		}
		return InvalidKeys, ""
	}
	d.Members(keys, func(key string, v document.Ref) bool {
		id := d.Scalar(v)
		if len(id) > MaxID {
			r = IDTooLong
		}
		id = m.known(id)
		switch key {
		case "gaid", "advertising_id", "aaid", "gps_adid":
			e.GAID = androidID(id)
		case "idfa":
			e.IDFA = appleID(id)
		case "idfv":
			e.IDFV = appleID(id)
		case "oaid":
			e.OAID = androidID(id)
		case "device_id", "deviceId":
			e.DeviceID = id
		case "anonymous_id", "anonymousId":
			e.AnonymousID = id
		case "user_id", "userId":
			e.UserID = id
		default:
			r, detail = UnknownField, strconv.QuoteToASCII("keys."+clip(key, 60))
		}
		return true
	})
	return r, detail
}

// setCost reads an amount of at least nothing, and checks its currency, US dollars by default.
func setCost(e *protocol.Event, amount string) bool {
	if amount == "" {
		e.CostCurrency = ""
		return true
	}
	cost, ok := parseMoney(amount)
	if !ok || cost < 0 {
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
	if m.historical() && when.at >= historyFrom && when.at <= m.Received+LatestTime.Milliseconds() {
		e.Received, e.Original, e.Time = m.Received, when.at, when.at
		e.Flags |= protocol.FlagHistorical
	} else {
		stamp(e, when, claim{}, m.Received)
		m.warnTime(when)
	}
	m.setMessageID()
	if m.Minted && !when.given {
		e.Original = m.Received
	}
	return Accepted
}
