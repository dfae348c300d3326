package attribution

import (
	"cmp"
	"slices"
)

// people divides facts so that no fact of one part can reach one of another:
// by shared keys and by links, whenever they arrived. Conversions are distinct
// and ordered within a part; parts without a conversion are left out. It only
// saves work: the engine looks at each part as if it were everything.
func people(f *Facts) []Facts {
	conversions := distinct(f.Conversions)
	u := union{of: make(map[appKey]int32, 2*len(f.Touches)+len(f.Links))}
	for i := range conversions {
		u.join(conversions[i].App, conversions[i].Keys)
	}
	for i := range f.Links {
		l := &f.Links[i]
		u.join(l.App, []string{l.A, l.B})
	}
	for i := range f.Touches {
		u.join(f.Touches[i].App, f.Touches[i].Keys)
	}
	parts := make(map[int32]*Facts)
	var order []*Facts
	for i := range conversions {
		c := &conversions[i]
		p := &Facts{} // a conversion without keys is alone
		if len(c.Keys) > 0 {
			root := u.root(u.number(c.App, c.Keys[0]))
			if known := parts[root]; known != nil {
				p = known
			}
			parts[root] = p
		}
		if len(p.Conversions) == 0 {
			order = append(order, p)
		}
		p.Conversions = append(p.Conversions, *c)
	}
	for i := range f.Links {
		if p := parts[u.root(u.number(f.Links[i].App, f.Links[i].A))]; p != nil {
			p.Links = append(p.Links, f.Links[i])
		}
	}
	u.dealTouches(parts, f.Touches)
	list := make([]Facts, len(order))
	for i, p := range order {
		list[i] = *p
	}
	return list
}

// dealTouches gives each touch to its part. The variants of one id may have
// different keys; a part must have all of them to know the true one, so each
// part of any variant gets every variant.
func (u *union) dealTouches(parts map[int32]*Facts, touches []Touch) {
	order := make([]int32, len(touches))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(touches[a].App, touches[b].App), cmp.Compare(touches[a].ID, touches[b].ID), cmp.Compare(a, b))
	})
	for start := 0; start < len(order); {
		end := start + 1
		for end < len(order) && touches[order[end]].ID == touches[order[start]].ID && touches[order[end]].App == touches[order[start]].App {
			end++
		}
		var given []*Facts
		for _, i := range order[start:end] {
			t := &touches[i]
			if len(t.Keys) == 0 {
				continue
			}
			p := parts[u.root(u.number(t.App, t.Keys[0]))]
			if p == nil || slices.Contains(given, p) {
				continue
			}
			given = append(given, p)
			for _, j := range order[start:end] {
				p.Touches = append(p.Touches, touches[j])
			}
		}
		start = end
	}
}

type appKey struct{ app, key string }

// union is a union-find structure over the keys of apps.
type union struct {
	of     map[appKey]int32
	parent []int32
}

func (u *union) number(app, key string) int32 {
	k := appKey{app, key}
	n, ok := u.of[k]
	if !ok {
		n = int32(len(u.parent))
		u.of[k] = n
		u.parent = append(u.parent, n)
	}
	return n
}

func (u *union) root(n int32) int32 {
	for u.parent[n] != n {
		u.parent[n] = u.parent[u.parent[n]]
		n = u.parent[n]
	}
	return n
}

func (u *union) join(app string, keys []string) {
	for i := 1; i < len(keys); i++ {
		a, b := u.root(u.number(app, keys[0])), u.root(u.number(app, keys[i]))
		u.parent[max(a, b)] = min(a, b)
	}
}
