package recompute

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Bounds of the reads for one chunk. A chunk with more keys is divided; a
// single fact with more belongs to a robot, or to a device that a whole shop
// shares, and its attributions go by the keys that were found first.
const (
	maxGathered = 300_000
	maxRounds   = 10

	// maxFollowed is how many links away from a seed keys are read. A touch may be
	// MaxHops away from a conversion, and that again from other keys.
	maxFollowed = 4 * attribution.MaxHops
)

// seeds are where a recomputation of one app begins.
type seeds struct {
	app    string
	keys   []string // of touches, links and conversions: whose conversions are to be computed
	claims []string // of conversions: clicks and orders whose other conversions are to be computed
	ids    []string // conversions to be computed
	from   int64    // conversions before it are not touched by the keys
	exact  bool     // only the ids, and the facts that they depend on

	known []attribution.Conversion // those of ids, where the caller has read them already
}

// halves divides seeds; ok is false when there is nothing to divide.
func (s seeds) halves() (a, b seeds, ok bool) {
	if len(s.keys)+len(s.ids) < 2 {
		return s, seeds{}, false
	}
	a, b = s, s
	a.keys, b.keys = s.keys[:len(s.keys)/2], s.keys[len(s.keys)/2:]
	a.claims, b.claims = s.claims[:len(s.claims)/2], s.claims[len(s.claims)/2:]
	middle := (len(s.ids) + 1) / 2
	a.ids, b.ids = s.ids[:middle], s.ids[middle:]
	if s.known != nil {
		a.known, b.known = s.known[:middle], s.known[middle:]
	}
	return a, b, true
}

// seedsOf groups facts by app and cuts them into chunks.
func seedsOf(f *attribution.Facts) []seeds {
	byApp := make(map[string]*seeds)
	var list []seeds
	count := make(map[string]int)
	at := func(app string) *seeds {
		s := byApp[app]
		if s == nil {
			s = &seeds{app: app, from: 1 << 62}
			byApp[app] = s
		}
		if count[app]++; count[app] > chunkFacts {
			list = append(list, *s)
			*s, count[app] = seeds{app: app, from: 1 << 62}, 1
		}
		return s
	}
	for i := range f.Touches {
		t := &f.Touches[i]
		s := at(t.App)
		s.keys, s.from = append(s.keys, t.Keys...), min(s.from, t.Time-reachBack(t))
	}
	for i := range f.Links {
		l := &f.Links[i]
		s := at(l.App)
		s.keys, s.from = append(s.keys, attribution.PersonKeys([]string{l.A, l.B})...), 0 // a click that somebody names changes nobody else
	}
	for i := range f.Conversions {
		c := &f.Conversions[i]
		s := at(c.App)
		s.ids, s.keys, s.from = append(s.ids, c.ID), append(s.keys, attribution.PersonKeys(c.Keys)...), min(s.from, c.Time)
		s.claims = append(s.claims, attribution.ClaimKeys(c.Keys)...)
	}
	for _, s := range byApp {
		list = append(list, *s)
	}
	slices.SortStableFunc(list, func(x, y seeds) int { return cmp.Compare(x.app, y.app) })
	return list
}

// reachBack is how long before a touch there may be conversions that it matters to.
func reachBack(t *attribution.Touch) int64 {
	if t.Kind == attribution.Open {
		return 0
	}
	return attribution.NamedAfter
}

// gather reads everything that the conversions of seeds depend on. A conversion
// depends on the touches and links of its person, and on the person's installs;
// these in turn on theirs. Keys and conversions are followed until nothing new
// turns up, and then the touches of all keys are read at once. The second result
// is false when there were more keys than may be read together.
func (a *Attributor) gather(ctx context.Context, s seeds) (*attribution.Facts, bool, error) {
	g := gathering{a: a, app: s.app, keys: make(map[string]bool, len(s.keys)), ids: make(map[string]bool, len(s.ids)), from: s.from}
	if s.known != nil {
		g.add(s.known)
	} else if err := g.conversions(ctx, s.ids); err != nil {
		return nil, false, err
	}
	if s.exact {
		g.from = 1 << 62
	} else {
		g.addSeeds(s)
	}
	for range maxRounds {
		if len(g.fresh)+len(g.claims) == 0 {
			break
		}
		if err := g.expand(ctx); err != nil {
			return nil, false, err
		}
	}
	if len(g.facts.Conversions) == 0 {
		return &g.facts, !g.full, nil
	}
	return &g.facts, !g.full, g.touches(ctx)
}

// gathering is the state of one gather.
type gathering struct {
	a     *Attributor
	app   string
	from  int64
	facts attribution.Facts
	keys  map[string]bool
	ids   map[string]bool
	fresh []string // keys that were not yet followed
	full  bool     // keys were left out

	claims []string        // clicks and orders whose conversions were not yet read
	asked  map[string]bool // those that were

	before computed // conversions that are not to be read
}

