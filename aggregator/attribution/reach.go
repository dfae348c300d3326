package attribution

import (
	"cmp"
	"math"
	"slices"
)

// The bounds of identity: how many keys one person may have, how many links away
// from the conversion a key may be, and how many links of a key are followed from
// it: its first by (Received, other key). A key with more is a shared device or a
// robot. They are twice as many as a person has keys, so that those which lead to
// keys that are known already never take the place of others.
const (
	MaxKeys  = 256
	MaxHops  = 8
	MaxLinks = 2 * MaxKeys

	// MaxClaims is how many click ids one person may have named, the first by their bytes.
	MaxClaims = 2 * MaxKeys
)

// Reach returns the keys connected to start over links, start included, sorted
// within each number of hops: the keys of start first, then those one link
// away, and so on up to MaxHops. From each key its first MaxLinks links are
// followed. Cycles and repeated links make no difference, nor does the order of
// start and links. Keys that are of no person, such as a click's, are left out, and
// nothing is followed from them: a click id joins no two people.
//
// At most limit keys are returned (MaxKeys if limit is 0 or less). When a hop
// has more keys than there is room for, the smallest of it are kept and the
// search ends: nearer keys always stay, and the result for fewer links is not
// necessarily a part of the result for more. A person with more keys than that
// is a shared device or a robot.
//
// The caller leaves out the links that arrived after the lateness limit.
func Reach(start []string, links []Link, limit int) []string {
	if limit <= 0 {
		limit = MaxKeys
	}
	return newGraph(links).reach(PersonKeys(start), limit, math.MaxInt64)
}

// graph holds the links of one app so that a person is found without a look at
// all of them.
type graph struct {
	edges map[string][]edge // sorted by key, each key once, at most MaxLinks
	cut   map[string]bool   // keys that have more links
}

// edge leads to a key; received is that of the first link that says so.
type edge struct {
	key      string
	received int64
}

func newGraph(links []Link) *graph {
	g := &graph{edges: make(map[string][]edge, len(links))}
	for i := range links {
		l := &links[i]
		if l.A == l.B {
			continue
		}
		if personal(l.A) {
			g.edges[l.A] = append(g.edges[l.A], edge{l.B, l.Received})
		}
		if personal(l.B) {
			g.edges[l.B] = append(g.edges[l.B], edge{l.A, l.Received})
		}
	}
	for key, edges := range g.edges {
		slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.received, b.received)) })
		edges = slices.CompactFunc(edges, func(a, b edge) bool { return a.key == b.key })
		if len(edges) > MaxLinks {
			edges = g.first(key, edges)
		}
		g.edges[key] = edges
	}
	return g
}

// first cuts the edges of a key with too many links.
func (g *graph) first(key string, edges []edge) []edge {
	if g.cut == nil {
		g.cut = make(map[string]bool)
	}
	g.cut[key] = true
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.received, b.received), cmp.Compare(a.key, b.key)) })
	edges = edges[:MaxLinks]
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.key, b.key) })
	return edges
}

// joins reports whether a link that is followed from a key leads to another, and
// was received by the deadline.
func (g *graph) joins(from, to string, deadline int64) bool {
	edges := g.edges[from]
	at, found := slices.BinarySearchFunc(edges, to, func(e edge, key string) int { return cmp.Compare(e.key, key) })
	return found && edges[at].received <= deadline
}

// reach is Reach over the links received by the deadline. Of each key's
// neighbours no more are looked at than there is room for: the smallest of a hop
// are among the smallest of each key.
func (g *graph) reach(start []string, limit int, deadline int64) []string {
	reached := canonical(slices.Clone(start))
	if len(reached) > limit {
		return reached[:limit]
	}
	seen := make(map[string]bool, 2*len(reached))
	for _, k := range reached {
		seen[k] = true
	}
	for hop, from := 0, 0; hop < MaxHops && from < len(reached) && len(reached) < limit; hop++ {
		end := len(reached)
		for _, k := range reached[from:end] {
			room := limit - end
			for _, n := range g.edges[k] {
				if room == 0 {
					break
				}
				if n.received <= deadline && !seen[n.key] && personal(n.key) {
					seen[n.key] = true
					reached = append(reached, n.key)
					room--
				}
			}
		}
		from = end
		slices.Sort(reached[from:])
	}
	return reached[:min(len(reached), limit)]
}

// claims returns the click ids that links join with keys of a person and that were
// received by the deadline, sorted, the first MaxClaims.
func (g *graph) claims(reached []string, deadline int64) []string {
	var claims []string
	for _, k := range reached {
		edges := g.edges[k]
		at, _ := slices.BinarySearchFunc(edges, KeyClick, func(e edge, prefix string) int { return cmp.Compare(e.key, prefix) })
		for _, e := range edges[at:] {
			if !clickKey(e.key) {
				break
			}
			if e.received <= deadline {
				claims = append(claims, e.key)
			}
		}
	}
	claims = canonical(claims)
	return claims[:min(len(claims), MaxClaims)]
}

// within appends the links between the keys given, sorted, that are followed from
// either of the two and were received by the deadline, ordered by (A, B).
func (g *graph) within(links []pairOfKeys, keys []string, deadline int64) []pairOfKeys {
	for i, a := range keys {
		edges := g.edges[a]
		for _, b := range keys[i+1:] {
			at, found := slices.BinarySearchFunc(edges, b, func(e edge, key string) int { return cmp.Compare(e.key, key) })
			if found && edges[at].received <= deadline || (g.cut[a] || !personal(a)) && !found && g.joins(b, a, deadline) {
				links = append(links, pairOfKeys{a, b})
			}
			edges = edges[at:]
		}
	}
	return links
}

type pairOfKeys struct{ a, b string }
