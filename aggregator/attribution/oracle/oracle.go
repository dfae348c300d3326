// Package oracle attributes conversions a second time, from the raw events, to
// check package attribution with. It shares that package's types of settings
// and results and nothing else: its own mapping of events to facts, another
// search for the person, rational arithmetic, and no care for speed. It is
// written from the definition in attribution's package comment, and only tests
// import it.
package oracle

import (
	"cmp"
	"slices"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// ID names a conversion.
type ID struct{ App, Conversion string }

// Recompute returns the attribution of every conversion that the events state,
// with one version of the settings for all apps and times. The events may come
// in any order and repeatedly.
func Recompute(events []protocol.Event, s attribution.Settings) map[ID]attribution.Result {
	return RecomputeAt(events, func(string, int64) *attribution.Settings { return &s })
}

// RecomputeAt is Recompute with the settings that at returns for an app and the
// time of a conversion. Settings of one app must not differ in their conversion
// list over the time of an event.
func RecomputeAt(events []protocol.Event, at func(app string, ms int64) *attribution.Settings) map[ID]attribution.Result {
	return RecomputeSecret(events, at, nil)
}

// RecomputeSecret is RecomputeAt with the secret that fingerprints are made from.
func RecomputeSecret(events []protocol.Event, at func(app string, ms int64) *attribution.Settings, secret []byte) map[ID]attribution.Result {
	w := newWorld(secret)
	for i := range events {
		w.read(&events[i], at(events[i].App, events[i].Time))
	}
	w.gather()
	return w.settle(at)
}

// Settle is RecomputeAt from facts on: scripts state these themselves.
func Settle(f *attribution.Facts, at func(app string, ms int64) *attribution.Settings) map[ID]attribution.Result {
	w := newWorld(nil)
	for _, t := range f.Touches {
		id := ID{t.App, t.ID}
		w.touches[id] = append(w.touches[id], t)
	}
	for i := range f.Conversions {
		w.note(ID{f.Conversions[i].App, f.Conversions[i].ID}, &f.Conversions[i])
	}
	for _, l := range f.Links {
		w.allLinks = append(w.allLinks, link{l.App + "|" + l.A, l.App + "|" + l.B, l.Received})
	}
	w.gather()
	return w.settle(at)
}

func newWorld(secret []byte) *world {
	return &world{secret: secret, touches: map[ID][]touch{}, conversions: map[ID]conversion{}, links: map[string][]link{}, roots: map[string]string{}}
}

// note keeps the variant of a conversion that was received first.
func (w *world) note(id ID, c *conversion) {
	old, known := w.conversions[id]
	if !known || c.Received < old.Received || c.Received == old.Received && (c.Digest < old.Digest ||
		c.Digest == old.Digest && c.Time < old.Time) {
		w.conversions[id] = *c
	}
}

type touch = attribution.Touch
type conversion = attribution.Conversion

// link joins two keys, each with the app in front.
type link struct {
	a, b     string
	received int64
}

// world is all there is, by names that begin with the app.
type world struct {
	secret      []byte
	touches     map[ID][]touch // every variant of each
	conversions map[ID]conversion
	links       map[string][]link // by root, after gather

	allLinks []link
	roots    map[string]string // union-find: a key's parent

	touchesOf map[string][]*touch       // by root, the true variants
	settled   map[string][]priorInstall // by root
	orders    map[string][]conversion   // by app and order, in order of (time, id)
	takers    map[string][]priorInstall // by app and click, in order of (time, id)
}

type priorInstall struct {
	c        conversion
	r        attribution.Install
	rejected []attribution.Rejection
	took     map[string]bool // ids of clicks
}

func (w *world) root(key string) string {
	parent, ok := w.roots[key]
	if !ok || parent == key {
		return key
	}
	top := w.root(parent)
	w.roots[key] = top
	return top
}

func (w *world) unite(a, b string) {
	if ra, rb := w.root(a), w.root(b); ra != rb {
		w.roots[ra] = rb
	}
}

// gather sorts everything by groups of people that nothing can ever connect.
func (w *world) gather() {
	for _, c := range w.conversions {
		for _, k := range c.Keys {
			w.unite(c.App+"|"+k, c.App+"|"+c.Keys[0])
		}
	}
	// A root is of everything that may have to do with each other, also by clicks and orders.
	for _, l := range w.allLinks {
		w.unite(l.a, l.b)
	}
	best := map[ID]*touch{}
	for id, variants := range w.touches {
		first := slices.MinFunc(variants, func(a, b touch) int {
			return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Time, b.Time))
		})
		best[id] = &first
		for _, k := range first.Keys {
			w.unite(first.App+"|"+k, first.App+"|"+first.Keys[0])
		}
	}
	w.touchesOf = map[string][]*touch{}
	for _, t := range best {
		if len(t.Keys) > 0 {
			root := w.root(t.App + "|" + t.Keys[0])
			w.touchesOf[root] = append(w.touchesOf[root], t)
		}
	}
	for _, l := range w.allLinks {
		root := w.root(l.a)
		w.links[root] = append(w.links[root], l)
	}
}

