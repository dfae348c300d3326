package event

import (
	"strings"

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
		answer := m.consentAnswer(v)
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
	m.Doc.Members(object, func(key string, v document.Ref) bool {
		var purpose protocol.Purpose
		switch {
		case foldEqualTo(key, "attribution"):
			purpose = protocol.PurposeAttribution
		case foldEqualTo(key, "analytics"):
			purpose = protocol.PurposeAnalytics
		case foldEqualTo(key, "ads"), foldEqualTo(key, "advertising"):
			purpose = protocol.PurposeAds
		default:
			return true
		}
		if answer := m.consentAnswer(v); answer != protocol.ConsentUnknown {
			m.Event.Consent = m.Event.Consent.With(purpose, answer)
		}
		return true
	})
}

// consentAnswer reads an answer to a purpose, and tells of one that it cannot read.
func (m *Maker) consentAnswer(v document.Ref) uint8 {
	d := &m.Doc
	switch d.Kind(v) {
	case document.True:
		return protocol.ConsentGranted
	case document.False:
		return protocol.ConsentDenied
	case document.None, document.Null:
		return protocol.ConsentUnknown
	}
	said := strings.ToLower(strings.TrimSpace(clip(d.Scalar(v), MaxShort)))
	switch said {
	case "granted", "grant", "true", "yes", "y", "1", "on", "allow", "allowed", "accept", "accepted", "opt_in", "opt-in", "optin", "opted_in":
		return protocol.ConsentGranted
	case "denied", "deny", "false", "no", "n", "0", "off", "disallow", "disallowed", "reject", "rejected",
		"refused", "opt_out", "opt-out", "optout", "opted_out", "withdrawn":
		return protocol.ConsentDenied
	case "", "unknown", "pending", "unset", "not_set":
		return protocol.ConsentUnknown
	}
	m.warn(protocol.WarnConsentUnread, said, "is no answer to consent that can be read: send true or false")
	return protocol.ConsentUnknown
}
