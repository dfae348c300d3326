package attribution

import (
	"cmp"
	"slices"
)

// The most touches that are considered of one conversion: the latest ones up to
// it, and for an install the first ones after it and the latest that only have its
// fingerprint.
const (
	MaxTouches      = 1000
	MaxTouchesAfter = 100
	MaxProbables    = 100
)

// selection holds the inputs that count for one conversion.
type selection struct {
	reached []string // keys of the person as seen from the conversion, sorted
	claims  []string // keys of the clicks that the person named, sorted
	known   map[string]struct{}
	touches []*Touch     // by (time, id), each id once
	links   []pairOfKeys // by (A, B), each pair once
	install []*PriorInstall
	carried *PriorInstall // the install that an in-app event belongs to
	barred  []Rejection   // touches that were rejected for earlier installs
	taken   []taking      // of an install: clicks that it names and that an earlier one took
	cut     bool          // older touches were left out

	probable    []*Touch // by (time, id): they may be the install's, by fingerprint
	openings    []*Touch // by (time, id): of an in-app event after a retargeting touch
	openingsCut bool     // older openings were left out

	byID map[string]int
}

// smallSet is how many keys are compared one by one rather than looked up.
const smallSet = 12

// gather fills the selection. Nothing in it depends on the order of the inputs, on
// repeated ones, or on inputs that the conversion cannot reach.
func (sel *selection) gather(c *Conversion, in *Inputs, s *Settings) {
	deadline := c.deadline(s)
	sel.reach(c, in, deadline)
	sel.pickInstalls(c, in, deadline)
	sel.pickTouches(c, in, s, deadline)
	sel.pickTaken(c, in, deadline)
}

// Never is later than every deadline.
const Never = int64(1) << 62

// deadline is the stamp after which a fact does not count for a conversion any more.
// An imported conversion has none.
func (c *Conversion) deadline(s *Settings) int64 {
	if c.Marks&MarkHistorical != 0 {
		return Never
	}
	return c.Received + s.Lateness
}

// onTime reports whether a fact was received by a deadline. An imported fact always was.
func onTime(received int64, marks Marks, deadline int64) bool {
	return received <= deadline || marks&MarkHistorical != 0
}

// pickInstalls takes the person's earlier installs, ordered, and the one that an
// in-app event belongs to.
func (sel *selection) pickInstalls(c *Conversion, in *Inputs, deadline int64) {
	sel.install, sel.carried = sel.install[:0], nil
	for i := range in.Installs {
		p := &in.Installs[i]
		if p.Conversion.App == c.App && p.Conversion.Install && before(&p.Conversion, c) &&
			onTime(p.Conversion.Received, p.Conversion.Marks, deadline) && sel.sharesPerson(p.Conversion.Keys) {
			sel.install = append(sel.install, p)
		}
	}
	slices.SortFunc(sel.install, func(a, b *PriorInstall) int { return compareConversions(&a.Conversion, &b.Conversion) })
	sel.install = slices.CompactFunc(sel.install, func(a, b *PriorInstall) bool { return a.Conversion.ID == b.Conversion.ID })
	if !c.Install {
		sel.carried = carried(c, sel)
	}
	sel.barred = sel.barred[:0]
	for _, p := range sel.install {
		sel.barred = append(sel.barred, p.Rejected...)
	}
}

// taking is a click with the install that took it.
type taking struct{ touch, install string }

// pickTaken finds the clicks that an install names and that an earlier install, of
// whomever, took by naming them: one click id answers for one install.
func (sel *selection) pickTaken(c *Conversion, in *Inputs, deadline int64) {
	sel.taken = sel.taken[:0]
	if !c.Install || !slices.ContainsFunc(c.Keys, clickKey) {
		return
	}
	for _, t := range sel.touches {
		if !share(t.Keys, c.Keys, clickKey) {
			continue
		}
		var first *PriorInstall
		for i := range in.Installs {
			p := &in.Installs[i]
			if p.Conversion.App == c.App && before(&p.Conversion, c) && onTime(p.Conversion.Received, p.Conversion.Marks, deadline) &&
				slices.Contains(p.Took, t.ID) && (first == nil || before(&p.Conversion, &first.Conversion)) {
				first = p
			}
		}
		if first != nil {
			sel.taken = append(sel.taken, taking{t.ID, first.Conversion.ID})
		}
	}
}

