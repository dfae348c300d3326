package attribution

import (
	"cmp"
	"math/bits"
	"slices"
)

// Rule names a reason to suspect fraud, "" for none.
type Rule string

// The rules; FraudRules has the rest of each.
const (
	NoRule           Rule = ""
	BlockedAddress   Rule = "blocked_address"
	BotAgent         Rule = "bot"
	MalformedID      Rule = "malformed_advertising_id"
	AfterBegin       Rule = "click_after_install_begin"
	DeviceFrequency  Rule = "device_frequency"
	AddressFrequency Rule = "address_frequency"
	ShortTime        Rule = "short_click_to_install"
)

// The levels of the rules, and the bounds of their numbers.
const (
	LevelSuspected   = "suspected"
	LevelConfirmed   = "confirmed"
	maxBlockedRanges = 1000
	maxClicksCeiling = 1000
)

// FraudRule is one row of the table of rules. Everything that lists rules reads this
// table: defaults, validation, decisions, the words of scripts, the second computation
// in SQL, and the console's form.
type FraudRule struct {
	Name    Rule   `json:"name"`
	Level   string `json:"level"`   // LevelSuspected or LevelConfirmed
	Default Action `json:"default"` // of a new app
	Label   string `json:"label"`   // for people, in a form
	Help    string `json:"help"`

	Mark Marks  `json:"-"` // the mark of a touch or an install that the rule goes by; 0: it compares
	Word string `json:"-"` // names the mark in scripts

	action func(*Fraud) *Action
	holds  func(*suspicion, *Touch, bool) bool // of a rule that compares
}

// FraudRules returns the rules in their order: of several that hold of a touch the first
// that rejects decides, else the first that is not off. The rules of a mark look only at
// the mark of a touch or of an install; the others compare a touch with the install or with
// other touches of the device.
func FraudRules() []FraudRule {
	return []FraudRule{
		{Name: BlockedAddress, Level: LevelConfirmed, Default: Flag, Mark: MarkBlockedAddress, Word: "blocked",
			Label: "Blocked address", Help: "The click or the install came from an address on the app's list.",
			action: func(f *Fraud) *Action { return &f.BlockedAddress }},
		{Name: BotAgent, Level: LevelConfirmed, Default: Flag, Mark: MarkBot, Word: "bot",
			Label: "Bot", Help: "The user agent is a robot's.",
			action: func(f *Fraud) *Action { return &f.BotAgent }},
		{Name: MalformedID, Level: LevelSuspected, Default: Flag, Mark: MarkMalformedID, Word: "malformed",
			Label: "Malformed advertising id", Help: "The advertising id is not written as one.",
			action: func(f *Fraud) *Action { return &f.MalformedID }},
		{Name: AfterBegin, Level: LevelConfirmed, Default: Flag, holds: (*suspicion).afterBegin,
			Label: "Click after the install began", Help: "The store says that the install had begun before the click.",
			action: func(f *Fraud) *Action { return &f.AfterBegin }},
		{Name: DeviceFrequency, Level: LevelSuspected, Default: Flag, holds: (*suspicion).frequent,
			Label: "Too many clicks of one device", Help: "More clicks of one device than people make in that time.",
			action: func(f *Fraud) *Action { return &f.DeviceFrequency }},
		{Name: AddressFrequency, Level: LevelSuspected, Default: Flag, Mark: MarkCrowd, Word: "crowd",
			Label: "Too many clicks of one address", Help: "More clicks of one address than people make in that time.",
			action: func(f *Fraud) *Action { return &f.AddressFrequency }},
		{Name: ShortTime, Level: LevelSuspected, Default: Flag, holds: (*suspicion).short,
			Label: "Installed too soon after the click", Help: "Less time between click and install than a download takes.",
			action: func(f *Fraud) *Action { return &f.ShortTime }},
	}
}

// Level returns how sure a rule is: "suspected", "confirmed" or, without a rule, "".
func (r Rule) Level() string {
	for _, rule := range FraudRules() {
		if r != NoRule && rule.Name == r {
			return rule.Level
		}
	}
	return ""
}

// Action is the consequence of a rule.
type Action string

// The actions. Flag marks and changes nothing else; Reject makes the touch
// ineligible.
const (
	Off    Action = "off"
	Flag   Action = "flag"
	Reject Action = "reject"
)

// Fraud holds the action of each rule of an app.
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

// Action returns where the action of a rule is kept, nil for a rule that there is not.
func (f *Fraud) Action(name Rule) *Action {
	for _, r := range FraudRules() {
		if r.Name == name {
			return r.action(f)
		}
	}
	return nil
}

// Marks are signs that a touch or a conversion carries by itself. The values are stored:
// never renumbered.
type Marks uint8

// The marks; the first four are signs of fraud.
const (
	MarkBot Marks = 1 << iota
	MarkMalformedID
	MarkBlockedAddress
	MarkCrowd // an address that clicks more often than people do

	// These are no signs of fraud.
	MarkHistorical // imported at its own time: it is never late
	MarkTrusted    // sent with a server key
	MarkNetwork    // the click id is of a network's own parameter
	MarkSite       // named by nothing but the site that the visitor came from
)

