package attribution

import (
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Derive returns the facts that one event states: at most one touch and one
// conversion, and a link for every pair of its ids.
func Derive(e *protocol.Event, s *Settings) Facts {
	var f Facts
	f.Add(e, s)
	return f
}

// Add appends the facts that one event states to f.
func (f *Facts) Add(e *protocol.Event, s *Settings) {
	if t, ok := deriveTouch(e); ok {
		f.Touches = append(f.Touches, t)
	}
	if c, ok := deriveConversion(e, s); ok {
		f.Conversions = append(f.Conversions, c)
	}
	f.Links = appendLinks(f.Links, e)
}

// visitEvent reports whether a track is a campaign visit when it carries
// campaign fields, as page and screen calls are.
func visitEvent(name string) bool {
	return name == "Deep Link Opened" || name == "Application Opened"
}

func deriveTouch(e *protocol.Event) (Touch, bool) {
	t := Touch{
		ID: e.ID, App: e.App, Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest,
		Sub: e.Sub, LinkID: strings.TrimSpace(e.LinkID),
		Cost: e.Cost, CostCurrency: e.CostCurrency,
		Retargeting: e.Has(protocol.FlagRetargeting),
		Withheld:    withheld(e),
	}
	c := eventCampaign(e)
	switch e.Kind {
	case protocol.KindClick:
		t.Kind = Click
	case protocol.KindImpression:
		t.Kind = Impression
	case protocol.KindVisit:
		t.Kind = Visit
	case protocol.KindPage, protocol.KindScreen:
		t.Kind = Visit
	case protocol.KindTrack:
		if !visitEvent(e.Name) {
			return Touch{}, false
		}
		t.Kind = Visit
	default:
		return Touch{}, false
	}
	if !e.Kind.Touch() {
		if c.empty() { // else the agent has read the page's address, or the SDK has
			c.addPage(e)
		}
		if c.empty() && t.LinkID == "" {
			return Touch{}, false
		}
	}
	c.nameSource()
	t.MediaSource, t.Medium, t.Campaign = c.source, c.medium, c.campaign
	t.AdSet, t.Ad, t.Keyword, t.ClickID = c.adSet, c.ad, c.keyword, c.clickID
	t.Keys = touchKeys(e, &t)
	return t, true
}

// touchKeys are the ids of the event and its click ids: the network's, and for
// a click our own, which is the event's id and travels in the store's referrer.
func touchKeys(e *protocol.Event, t *Touch) []string {
	keys := identityKeys(make([]string, 0, 4), e)
	keys = addKey(keys, KeyClick, t.ClickID)
	if t.Kind == Click && (t.LinkID != "" || t.ClickID == "") {
		keys = addKey(keys, KeyClick, t.ID)
	}
	return canonical(keys)
}

func deriveConversion(e *protocol.Event, s *Settings) (Conversion, bool) {
	install := e.Kind == protocol.KindTrack && e.Name == InstallEvent
	if !install && !listed(e, s) {
		return Conversion{}, false
	}
	c := Conversion{
		ID: e.ID, App: e.App, Name: e.Name,
		Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest,
		Install:  install,
		ClickID:  strings.TrimSpace(e.ClickID),
		Withheld: withheld(e),
	}
	if e.Has(protocol.FlagHasRevenue) {
		c.HasRevenue, c.Revenue, c.Currency = true, e.Revenue, e.Currency
		c.Untrusted = !e.Has(protocol.FlagTrusted)
	}
	if install {
		c.Referrer = e.Referrer
	}
	c.Keys = canonical(appendClaims(identityKeys(make([]string, 0, 4), e), &c))
	return c, true
}

func listed(e *protocol.Event, s *Settings) bool {
	switch e.Kind {
	case protocol.KindTrack, protocol.KindPage, protocol.KindScreen:
		return e.Name != "" && slices.Contains(s.ConversionEvents, e.Name)
	}
	return false
}

// appendClaims appends the click ids that a conversion names itself.
func appendClaims(keys []string, c *Conversion) []string {
	keys = addKey(keys, KeyClick, c.ClickID)
	if c.Referrer != "" {
		keys = addKey(keys, KeyClick, parseReferrer(c.Referrer).clickID)
	}
	return keys
}

// appendLinks appends a link for every pair of ids of an event. A click id links
// only where the event claims it for itself, as an install does: the click id in
// a page's address travels with every copy of that address, and would make one
// person of all who open it.
func appendLinks(links []Link, e *protocol.Event) []Link {
	if withheld(e) {
		return links
	}
	keys := identityKeys(make([]string, 0, 8), e)
	if e.PreviousID != "" { // alias does not say which kind of id the former one was
		keys = addKey(keys, KeyUser, e.PreviousID)
		keys = addKey(keys, KeyAnon, e.PreviousID)
	}
	if e.Kind == protocol.KindTrack && !visitEvent(e.Name) {
		keys = addKey(keys, KeyClick, e.ClickID)
		if e.Name == InstallEvent && e.Referrer != "" {
			keys = addKey(keys, KeyClick, parseReferrer(e.Referrer).clickID)
		}
	}
	keys = canonical(keys)
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			links = append(links, Link{App: e.App, A: a, B: b, Received: e.Received})
		}
	}
	return links
}

func withheld(e *protocol.Event) bool {
	return e.Consent.Get(protocol.PurposeAttribution) == protocol.ConsentDenied
}
