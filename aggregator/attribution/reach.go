package attribution

import "slices"

// The bounds of identity: how many keys one person may have, and how many
// links away from the conversion a key may be.
const (
	MaxKeys = 256
	MaxHops = 8
)

// Reach returns the keys connected to start over links, start included, sorted
// within each number of hops: the keys of start first, then those one link
// away, and so on up to MaxHops. Cycles and repeated links make no difference,
// nor does the order of start and links.
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
	reached := canonical(slices.Clone(start))
	if len(reached) > limit {
		return reached[:limit]
	}
	if len(links) == 0 {
		return reached
	}
	neighbours := make(map[string][]string, 2*len(links))
	for i := range links {
		l := &links[i]
		neighbours[l.A] = append(neighbours[l.A], l.B)
		neighbours[l.B] = append(neighbours[l.B], l.A)
	}
	seen := make(map[string]bool, len(reached)+len(links))
	for _, k := range reached {
		seen[k] = true
	}
	for hop, from := 0, 0; hop < MaxHops && from < len(reached) && len(reached) < limit; hop++ {
		end := len(reached)
		for _, k := range reached[from:end] {
			for _, n := range neighbours[k] {
				if !seen[n] {
					seen[n] = true
					reached = append(reached, n)
				}
			}
		}
		from = end
		slices.Sort(reached[from:])
	}
	return reached[:min(len(reached), limit)]
}