// ruleSet holds rules as bits, the first of FraudRules lowest.
type ruleSet uint32

// rulebook is the table of rules under one version of the settings.
type rulebook struct {
	of       *Settings // that it was made for
	names    []Rule
	rejects  ruleSet
	flags    ruleSet
	marked   [256]ruleSet // the rules that marks make hold
	compares []comparison // the rules that compare and are not off
}

type comparison struct {
	bit   ruleSet
	holds func(*suspicion, *Touch, bool) bool
}

// read makes the rulebook of settings. An engine reads it again when they change.
func (b *rulebook) read(s *Settings) {
	if b.of == s {
		return
	}
	*b = rulebook{of: s, names: b.names[:0], compares: b.compares[:0]}
	for i, r := range FraudRules() {
		bit := ruleSet(1) << i
		b.names = append(b.names, r.Name)
		switch *r.action(&s.Fraud) {
		case Reject:
			b.rejects |= bit
		case Flag:
			b.flags |= bit
		default:
			continue
		}
		if r.holds != nil {
			b.compares = append(b.compares, comparison{bit, r.holds})
		}
		for m := range b.marked {
			if Marks(m)&r.Mark != 0 {
				b.marked[m] |= bit
			}
		}
	}
}

// decide returns the rule that a touch is marked with, and whether it is
// rejected: the first that holds and rejects, else the first that holds and is
// not off.
func (b *rulebook) decide(holds ruleSet) (Rule, bool) {
	if rejecting := holds & b.rejects; rejecting != 0 {
		return b.names[bits.TrailingZeros32(uint32(rejecting))], true
	}
	if flagging := holds & b.flags; flagging != 0 {
		return b.names[bits.TrailingZeros32(uint32(flagging))], false
	}
	return NoRule, false
}

// suspicion holds the rules against the touches of one conversion.
type suspicion struct {
	c    *Conversion
	s    *Settings
	sel  *selection
	book *rulebook

	barred   []Rejection // by rules, for earlier installs of the person
	referred string      // click id of the referrer, if the store's stamps condemn it
	many     bool        // there are enough clicks for one device to have too many
}

func newSuspicion(c *Conversion, sel *selection, s *Settings, book *rulebook) suspicion {
	book.read(s)
	u := suspicion{c: c, s: s, sel: sel, book: book, barred: sel.barred}
	u.many = s.Fraud.MaxClicks > 0 && int64(len(sel.touches)) > s.Fraud.MaxClicks
	if c.Install && c.Referrer != "" && laterSecond(c.ReferrerClick, c.InstallBegin) {
		u.referred = parseReferrer(c.Referrer).clickID
	}
	return u
}

// laterSecond reports whether a time lies in a later second than a stamp that the
// store gives in whole seconds.
func laterSecond(ms, stamp int64) bool { return stamp > 0 && ms/Second > stamp/Second }

// of returns the rule that a touch is marked with, and whether it is rejected: by the
// rules, or because they rejected it for an earlier install of the person. probable says
// that the touch was found by fingerprint only.
func (u *suspicion) of(t *Touch, probable bool) (Rule, bool) {
	rule, rejected := u.byRules(t, probable)
	if rejected {
		return rule, true
	}
	if before := u.before(t); before != NoRule {
		return before, true
	}
	return rule, false
}

// before returns the rule that rejected a touch for an earlier install of the person.
func (u *suspicion) before(t *Touch) Rule {
	for i := range u.barred {
		if u.barred[i].TouchID == t.ID {
			return u.barred[i].Rule
		}
	}
	return NoRule
}

// byRules holds the rules against a touch.
func (u *suspicion) byRules(t *Touch, probable bool) (Rule, bool) {
	holds := u.book.marked[t.Marks]
	if u.c.Install {
		holds |= u.book.marked[u.c.Marks]
	}
	if t.Kind == Click {
		for _, r := range u.book.compares {
			if r.holds(u, t, probable) {
				holds |= r.bit
			}
		}
	}
	return u.book.decide(holds)
}

// own returns the rule that the install itself is marked with.
func (u *suspicion) own() Rule {
	rule, _ := u.book.decide(u.book.marked[u.c.Marks])
	return rule
}

// afterBegin reports whether a click lies in a later second than the store's stamp of
// when the install began.
func (u *suspicion) afterBegin(t *Touch, _ bool) bool {
	return u.c.Install && t.Time <= u.c.Time &&
		(laterSecond(t.Time, u.c.InstallBegin) || u.referred != "" && hasKey(t.Keys, KeyClick, u.referred))
}

// short reports whether less time lies between a click and the install than is needed.
func (u *suspicion) short(t *Touch, _ bool) bool {
	return u.c.Install && t.Time <= u.c.Time && u.c.Time-t.Time < u.s.Fraud.MinClickToInstall
}

// frequent reports whether at least MaxClicks other clicks of a click's device lie in
// the window that ends with it. Clicks found by fingerprint are not compared.
func (u *suspicion) frequent(t *Touch, probable bool) bool {
	if !u.many || probable {
		return false
	}
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
