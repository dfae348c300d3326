package attribution

import (
	"cmp"
	"slices"
)

// Variant is one content of a message id that was used for several: an
// event_id_conflict. Of one id the variant with the smallest (Received, Digest)
// counts.
type Variant struct {
	App      string
	ID       string
	Digest   uint64
	Received int64 // first
}

// Conflicts returns every variant of the message ids that facts show with more
// than one content, ordered by app, id, received and digest. The same content
// again is a duplicate and no conflict.
func Conflicts(f *Facts) []Variant {
	all := make([]Variant, 0, len(f.Touches)+len(f.Conversions))
	for i := range f.Touches {
		t := &f.Touches[i]
		all = append(all, Variant{t.App, t.ID, t.Digest, t.Received})
	}
	for i := range f.Conversions {
		c := &f.Conversions[i]
		all = append(all, Variant{c.App, c.ID, c.Digest, c.Received})
	}
	slices.SortFunc(all, func(a, b Variant) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Received, b.Received), cmp.Compare(a.Digest, b.Digest))
	})
	var found []Variant
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].App == all[0].App && all[n].ID == all[0].ID {
			n++
		}
		var contents []Variant
		for _, v := range all[:n] {
			if !slices.ContainsFunc(contents, func(c Variant) bool { return c.Digest == v.Digest }) {
				contents = append(contents, v)
			}
		}
		if len(contents) > 1 {
			found = append(found, contents...)
		}
		all = all[n:]
	}
	return found
}
