package ingest

import "net/netip"

// generations remember a value for each network, in two generations: when the young one is full
// it becomes the old one, and what only the former old one knew is forgotten. So the latest
// networks are remembered, in bounded memory.
type generations[V any] struct {
	young, old map[netip.Prefix]V
}

// get returns the value of a network, if one is known.
func (g *generations[V]) get(network netip.Prefix) (v V, ok bool) {
	if v, ok = g.young[network]; !ok {
		v, ok = g.old[network]
	}
	return v, ok
}

// put remembers a value for a network. A generation is full at size.
func (g *generations[V]) put(network netip.Prefix, v V, size int) {
	if _, ok := g.young[network]; g.young == nil || !ok && len(g.young) >= size {
		g.young, g.old = make(map[netip.Prefix]V), g.young
	}
	g.young[network] = v
}
