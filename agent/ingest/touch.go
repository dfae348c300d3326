package ingest

import (
	"net/http"
	"strconv"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// touches serves POST /v1/s2s/touch: clicks, impressions and visits that a
// server reports, one or {"touches":[…]}. The answer names the id of each, null
// for one that was refused.
func (c *call) touches() *problem {
	if p := c.open(3); p != nil {
		return p
	}
	if !c.trusted() {
		return &problem{status: http.StatusForbidden, code: "server_key_required", text: "touches are taken with a server key only; client keys are public"}
	}
	d := &c.doc
	list := d.member(0, "touches")
	if list == 0 {
		return c.oneTouch()
	}
	if d.kind(list) != kindArray {
		return &problem{status: http.StatusBadRequest, code: "missing_touches", text: `"touches" must be a list`}
	}
	if p := c.checkShared(list); p != nil {
		return p
	}
	index := 0
	ids := []byte(`,"ids":[`)
	for item := list + 1; item < d.nodes[list].next; item = d.nodes[item].next {
		ids = appendComma(ids, index)
		r := c.touch(index, item)
		if r.reason == accepted {
			ids = strconv.AppendQuote(ids, c.event.ID)
		} else {
			ids = append(ids, "null"...)
			c.reject(r)
		}
		index++
	}
	return c.storeTouches(append(ids, ']'))
}

func (c *call) oneTouch() *problem {
	if len(c.doc.faults) > 0 {
		return c.rejectedProblem(rejection{offset: c.doc.faults[0].offset, reason: c.doc.faults[0].reason})
	}
	if r := c.touch(0, 0); r.reason != accepted {
		return c.rejectedProblem(r)
	}
	return c.storeTouches(append(strconv.AppendQuote([]byte(`,"ids":[`), c.event.ID), ']'))
}

func (c *call) storeTouches(ids []byte) *problem {
	if p := c.persist(); p != nil {
		return p
	}
	b := append([]byte(`{"success":true`), ids...)
	if len(c.rejected) > 0 {
		b = append(b, `,"rejected":[`...)
		for i, r := range c.rejected {
			b = appendRejection(appendComma(b, i), r)
		}
		b = append(b, ']')
	}
	c.write(http.StatusOK, "application/json", append(b, '}'))
	return nil
}

// touch turns one object into an encoded touch.
func (c *call) touch(index int, item ref) rejection {
	d := &c.doc
	n := &d.nodes[item]
	r := rejection{index: index, offset: int(n.start), reason: accepted}
	if n.kind != kindObject {
		r.reason = reasonNotAnObject
		return r
	}
	if f, bad := d.faultIn(n); bad {
		r.offset, r.reason = f.offset, f.reason
		return r
	}
	if int(n.end-n.start) > c.h.Limits.EventBytes {
		r.reason = reasonEventTooLarge
		return r
	}
	c.message = message{self: item}
	c.event = protocol.Event{App: c.app.ID, Flags: protocol.FlagTrusted}
	if r.reason = c.readTouch(item); r.reason == accepted {
		r.reason = c.seal()
	}
	if r.reason == accepted {
		r.reason = c.encode()
	}
	return r
}

func (c *call) readTouch(item ref) reason {
	e, d := &c.event, &c.doc
	var cost, when, keys ref
	d.members(item, func(key string, v ref) bool {
		if f := touchField(e, key); f != nil {
			*f = short(d.scalar(v))
			return true
		}
		switch key {
		case "id":
			e.ID = d.scalar(v)
		case "kind":
			e.Kind = protocol.ParseKind(d.str(v))
		case "time":
			when = v
		case "cost":
			cost = v
		case "keys":
			keys = d.object(v)
		case "retargeting":
			if d.kind(v) == kindTrue {
				e.Flags |= protocol.FlagRetargeting
			}
		case "writeKey":
			c.message.writeKey = v
		}
		return true
	})
	if !e.Kind.Touch() || e.MediaSource == "" {
		return reasonInvalidTouch
	}
	if r := c.readKeys(keys); r != accepted {
		return r
	}
	if !c.setCost(d.scalar(cost)) {
		return reasonInvalidRevenue
	}
	return c.stampTouch(d.claimOf(when))
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

func (c *call) readKeys(keys ref) reason {
	if keys == 0 {
		return accepted
	}
	e, d := &c.event, &c.doc
	r := accepted
	d.members(keys, func(key string, v ref) bool {
		id := d.scalar(v)
		if len(id) > maxID {
			r = reasonIDTooLong
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
func (c *call) setCost(amount string) bool {
	e := &c.event
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
func (c *call) stampTouch(when claim) reason {
	e := &c.event
	if when.given && when.at == 0 {
		return reasonInvalidTouch
	}
	stamp(e, when, claim{}, c.received)
	if !validMessageID(e.ID) {
		e.ID = c.h.NewID()
		if !when.given {
			e.Original = c.received
		}
	}
	return accepted
}
