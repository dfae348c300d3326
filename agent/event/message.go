package event

import (
	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// message says where the parts of one call of the Segment API lie. It is filled
// by one walk over the object and one over each of context and properties.
type message struct {
	self  document.Ref
	kind  protocol.Kind
	index int

	typ, id, event, name                     document.Ref
	userID, anonymousID, groupID, previousID document.Ref
	timestamp, original, sentAt, writeKey    document.Ref
	historical                               document.Ref
	context, integrations, properties        document.Ref

	ctx   contextFields
	props propertyFields
}

// contextFields are the members of a context that mean something here.
type contextFields struct {
	ip, userAgent, device, campaign, page, referrer, consent, direct, library, os, location document.Ref
}

// propertyFields are the members of properties that mean something here.
type propertyFields struct {
	revenue, total, value, currency, clickID, installReferrer, url, search, name, referrer, deepLink, link document.Ref

	order [4]document.Ref // the first that says anything names the order
}

// shared holds the members that a batch states once for all its events. An
// event's own word counts more.
type shared struct {
	context, integrations document.Ref
	ctx                   contextFields
	sent                  claim
	historical            bool
}

// readShared reads the members of a batch beside its list, and finds the list.
func readShared(d *document.Document) (s shared, list document.Ref) {
	d.Members(0, func(key string, v document.Ref) bool {
		switch key {
		case "batch":
			list = v
		case "context":
			s.context = d.Object(v)
		case "integrations":
			s.integrations = d.Object(v)
		case "sentAt":
			s.sent = claimOf(d, v)
		case "historical":
			s.historical = d.Kind(v) == document.True
		}
		return true
	})
	if s.context != 0 {
		readContext(d, s.context, &s.ctx)
	}
	return s, list
}

func readMessage(d *document.Document, m *message) {
	for k, end := m.self+1, d.Next(m.self); k < end; k = d.Next(k + 1) {
		v := k + 1
		switch d.Contents(k) {
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
		case "historical":
			m.historical = v
		case "context":
			m.context = d.Object(v)
		case "integrations":
			m.integrations = d.Object(v)
		case "properties":
			m.properties = d.Object(v)
		}
	}
	if m.context != 0 {
		readContext(d, m.context, &m.ctx)
	}
	if m.properties != 0 {
		readProperties(d, m.properties, &m.props)
	}
}

func readContext(d *document.Document, context document.Ref, f *contextFields) {
	for k, end := context+1, d.Next(context); k < end; k = d.Next(k + 1) {
		v := k + 1
		switch d.Contents(k) {
		case "ip":
			f.ip = v
		case "userAgent":
			f.userAgent = v
		case "device":
			f.device = d.Object(v)
		case "campaign":
			f.campaign = d.Object(v)
		case "page":
			f.page = d.Object(v)
		case "referrer":
			f.referrer = v
		case "consent":
			f.consent = v
		case "direct":
			f.direct = v
		case "library":
			f.library = d.Object(v)
		case "os":
			f.os = d.Object(v)
		case "location":
			f.location = d.Object(v)
		}
	}
}

func readProperties(d *document.Document, properties document.Ref, f *propertyFields) {
	for k, end := properties+1, d.Next(properties); k < end; k = d.Next(k + 1) {
		v := k + 1
		switch d.Contents(k) {
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
		case "umcid", "clickId":
			if f.clickID == 0 {
				f.clickID = v
			}
		case "install_referrer":
			f.installReferrer = v
		case "url":
			f.url = v
		case "search":
			f.search = v
		case "name":
			f.name = v
		case "referrer":
			f.referrer = v
		case "deep_link_url", "deepLinkUrl", "deep_link", "deepLink":
			f.deepLink = v
		case "link", "referring_url", "path":
			f.link = v
		case "order_id", "orderId":
			f.order[0] = v
		case "transaction_id", "transactionId":
			f.order[1] = v
		case "af_order_id", "af_receipt_id":
			f.order[2] = v
		case "order_number", "orderNumber":
			f.order[3] = v
		}
	}
}