// reach finds the keys of the person over the links that were on time.
func (sel *selection) reach(c *Conversion, in *Inputs, deadline int64) {
	sel.links = sel.links[:0]
	g := in.graph
	if g == nil && len(in.Links) > 0 {
		g = newGraph(slices.DeleteFunc(slices.Clone(in.Links), func(l Link) bool { return l.App != c.App }))
	}
	sel.claims = sel.claims[:0]
	if g == nil {
		sel.reached = append(sel.reached[:0], PersonKeys(c.Keys)...)
	} else {
		sel.reached = g.reach(PersonKeys(c.Keys), MaxKeys, deadline)
		slices.Sort(sel.reached)
		sel.claims = append(sel.claims, g.claims(sel.reached, deadline)...)
		sel.links = g.within(sel.links, canonical(slices.Concat(sel.reached, sel.claims)), deadline)
	}
	for _, k := range c.Keys {
		if clickKey(k) {
			sel.claims = append(sel.claims, k)
		}
	}
	clear(sel.known)
	if len(sel.reached)+len(sel.claims) > smallSet {
		if sel.known == nil {
			sel.known = make(map[string]struct{}, len(sel.reached)+len(sel.claims))
		}
		for _, keys := range [...][]string{sel.reached, sel.claims} {
			for _, k := range keys {
				sel.known[k] = struct{}{}
			}
		}
	}
}

// sharesPerson reports whether one of keys is of the person.
func (sel *selection) sharesPerson(keys []string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return personal(k) && sel.has(k) })
}

func (sel *selection) has(key string) bool {
	if len(sel.reached)+len(sel.claims) <= smallSet {
		return slices.Contains(sel.reached, key) || slices.Contains(sel.claims, key)
	}
	_, ok := sel.known[key]
	return ok
}

func (sel *selection) holds(keys []string) bool {
	for _, k := range keys {
		if sel.has(k) {
			return true
		}
	}
	return false
}

// prepare readies inputs of one app that several conversions share: work that does
// not depend on the conversion is done once.
func (sel *selection) prepare(in *Inputs, app string) {
	in.graph = newGraph(in.Links)
	sel.touches = sel.touches[:0]
	sel.dedupe(in.Touches, app)
	if len(sel.touches) == len(in.Touches) && slices.IsSortedFunc(sel.touches, compareTouches) {
		return // they are distinct and in order already
	}
	slices.SortFunc(sel.touches, compareTouches)
	touches := make([]Touch, len(sel.touches))
	for i, t := range sel.touches {
		touches[i] = *t
	}
	in.Touches = touches
}

// offered takes the touches that may be in the time span, each id once.
func (sel *selection) offered(c *Conversion, in *Inputs, from, to int64) {
	sel.touches = sel.touches[:0]
	if in.graph == nil {
		sel.dedupe(in.Touches, c.App)
		return
	}
	byTime := func(t Touch, at int64) int { return cmp.Compare(t.Time, at) }
	first, _ := slices.BinarySearchFunc(in.Touches, from, byTime)
	last, _ := slices.BinarySearchFunc(in.Touches, to+1, byTime)
	for i := first; i < last; i++ {
		sel.touches = append(sel.touches, &in.Touches[i])
	}
}

// pickTouches takes the touches that are inputs of c, ordered.
func (sel *selection) pickTouches(c *Conversion, in *Inputs, s *Settings, deadline int64) {
	back, ahead := s.Lookback, int64(0)
	returning := sel.carried != nil // then retargeting touches count for longer
	if c.Install || returning {
		back, ahead = s.Span(c.Install)
	}
	openings := back
	if returning {
		openings = s.OpeningSpan()
	}
	sel.probable, sel.openings, sel.openingsCut = sel.probable[:0], sel.openings[:0], false
	sel.offered(c, in, c.Time-max(back, openings), c.Time+ahead)
	probable := sel.probableFrom(c, s)
	kept, called := sel.touches[:0], false
	for _, t := range sel.touches {
		if !onTime(t.Received, t.Marks, deadline) || t.Time > c.Time+ahead {
			continue
		}
		if t.Time > c.Time+installAfter && !share(t.Keys, c.Keys, clickKey) {
			continue
		}
		age := c.Time - t.Time
		known := sel.holds(t.Keys)
		if returning && known && t.Opened && age < openings && t.Time > sel.carried.Conversion.Time {
			sel.openings = append(sel.openings, t)
		}
		switch {
		case t.Kind == Open, t.Kind == Stated && t.ID != c.ID && !s.trusts(t):
		case !known:
			if age >= 0 && age < probable && share(t.Keys, c.Keys, Fingerprint) {
				sel.probable = append(sel.probable, t)
			}
		case c.Install && age < back,
			age < s.Lookback && (t.Kind != Impression || s.ImpressionsInMTA):
			kept = append(kept, t)
			called = called || t.Retargeting
		case returning && t.Retargeting && age < s.returning():
			kept, called = append(kept, t), true
		}
	}
	sel.touches = dropArrivals(kept)
	sel.bound(c, called)
}

