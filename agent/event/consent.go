package event

import (
	"github.com/unmogrowp/unmogrowp/protocol"

	"github.com/unmogrowp/unmogrowp/agent/document"
)

// consent reads context.consent: true or false for all purposes, or an object
// with an answer to each, also within the categoryPreferences of Segment's
// consent wrappers.
func (m *Maker) consent() Reason {
	v := m.message.ctx.consent
	if v == 0 {
		return Accepted
	}
	d := &m.Doc
	if d.Kind(v) != document.Object {
		answer := consentAnswer(d, v)
		for _, p := range [...]protocol.Purpose{protocol.PurposeAttribution, protocol.PurposeAnalytics, protocol.PurposeAds} {
			m.Event.Consent = m.Event.Consent.With(p, answer)
		}
		return Accepted
	}
	if preferences := d.Object(d.Member(v, "categoryPreferences")); preferences != 0 {
		m.purposes(preferences)
	}
	m.purposes(v)
	return Accepted
}

func (m *Maker) purposes(object document.Ref) {
	d := &m.Doc
	d.Members(object, func(key string, v document.Ref) bool {
		answer := consentAnswer(d, v)
		if answer == protocol.ConsentUnknown {
			return true
		}
		switch {
		case equalFold(key, "attribution"):
			m.Event.Consent = m.Event.Consent.With(protocol.PurposeAttribution, answer)
		case equalFold(key, "analytics"):
			m.Event.Consent = m.Event.Consent.With(protocol.PurposeAnalytics, answer)
		case equalFold(key, "ads"), equalFold(key, "advertising"):
			m.Event.Consent = m.Event.Consent.With(protocol.PurposeAds, answer)
		}
		return true
	})
}

func equalFold(s, lower string) bool { return len(s) == len(lower) && foldEqual(s, lower) }

func consentAnswer(d *document.Document, v document.Ref) uint8 {
	switch d.Kind(v) {
	case document.True:
		return protocol.ConsentGranted
	case document.False:
		return protocol.ConsentDenied
	}
	switch s := d.Str(v); {
	case equalFold(s, "granted"), equalFold(s, "true"), equalFold(s, "yes"):
		return protocol.ConsentGranted
	case equalFold(s, "denied"), equalFold(s, "false"), equalFold(s, "no"):
		return protocol.ConsentDenied
	}
	return protocol.ConsentUnknown
}
