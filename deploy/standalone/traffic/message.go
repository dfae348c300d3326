package traffic

import (
	"encoding/json"
	"fmt"
	"time"
)

// object is a JSON object; its keys are written in order, so equal ones are equal bytes.
type object = map[string]any

// call is one call of the Segment API before it is encoded.
type call struct {
	kind, name string // the name of an event, a page or a screen
	at         time.Time
	on         *device // nil when the shop's server calls
	guest      bool    // without the user id though it is known
	campaign   *campaign
	clickID    string
	path       string // of a page
	properties object
	traits     object
}

// send encodes a call and has it sent: mostly at once, sometimes late, sometimes twice.
func (p *person) send(c call) bool {
	m := object{"type": c.kind, "messageId": p.uuid(), "context": p.context(c)}
	stamp := "originalTimestamp" // of the mobile SDKs
	lane := Client
	if c.on == nil {
		lane, stamp = Server, "timestamp"
	} else {
		m["anonymousId"] = c.on.anonymous
		if c.on.kind == web {
			stamp = "timestamp"
		}
	}
	m[stamp] = clock(c.at)
	if p.user != "" && !c.guest {
		m["userId"] = p.user
	}
	switch c.kind {
	case "track":
		m["event"] = c.name
	case "page", "screen":
		m["name"] = c.name
	}
	if c.properties != nil {
		m["properties"] = c.properties
	}
	if c.traits != nil {
		m["traits"] = c.traits
	}
	return p.post(m["messageId"].(string), lane, c.at, m)
}

// post encodes a message.
func (p *person) post(id string, lane Lane, at time.Time, content object) bool {
	body, err := json.Marshal(content)
	if err != nil {
		p.g.err = fmt.Errorf("encode message %s: %w", id, err)
		return false
	}
	m := Message{ID: id, Lane: lane, At: at, Body: body, due: at}
	// A phone without a network, a network that reports in the morning.
	if p.chance(0.03) {
		m.due = at.Add(time.Duration(p.random.Int64N(int64(4 * day))))
	}
	again := p.chance(0.025)
	pause := time.Duration(p.random.Int64N(int64(6 * time.Hour)))
	if !p.g.add(m) {
		return false
	}
	if again { // the answer was lost, so the SDK tries again
		m.copy, m.due = true, m.due.Add(pause)
		p.g.add(m)
	}
	return true
}

// clock writes a time as SDKs do.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (p *person) context(c call) object {
	if c.on == nil {
		return object{"library": object{"name": "analytics-node", "version": "3.1.0"}, "ip": p.address()}
	}
	ctx := object{"locale": p.country.locale, "timezone": p.country.zone}
	if p.denied {
		ctx["consent"] = object{"attribution": false, "analytics": true, "ads": false}
	}
	if c.campaign != nil {
		ctx["campaign"] = c.campaign.context()
	}
	if c.on.kind == web {
		ctx["library"] = object{"name": "analytics.js", "version": "next-1.84.3"}
		ctx["userAgent"] = c.on.agent
		if c.path != "" {
			ctx["page"] = page(c)
		}
		return ctx
	}
	return c.on.describe(ctx)
}

// describe adds a mobile SDK's description of a phone.
func (d *device) describe(ctx object) object {
	phone := object{"id": d.id, "manufacturer": d.maker, "model": d.model, "type": "android", "adTrackingEnabled": d.tracking}
	library, system := "analytics-kotlin", "Android"
	if d.kind == ios {
		library, system = "analytics-swift", "iOS"
		phone["type"], phone["idfv"] = "ios", d.vendor
	}
	if d.tracking {
		phone["advertisingId"] = d.advertising
	}
	ctx["library"] = object{"name": library, "version": "1.19.2"}
	ctx["app"] = object{"name": "Fernweh", "namespace": "shop.fernweh.app", "version": d.version}
	ctx["os"] = object{"name": system, "version": d.system}
	ctx["device"] = phone
	return ctx
}

func (c *campaign) context() object {
	o := object{"source": c.source, "medium": c.medium, "name": c.name}
	for key, value := range map[string]string{"term": c.keyword, "content": c.ad, "adset": c.adSet} {
		if value != "" {
			o[key] = value
		}
	}
	return o
}

func page(c call) object {
	const site = "https://www.fernweh.example"
	o := object{"path": c.path, "title": c.name + " - Fernweh", "url": site + c.path}
	if c.campaign != nil {
		search := "?" + c.campaign.query(c.campaign.parameter, c.clickID).Encode()
		o["search"], o["url"] = search, site+c.path+search
	}
	return o
}

// address is the person's, out of a range that is reserved for examples.
func (p *person) address() string {
	return fmt.Sprintf("203.0.113.%d", p.browser.anonymous[0]) // '0' to 'f'
}
