package attribution

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Derive returns the facts that one event states: at most one touch and one
// conversion, and a link for every pair of its ids.
func Derive(e *protocol.Event, s *Settings) Facts {
	var f Facts
	f.Add(e, s)
	return f
}

// Add appends the facts that one event states to f, without fingerprints.
func (f *Facts) Add(e *protocol.Event, s *Settings) { f.AddSecret(e, s, nil) }

// AddSecret is Add with the secret that fingerprints are made from, for apps that
// have opted in.
func (f *Facts) AddSecret(e *protocol.Event, s *Settings, secret Secret) {
	t, touched := deriveTouch(e, s)
	c, converted := deriveConversion(e, s)
	if converted && !touched {
		t, touched = deriveArrival(e, &c, s)
	}
	if s.Probabilistic && len(secret) > 0 && !withheld(e) {
		if touched && t.Kind != Open && t.Kind != Stated {
			t.Keys = canonical(append(t.Keys, secret.fingerprints(e, t.Time, t.Time)...))
		}
		if converted && c.Install {
			c.Keys = canonical(append(c.Keys, secret.fingerprints(e, c.Time-s.longestProbable()+1, c.Time)...))
		}
	}
	if touched {
		f.Touches = append(f.Touches, t)
	}
	if converted {
		f.Conversions = append(f.Conversions, c)
	}
	f.Links = appendLinks(f.Links, e)
}

// visitEvent reports whether a track is a campaign visit when it carries
// campaign fields, as page and screen calls are.
func visitEvent(name string) bool {
	return name == "Deep Link Opened" || name == "Application Opened"
}

func deriveTouch(e *protocol.Event, s *Settings) (Touch, bool) {
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
		t.Kind, t.Opened = Visit, !t.Withheld
	default:
		return Touch{}, false
	}
	if !e.Kind.Touch() {
		if c.empty() { // else the agent has read the page's address, or the SDK has
			c.addPage(e)
		}
		if c.empty() && t.LinkID == "" {
			return deriveOpening(e, &t)
		}
	}
	t.Marks = marksOf(e, s) | originOf(e)
	t.name(&c)
	t.Keys = touchKeys(e, &t)
	return t, true
}

// name gives a touch the names of a campaign.
func (t *Touch) name(c *campaign) {
	c.nameSource()
	t.MediaSource, t.Medium, t.Campaign = c.source, c.medium, c.campaign
	t.AdSet, t.Ad, t.Keyword, t.ClickID = c.adSet, c.ad, c.keyword, c.clickID
	if c.foreignID {
		t.Marks |= MarkNetwork
	}
}

// deriveArrival returns the touch that a conversion states besides: a visit of the network
// whose click id an order names, or the campaign that an install names.
func deriveArrival(e *protocol.Event, conv *Conversion, s *Settings) (Touch, bool) {
	c := eventCampaign(e)
	c.network, c.foreignID = e.Network, e.Network != ""
	t := Touch{
		ID: e.ID, App: e.App, Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest, Kind: Visit,
		Sub: e.Sub, LinkID: strings.TrimSpace(e.LinkID), Withheld: withheld(e), Marks: marksOf(e, s) | originOf(e),
		Keys: canonical(identityKeys(make([]string, 0, 4), e)),
	}
	switch {
	case conv.Install:
		t.Kind = Stated
		c.fill(parseReferrer(conv.Referrer))
		organic := c.medium == "organic" || c.source == Direct && c.campaign == "" || e.Stated == protocol.StatedBySite
		if c.source == "" && c.campaign == "" && c.network == "" || organic {
			return Touch{}, false
		}
	case e.Network == "" || Key(KeyClick, e.ClickID) == "":
		return Touch{}, false
	}
	t.name(&c)
	return t, len(t.Keys) > 0
}

// originOf returns the marks that tell how an event came.
func originOf(e *protocol.Event) Marks {
	var m Marks
	if e.Has(protocol.FlagHistorical) {
		m |= MarkHistorical
	}
	if e.Has(protocol.FlagTrusted) {
		m |= MarkTrusted
	}
	if e.Network != "" {
		m |= MarkNetwork
	}
	if e.Stated == protocol.StatedBySite {
		m |= MarkSite
	}
	return m
}

// deriveOpening returns the touch of an event that names no campaign: an opening of the
// app. It is false if the event opens no app or has no key of a person.
func deriveOpening(e *protocol.Event, t *Touch) (Touch, bool) {
	o := Touch{
		ID: t.ID, App: t.App, Original: t.Original, Time: t.Time, Received: t.Received, Digest: t.Digest,
		Kind: Open, Opened: true, Keys: canonical(identityKeys(make([]string, 0, 4), e)),
	}
	return o, t.Opened && len(o.Keys) > 0
}

