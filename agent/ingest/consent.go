package ingest

import "github.com/unmogrowp/unmogrowp/protocol"

// consent reads context.consent: true or false for all purposes, or an object
// with an answer to each, also within the categoryPreferences of Segment's
// consent wrappers.
func (c *call) consent() reason {
	v := c.message.ctx.consent
	if v == 0 {
		return accepted
	}
	d := &c.doc
	if d.kind(v) != kindObject {
		answer := d.consentAnswer(v)
		for _, p := range [...]protocol.Purpose{protocol.PurposeAttribution, protocol.PurposeAnalytics, protocol.PurposeAds} {
			c.event.Consent = c.event.Consent.With(p, answer)
		}
		return accepted
	}
	if preferences := d.object(d.member(v, "categoryPreferences")); preferences != 0 {
		c.purposes(preferences)
	}
	c.purposes(v)
	return accepted
}

func (c *call) purposes(object ref) {
	d := &c.doc
	d.members(object, func(key string, v ref) bool {
		answer := d.consentAnswer(v)
		if answer == protocol.ConsentUnknown {
			return true
		}
		switch {
		case equalFold(key, "attribution"):
			c.event.Consent = c.event.Consent.With(protocol.PurposeAttribution, answer)
		case equalFold(key, "analytics"):
			c.event.Consent = c.event.Consent.With(protocol.PurposeAnalytics, answer)
		case equalFold(key, "ads"), equalFold(key, "advertising"):
			c.event.Consent = c.event.Consent.With(protocol.PurposeAds, answer)
		}
		return true
	})
}

func equalFold(s, lower string) bool { return len(s) == len(lower) && foldEqual(s, lower) }

func (d *document) consentAnswer(v ref) uint8 {
	switch d.kind(v) {
	case kindTrue:
		return protocol.ConsentGranted
	case kindFalse:
		return protocol.ConsentDenied
	}
	switch s := d.str(v); {
	case equalFold(s, "granted"), equalFold(s, "true"), equalFold(s, "yes"):
		return protocol.ConsentGranted
	case equalFold(s, "denied"), equalFold(s, "false"), equalFold(s, "no"):
		return protocol.ConsentDenied
	}
	return protocol.ConsentUnknown
}