// settle walks the conversions in order of time, so that every install is known
// before the conversions that follow it.
func (w *world) settle(at func(string, int64) *attribution.Settings) map[ID]attribution.Result {
	var order []conversion
	for _, c := range w.conversions {
		order = append(order, c)
	}
	slices.SortFunc(order, func(a, b conversion) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
	})
	w.settled, w.orders, w.takers = map[string][]priorInstall{}, map[string][]conversion{}, map[string][]priorInstall{}
	for i := range order {
		if c := &order[i]; orderOf(c) != "" && !c.Install && c.Revenue >= 0 {
			w.orders[c.App+"|"+orderOf(c)] = append(w.orders[c.App+"|"+orderOf(c)], *c)
		}
	}
	m := newModels()
	results := make(map[ID]attribution.Result, len(order))
	for i := range order {
		c := &order[i]
		s := at(c.App, c.Time)
		own, about := c, w.about(c, s)
		repeats := about != nil && c.Revenue >= 0
		if about != nil && c.Revenue < 0 { // money back: everything as it was for the order
			c = about
			s = at(c.App, c.Time)
		}
		v := w.view(c, s)
		v.own, v.about = own, about
		r := attribution.Result{App: own.App, ID: own.ID, Generation: s.Generation, Truncated: v.cut}
		if own.HasRevenue && !repeats && !(s.ExcludeUntrusted && own.Untrusted) {
			r.Revenue = own.Revenue
		}
		r.Inputs = uint32(len(v.touches) + len(v.links) + len(v.installs) + len(v.perhaps) + len(v.openings))
		r.InputDigest = v.digest()
		path, off := v.path()
		if repeats {
			r.RepeatOf, path, off = about.ID, nil, nil
		}
		r.Touches = m.credit(path, r.Revenue, s)
		for i := range r.Touches {
			r.Touches[i].Fraud, _ = v.fraud(r.Touches[i].Touch, false)
		}
		r.Install, r.Candidates = v.install()
		r.Candidates = append(off, r.Candidates...)
		if r.Retargeting = v.reengagement(); r.Retargeting.OpenID != "" && r.Retargeting.OpenID == own.ID {
			r.Install.Outcome, r.Install.Reason = attribution.Reengagement, "opened the app again after a touch of a retargeting link"
		}
		if c.Install && len(c.Keys) > 0 {
			root := w.root(c.App + "|" + c.Keys[0])
			p := priorInstall{*c, r.Install, v.rejections(), v.took(r.Candidates)}
			w.settled[root] = append(w.settled[root], p)
			for id := range p.took {
				w.takers[c.App+"|"+id] = append(w.takers[c.App+"|"+id], p)
			}
		}
		results[ID{own.App, own.ID}] = r
	}
	return results
}