// marksOf returns the marks of fraud that an event has by itself.
func marksOf(e *protocol.Event, s *Settings) Marks {
	var m Marks
	if e.Has(protocol.FlagBot) {
		m |= MarkBot
	}
	if e.Has(protocol.FlagCrowd) {
		m |= MarkCrowd
	}
	if malformed(KeyGAID, e.GAID) || malformed(KeyIDFA, e.IDFA) {
		m |= MarkMalformedID
	}
	if len(s.BlockedRanges) > 0 {
		if address, err := netip.ParseAddr(e.IP); err == nil {
			address = address.Unmap().WithZone("")
			if slices.ContainsFunc(s.BlockedRanges, func(r Range) bool { return r.contains(address) }) {
				m |= MarkBlockedAddress
			}
		}
	}
	return m
}

// malformed reports whether an advertising id is none, but claims to be one: it
// is not written as a UUID. Zeros and macros say "no id" and are no fraud.
func malformed(prefix, id string) bool {
	id = strings.TrimSpace(id)
	if len(id) <= maxID && Key(prefix, id) == "" {
		return false
	}
	if len(id) != 36 {
		return true
	}
	for i, b := range []byte(id) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		hexadecimal := '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
		if hyphen && b != '-' || !hyphen && !hexadecimal {
			return true
		}
	}
	return false
}

// touchKeys returns the ids of the event and, of a reported touch, its click ids: the
// network's, and of a click our own, which is the event's id and travels in the store's
// referrer. A page or an opening that names a click id is not found by it: it is an
// arrival of that click.
func touchKeys(e *protocol.Event, t *Touch) []string {
	keys := identityKeys(make([]string, 0, 4), e)
	if e.Kind.Touch() {
		keys = addKey(keys, KeyClick, t.ClickID)
	}
	if t.Kind == Click && (t.LinkID != "" || t.ClickID == "") {
		keys = addKey(keys, KeyClick, t.ID)
	}
	return canonical(keys)
}

func deriveConversion(e *protocol.Event, s *Settings) (Conversion, bool) {
	install := e.Kind == protocol.KindTrack && e.Name == InstallEvent
	refund := e.Kind == protocol.KindTrack && e.Has(protocol.FlagRefund|protocol.FlagHasRevenue) && e.Revenue < 0
	if !install && !refund && !listed(e, s) {
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
	c.Marks = originOf(e) & (MarkHistorical | MarkTrusted)
	if install {
		c.Referrer, c.Marks = unwrapReferrer(e.Referrer), c.Marks|marksOf(e, s)
		c.InstallBegin, c.ReferrerClick = storeStamps(e)
	}
	keys := appendClaims(identityKeys(make([]string, 0, 4), e), &c)
	if !install {
		keys = addKey(keys, KeyOrder, e.OrderID)
	}
	c.Keys = canonical(keys)
	return c, true
}

// storeStamps returns the store's own times of an install: when it began and when
// the click in the referrer was, 0 if it does not say. Play gives whole seconds.
func storeStamps(e *protocol.Event) (begin, click int64) {
	if !bytes.Contains(e.Payload, []byte("install_begin_timestamp")) {
		return 0, 0
	}
	var p fastjson.Parser
	v, err := p.ParseBytes(e.Payload)
	if err != nil {
		return 0, 0
	}
	stamp := func(names ...string) int64 {
		for _, name := range names {
			s := v.GetInt64("properties", name)
			if text := v.GetStringBytes("properties", name); s == 0 && len(text) > 0 {
				s, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // 0 if it is no number
			}
			if s > 0 && s < maxStampSeconds {
				return s * Second
			}
		}
		return 0
	}
	return stamp("install_begin_timestamp_server_seconds", "install_begin_timestamp_seconds"),
		stamp("referrer_click_timestamp_server_seconds", "referrer_click_timestamp_seconds")
}

// maxStampSeconds is in the year 2100: greater numbers are not seconds.
const maxStampSeconds = 4_102_444_800

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

// appendLinks appends a link for every pair of ids of an event, and from each to the
// click ids that the event names. These links lead from a person to a click and never
// back: a click id travels with every copy of an address and joins no two people.
func appendLinks(links []Link, e *protocol.Event) []Link {
	if withheld(e) {
		return links
	}
	keys := identityKeys(make([]string, 0, 8), e)
	if e.PreviousID != "" { // alias does not say which kind of id the former one was
		keys = addKey(keys, KeyUser, e.PreviousID)
		keys = addKey(keys, KeyAnon, e.PreviousID)
	}
	if !e.Kind.Touch() {
		keys = addKey(keys, KeyClick, e.ClickID)
		if e.Kind == protocol.KindTrack && e.Name == InstallEvent && e.Referrer != "" {
			keys = addKey(keys, KeyClick, parseReferrer(unwrapReferrer(e.Referrer)).clickID)
		}
	}
	received := e.Received
	if e.Has(protocol.FlagHistorical) {
		received = min(received, e.Time) // known since then
	}
	keys = canonical(keys)
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			if personal(a) || personal(b) {
				links = append(links, Link{App: e.App, A: a, B: b, Received: received})
			}
		}
	}
	return links
}

func withheld(e *protocol.Event) bool {
	return e.Consent.Get(protocol.PurposeAttribution) == protocol.ConsentDenied
}