// dropArrivals leaves out the visits that are arrivals of a click among the touches: a
// page, an opening or an install that names a recorded click is that click, and not a
// second touch.
func dropArrivals(touches []*Touch) []*Touch {
	var recorded map[string]bool
	for _, t := range touches {
		if arrival(t) == "" {
			for _, k := range t.Keys {
				if clickKey(k) {
					if recorded == nil {
						recorded = make(map[string]bool)
					}
					recorded[k] = true
				}
			}
		}
	}
	if recorded == nil {
		return touches
	}
	return slices.DeleteFunc(touches, func(t *Touch) bool { return recorded[arrival(t)] })
}

// arrival returns the key of the click that a visit names, "" for a touch that names
// none or that is recorded under it itself.
func arrival(t *Touch) string {
	if t.ClickID == "" || t.Kind != Visit && t.Kind != Stated {
		return ""
	}
	if k := Key(KeyClick, t.ClickID); !slices.Contains(t.Keys, k) {
		return k
	}
	return ""
}

// probableFrom returns how far before an install touches with its fingerprint are
// considered: 0 where they are not, and where the install names a click id, for
// then probability is no substitute.
func (sel *selection) probableFrom(c *Conversion, s *Settings) int64 {
	if !c.Install || !s.Probabilistic || c.ClickID != "" || !slices.ContainsFunc(c.Keys, Fingerprint) {
		return 0
	}
	if c.Referrer != "" && parseReferrer(c.Referrer).clickID != "" {
		return 0
	}
	return s.longestProbable()
}

// bound orders the picked touches and leaves out those beyond the limits. Openings are
// of interest only if a retargeting touch called somebody back.
func (sel *selection) bound(c *Conversion, called bool) {
	kept := sel.touches
	slices.SortFunc(kept, compareTouches)
	upTo, _ := slices.BinarySearchFunc(kept, c.Time+1, func(t *Touch, at int64) int { return cmp.Compare(t.Time, at) })
	if after := len(kept) - upTo; after > MaxTouchesAfter {
		kept = kept[:upTo+MaxTouchesAfter]
	}
	sel.cut = upTo > MaxTouches
	if sel.cut {
		kept = kept[upTo-MaxTouches:]
	}
	sel.touches = kept
	if !called {
		sel.openings = sel.openings[:0]
	}
	slices.SortFunc(sel.probable, compareTouches)
	slices.SortFunc(sel.openings, compareTouches)
	sel.probable = latest(sel.probable, MaxProbables)
	sel.openingsCut = len(sel.openings) > MaxOpenings
	sel.openings = latest(sel.openings, MaxOpenings)
}

func latest(touches []*Touch, n int) []*Touch { return touches[max(0, len(touches)-n):] }

// dedupe takes each id of an app once, the variant that every reader agrees on.
func (sel *selection) dedupe(touches []Touch, app string) {
	large := len(touches) > 16
	if large {
		if sel.byID == nil {
			sel.byID = make(map[string]int, len(touches))
		}
		clear(sel.byID)
	}
	for i := range touches {
		t := &touches[i]
		if t.App != app {
			continue
		}
		at := -1
		if large {
			if j, ok := sel.byID[t.ID]; ok {
				at = j
			} else {
				sel.byID[t.ID] = len(sel.touches)
			}
		} else {
			at = slices.IndexFunc(sel.touches, func(u *Touch) bool { return u.ID == t.ID })
		}
		switch {
		case at < 0:
			sel.touches = append(sel.touches, t)
		case precedes(t, sel.touches[at]):
			sel.touches[at] = t
		}
	}
}

// precedes says which of two variants of one id is the true one.
func precedes(a, b *Touch) bool {
	return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Time, b.Time)) < 0
}

func compareTouches(a, b *Touch) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
}

func compareConversions(a, b *Conversion) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
}

func before(a, b *Conversion) bool { return compareConversions(a, b) < 0 }
