package attribution

import (
	"cmp"
	"slices"
)

// Rule names a reason to suspect fraud, "" for none.
type Rule string

// The rules. Those of a mark go by what a touch or an install says of itself, the
// others compare a touch with the install or with other touches of the device.
const (
	NoRule           Rule = ""
	BlockedAddress   Rule = "blocked_address"
	BotAgent         Rule = "bot"
	MalformedID      Rule = "malformed_advertising_id"
	AfterBegin       Rule = "click_after_install_begin"
	DeviceFrequency  Rule = "device_frequency"
	AddressFrequency Rule = "address_frequency"
	ShortTime        Rule = "short_click_to_install"
	LevelSuspected        = "suspected"
	LevelConfirmed        = "confirmed"
	maxBlockedRanges      = 1000
	maxClicksCeiling      = 1000
)

// Level says how sure a rule is: "suspected", "confirmed" or, of no rule, "".
func (r Rule) Level() string {
	switch r {
	case NoRule:
		return ""
	case BlockedAddress, BotAgent, AfterBegin:
		return LevelConfirmed
	}
	return LevelSuspected
}

// Action is what a rule leads to.
type Action string

// The actions. Flag marks and changes nothing else; Reject makes the touch
// ineligible.
const (
	Off    Action = "off"
	Flag   Action = "flag"
	Reject Action = "reject"
)

// Fraud says what each rule of an app leads to.
type Fraud struct {
	BlockedAddress   Action `json:"blocked_address"`
	BotAgent         Action `json:"bot"`
	MalformedID      Action `json:"malformed_advertising_id"`
	AfterBegin       Action `json:"click_after_install_begin"`
	DeviceFrequency  Action `json:"device_frequency"`
	AddressFrequency Action `json:"address_frequency"`
	ShortTime        Action `json:"short_click_to_install"`

	MinClickToInstall int64 `json:"min_click_to_install_ms"` // less is short
	MaxClicks         int64 `json:"max_clicks"`              // of one device within the window that follows
	MaxClicksWindow   int64 `json:"max_clicks_window_ms"`
}

// Marks are what a touch or an install says of itself that smells of fraud. The
// values are stored: never renumbered.
type Marks uint8

// The marks.
const (
	MarkBot Marks = 1 << iota
	MarkMalformedID
	MarkBlockedAddress
	MarkCrowd // an address that clicks more often than people do
)

// rules are the rules that hold of one touch: marks in the low bits.
type rules uint16

const (
	holdsAfterBegin rules = 1 << (iota + 8)
	holdsFrequency
	holdsShort
)

// decide returns the rule that a touch is marked with, and whether it is
// rejected: the first that holds and rejects, else the first that holds and is
// not off.
func (f *Fraud) decide(holds rules) (Rule, bool) {
	if holds == 0 {
		return NoRule, false
	}
	flagged := NoRule
	for _, r := range [...]struct {
		bit    rules
		name   Rule
		action Action
	}{
		{rules(MarkBlockedAddress), BlockedAddress, f.BlockedAddress},
		{rules(MarkBot), BotAgent, f.BotAgent},
		{rules(MarkMalformedID), MalformedID, f.MalformedID},
		{holdsAfterBegin, AfterBegin, f.AfterBegin},
		{holdsFrequency, DeviceFrequency, f.DeviceFrequency},
		{rules(MarkCrowd), AddressFrequency, f.AddressFrequency},
		{holdsShort, ShortTime, f.ShortTime},
	} {
		switch {
		case holds&r.bit == 0:
		case r.action == Reject:
			return r.name, true
		case r.action == Flag && flagged == NoRule:
			flagged = r.name
		}
	}
	return flagged, false
}

// suspicion is what the rules say of the touches of one conversion.
type suspicion struct {
	c   *Conversion
	s   *Settings
	sel *selection

	referred string // click id of the referrer, if the store's stamps condemn it
	many     bool   // there are enough clicks for one device to have too many
}

func newSuspicion(c *Conversion, sel *selection, s *Settings) suspicion {
	u := suspicion{c: c, s: s, sel: sel}
	u.many = s.Fraud.DeviceFrequency != Off && s.Fraud.MaxClicks > 0 && int64(len(sel.touches)) > s.Fraud.MaxClicks
	if c.Install && c.Referrer != "" && laterSecond(c.ReferrerClick, c.InstallBegin) {
		u.referred = parseReferrer(c.Referrer).clickID
	}
	return u
}

// laterSecond reports whether a time lies in a later second than a stamp that the
// store gives in whole seconds.
func laterSecond(ms, stamp int64) bool { return stamp > 0 && ms/Second > stamp/Second }

// of returns the rule that a touch is marked with, and whether it is rejected.
// probable touches are not compared with others of a device.
func (u *suspicion) of(t *Touch, probable bool) (Rule, bool) {
	holds := rules(t.Marks)
	if u.c.Install {
		holds |= rules(u.c.Marks)
		if t.Kind == Click && t.Time <= u.c.Time {
			if laterSecond(t.Time, u.c.InstallBegin) || u.referred != "" && hasKey(t.Keys, KeyClick, u.referred) {
				holds |= holdsAfterBegin
			}
			if u.c.Time-t.Time < u.s.Fraud.MinClickToInstall {
				holds |= holdsShort
			}
		}
	}
	if u.many && !probable && t.Kind == Click && u.frequent(t) {
		holds |= holdsFrequency
	}
	return u.s.Fraud.decide(holds)
}

// own returns the rule that the install itself is marked with.
func (u *suspicion) own() Rule {
	rule, _ := u.s.Fraud.decide(rules(u.c.Marks))
	return rule
}

// frequent reports whether at least MaxClicks other clicks of a touch's device
// lie in the window that ends with it.
func (u *suspicion) frequent(t *Touch) bool {
	others := int64(0)
	from, _ := slices.BinarySearchFunc(u.sel.touches, t.Time-u.s.Fraud.MaxClicksWindow+1,
		func(o *Touch, at int64) int { return cmp.Compare(o.Time, at) })
	for _, o := range u.sel.touches[from:] {
		if o.Time > t.Time {
			break
		}
		if o.Kind == Click && o != t && share(o.Keys, t.Keys, deviceKey) {
			if others++; others >= u.s.Fraud.MaxClicks {
				return true
			}
		}
	}
	return false
}