func (g *gathering) addKeys(keys []string) {
	for _, k := range keys {
		switch {
		case g.keys[k]:
		case len(g.keys) == maxGathered:
			g.full = true
		default:
			g.keys[k] = true
			if attribution.Personal(k) { // of a click the touches count, and nothing is followed from it
				g.fresh = append(g.fresh, k)
			}
		}
	}
}

// addSeeds adds the keys of seeds. A click among them is followed once, to the people who
// named it.
func (g *gathering) addSeeds(s seeds) {
	g.addKeys(s.keys)
	for _, k := range s.keys {
		if !attribution.Personal(k) {
			g.fresh = append(g.fresh, k)
		}
	}
	g.addClaims(s.claims, true)
}

// addClaims adds the clicks and orders that a conversion names: other conversions that
// name the same order, and other installs that name the same click, have to do with it.
func (g *gathering) addClaims(keys []string, install bool) {
	for _, k := range keys {
		order := strings.HasPrefix(k, attribution.KeyOrder)
		if !order && len(g.keys) < maxGathered {
			g.keys[k] = true
		}
		if (order || install) && !g.asked[k] {
			if g.asked == nil {
				g.asked = make(map[string]bool)
			}
			g.asked[k] = true
			g.claims = append(g.claims, k)
		}
	}
}

// conversions reads those of ids that were not read before.
func (g *gathering) conversions(ctx context.Context, ids []string) error {
	fresh := make([]string, 0, len(ids))
	for _, id := range ids {
		if !g.ids[id] && !g.before.has(g.app, id) {
			g.ids[id] = true
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	found, err := g.a.o.Store.ConversionsByID(ctx, g.app, fresh)
	if err != nil {
		return err
	}
	g.add(found)
	return nil
}

func (g *gathering) add(found []attribution.Conversion) {
	for i := range found {
		g.ids[found[i].ID] = true
		g.addKeys(attribution.PersonKeys(found[i].Keys))
		g.addClaims(attribution.ClaimKeys(found[i].Keys), found[i].Install)
		g.addLooks(found[i].Keys)
	}
	g.facts.Conversions = append(g.facts.Conversions, found...)
}

// addLooks adds the fingerprints of a conversion: its touches may have them, but
// they lead to nobody else.
func (g *gathering) addLooks(keys []string) {
	for _, k := range keys {
		if attribution.Fingerprint(k) && len(g.keys) < maxGathered {
			g.keys[k] = true
		}
	}
}

// expand follows the fresh keys over links, further than the engine goes from any
// one conversion, and then to conversions, whose keys are the fresh ones of the
// next round.
func (g *gathering) expand(ctx context.Context) error {
	followed := g.fresh
	g.fresh = nil
	for hop, hops := 0, followed; hop < maxFollowed && len(hops) > 0; hop++ {
		links, err := g.a.o.Store.Links(ctx, g.app, hops)
		if err != nil {
			return err
		}
		g.facts.Links = append(g.facts.Links, links...)
		for i := range links {
			g.addKeys([]string{links[i].A, links[i].B})
		}
		hops = g.fresh
		followed = append(followed, hops...)
		g.fresh = nil
	}
	orders, clicks := split(g.claims)
	g.claims = nil
	var found []string
	for _, ask := range [...]struct {
		keys []string
		from int64
	}{{followed, g.from}, {orders, 0}, {clicks, attribution.Never}} { // of clicks the installs
		if len(ask.keys) == 0 {
			continue
		}
		ids, err := g.a.o.Store.ConversionsOf(ctx, g.app, ask.keys, ask.from)
		if err != nil {
			return err
		}
		found = append(found, ids...)
	}
	return g.conversions(ctx, found)
}

// split divides claims into orders and clicks.
func split(claims []string) (orders, clicks []string) {
	for _, k := range claims {
		if strings.HasPrefix(k, attribution.KeyOrder) {
			orders = append(orders, k)
		} else {
			clicks = append(clicks, k)
		}
	}
	return orders, clicks
}

// touches reads the touches of all keys over the time that any of the conversions
// can reach, and if one of them called somebody back, when they opened the app.
func (g *gathering) touches(ctx context.Context) error {
	from, opened, to := int64(1<<62), int64(1<<62), int64(0)
	for i := range g.facts.Conversions {
		c := &g.facts.Conversions[i]
		s := g.a.o.Settings(c.App, c.Time)
		back, ahead := s.Span(c.Install)
		from, to = min(from, c.Time-back), max(to, c.Time+ahead)
		if !c.Install {
			opened = min(opened, c.Time-s.OpeningSpan())
		}
	}
	keys := make([]string, 0, len(g.keys))
	for k := range g.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var err error
	g.facts.Touches, err = g.a.o.Store.Touches(ctx, g.app, keys, from, to)
	if err != nil || opened > to || !slices.ContainsFunc(g.facts.Touches, func(t attribution.Touch) bool { return t.Retargeting }) {
		return err
	}
	openings, err := g.a.o.Store.Openings(ctx, g.app, keys, opened, to)
	g.facts.Touches = append(g.facts.Touches, openings...)
	return err
}
