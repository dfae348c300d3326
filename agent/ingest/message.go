package ingest

import (
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// message says where the parts of one call of the Segment API lie. It is filled
// by one walk over the object and one over each of context and properties.
type message struct {
	self  ref
	kind  protocol.Kind
	index int

	typ, id, event, name                     ref
	userID, anonymousID, groupID, previousID ref
	timestamp, original, sentAt, writeKey    ref
	context, integrations, properties        ref

	ctx   contextFields
	props propertyFields
}

// contextFields are the members of a context that mean something here.
type contextFields struct {
	ip, userAgent, device, campaign, page, referrer, consent, direct, library, os, location ref
}

// propertyFields are the members of properties that mean something here.
type propertyFields struct {
	revenue, total, value, currency, clickID, installReferrer, url, search, name ref
}

// shared is what a batch says once for all its events. An event's own word
// counts more.
type shared struct {
	context, integrations ref
	ctx                   contextFields
	sent                  claim
}

// shared reads the members of a batch beside its list, and finds the list.
func (d *document) shared() (s shared, list ref) {
	d.members(0, func(key string, v ref) bool {
		switch key {
		case "batch":
			list = v
		case "context":
			s.context = d.object(v)
		case "integrations":
			s.integrations = d.object(v)
		case "sentAt":
			s.sent = d.claimOf(v)
		}
		return true
	})
	if s.context != 0 {
		d.readContext(s.context, &s.ctx)
	}
	return s, list
}

// object returns v if it is an object, else 0.
func (d *document) object(v ref) ref {
	if d.kind(v) != kindObject {
		return 0
	}
	return v
}

func (d *document) readMessage(m *message) {
	for k, end := m.self+1, d.nodes[m.self].next; k < end; k = d.nodes[k+1].next {
		v := k + 1
		switch d.contents(k) {
		case "type":
			m.typ = v
		case "messageId":
			m.id = v
		case "event":
			m.event = v
		case "name":
			m.name = v
		case "userId":
			m.userID = v
		case "anonymousId":
			m.anonymousID = v
		case "groupId":
			m.groupID = v
		case "previousId":
			m.previousID = v
		case "timestamp":
			m.timestamp = v
		case "originalTimestamp":
			m.original = v
		case "sentAt":
			m.sentAt = v
		case "writeKey":
			m.writeKey = v
		case "context":
			m.context = d.object(v)
		case "integrations":
			m.integrations = d.object(v)
		case "properties":
			m.properties = d.object(v)
		}
	}
	if m.context != 0 {
		d.readContext(m.context, &m.ctx)
	}
	if m.properties != 0 {
		d.readProperties(m.properties, &m.props)
	}
}

func (d *document) readContext(context ref, f *contextFields) {
	for k, end := context+1, d.nodes[context].next; k < end; k = d.nodes[k+1].next {
		v := k + 1
		switch d.contents(k) {
		case "ip":
			f.ip = v
		case "userAgent":
			f.userAgent = v
		case "device":
			f.device = d.object(v)
		case "campaign":
			f.campaign = d.object(v)
		case "page":
			f.page = d.object(v)
		case "referrer":
			f.referrer = v
		case "consent":
			f.consent = v
		case "direct":
			f.direct = v
		case "library":
			f.library = d.object(v)
		case "os":
			f.os = d.object(v)
		case "location":
			f.location = d.object(v)
		}
	}
}

func (d *document) readProperties(properties ref, f *propertyFields) {
	for k, end := properties+1, d.nodes[properties].next; k < end; k = d.nodes[k+1].next {
		v := k + 1
		switch d.contents(k) {
		case "revenue":
			f.revenue = v
		case "total":
			f.total = v
		case "value":
			f.value = v
		case "currency":
			f.currency = v
		case "click_id":
			f.clickID = v
		case "install_referrer":
			f.installReferrer = v
		case "url":
			f.url = v
		case "search":
			f.search = v
		case "name":
			f.name = v
		}
	}
}

// step is one of the things that are done to every message, in order. Any
// may refuse it.
type step func(c *call) reason

func eventSteps() []step {
	return []step{(*call).screen, (*call).identify, (*call).stamp, (*call).device, (*call).campaign,
		(*call).money, (*call).consent, (*call).client, (*call).classify, (*call).locate, (*call).hide, (*call).seal}
}

// accept turns one object of the document into an encoded event.
func (c *call) accept(index int, item ref, k protocol.Kind) rejection {
	n := &c.doc.nodes[item]
	r := rejection{index: index, offset: int(n.start), reason: accepted}
	if n.kind != kindObject {
		r.reason = reasonNotAnObject
		return r
	}
	if f, bad := c.doc.faultIn(n); bad {
		r.offset, r.reason = f.offset, f.reason
		return r
	}
	mark := len(c.doc.unescaped)
	c.message = message{self: item, kind: k, index: index, ctx: c.shared.ctx}
	c.doc.readMessage(&c.message)
	c.event = protocol.Event{App: c.app.ID}
	for _, run := range c.h.steps {
		if r.reason = run(c); r.reason != accepted {
			break
		}
	}
	if r.reason == accepted {
		r.reason = c.encode()
	}
	if r.reason == accepted && c.message.id == 0 {
		c.minted = append(c.minted, minted{index: index, id: c.event.ID})
	}
	c.doc.unescaped = c.doc.unescaped[:mark]
	return r
}

// screen refuses an event that is too large, and finds its kind.
func (c *call) screen() reason {
	n := &c.doc.nodes[c.message.self]
	if int(n.end-n.start) > c.h.Limits.EventBytes {
		return reasonEventTooLarge
	}
	e, m := &c.event, &c.message
	e.Kind = m.kind
	if e.Kind == protocol.KindUnknown {
		e.Kind = protocol.ParseKind(c.doc.str(m.typ))
	}
	if e.Kind == protocol.KindUnknown || e.Kind.Touch() {
		return reasonUnknownType
	}
	return accepted
}

// identify sets the ids of the message and of the person, and the name.
func (c *call) identify() reason {
	e, m, d := &c.event, &c.message, &c.doc
	e.ID = d.scalar(m.id)
	if !validMessageID(e.ID) {
		e.ID, m.id = c.h.NewID(), 0
	}
	for _, f := range [...]struct {
		field *string
		value ref
	}{{&e.UserID, m.userID}, {&e.AnonymousID, m.anonymousID}, {&e.GroupID, m.groupID}, {&e.PreviousID, m.previousID}} {
		switch d.kind(f.value) {
		case kindNone, kindNull:
			continue
		case kindString, kindNumber:
			*f.field = d.scalar(f.value)
		default:
			return reasonInvalidID
		}
		if len(*f.field) > maxID {
			return reasonIDTooLong
		}
	}
	return c.nameEvent()
}

func (c *call) nameEvent() reason {
	e, m, d := &c.event, &c.message, &c.doc
	switch e.Kind {
	case protocol.KindTrack:
		e.Name = strings.TrimSpace(d.scalar(m.event))
		if e.Name == "" {
			return reasonMissingName
		}
	case protocol.KindPage, protocol.KindScreen:
		if e.Name = strings.TrimSpace(d.scalar(m.name)); e.Name == "" {
			e.Name = strings.TrimSpace(d.scalar(m.props.name))
		}
	}
	if len(e.Name) > maxID {
		return reasonIDTooLong
	}
	return accepted
}

// validMessageID accepts printable ASCII without spaces: what can stand in a
// URL path once escaped, and in a log.
func validMessageID(s string) bool {
	if s == "" || len(s) > maxMessageID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (c *call) stamp() reason {
	m, d := &c.message, &c.doc
	claimed := d.claimOf(m.original)
	if !claimed.given {
		claimed = d.claimOf(m.timestamp)
	}
	sent := d.claimOf(m.sentAt)
	if sent.at == 0 {
		sent = c.shared.sent
	}
	stamp(&c.event, claimed, sent, c.received)
	if c.trusted() {
		c.event.Flags |= protocol.FlagTrusted
	}
	return accepted
}

// seal sets the payload and its digest, which tells a retry from another
// message under the same id.
func (c *call) seal() reason {
	c.payload = c.appendPayload(c.payload[:0])
	e := &c.event
	e.Payload = c.payload
	if len(c.payload) == 0 {
		e.Payload = c.doc.raw(c.message.self)
	}
	c.hidePayload()
	if len(e.Payload) > c.h.Limits.EventBytes {
		return reasonEventTooLarge
	}
	e.Digest = digest(e.Kind, e.Payload)
	return accepted
}

// digest depends on nothing that the agent adds: an SDK's retry has the same.
func digest(k protocol.Kind, payload []byte) uint64 {
	const golden = 0x9e3779b97f4a7c15 // spreads the kind over all bits
	return xxhash.Sum64(payload) ^ uint64(k)*golden
}
