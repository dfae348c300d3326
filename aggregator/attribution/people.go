package attribution

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// people divides facts so that no fact of one part can reach one of another:
// by shared keys and by links, whenever they arrived. Conversions are distinct
// and ordered within a part; parts without a conversion are left out. It only
// saves work: the engine looks at each part as if it were everything. The parts
// share nothing with facts, so they may be changed.
func people(f *Facts) []Facts {
	conversions := distinct(f.Conversions)
	u := newUnion(2*len(f.Touches) + len(f.Links) + len(conversions))
	ofConversion := make([]int32, len(conversions))
	for i, c := range conversions {
		ofConversion[i] = u.join(c.App, c.Keys...)
	}
	ofLink := make([]int32, len(f.Links))
	for i := range f.Links {
		ofLink[i] = u.join(f.Links[i].App, f.Links[i].A, f.Links[i].B)
	}
	ofTouch := make([]int32, len(f.Touches))
	for i := range f.Touches {
		ofTouch[i] = u.join(f.Touches[i].App, f.Touches[i].Keys...)
	}
	parts := u.partsWith(ofConversion)
	u.deal(ofLink)
	u.deal(ofTouch)
	list := make([]Facts, parts)
	dealTo(list, func(p *Facts) *[]Conversion { return &p.Conversions }, ofConversion, nil, func(i int) Conversion { return *conversions[i] })
	dealTo(list, func(p *Facts) *[]Link { return &p.Links }, ofLink, nil, func(i int) Link { return f.Links[i] })
	dealTo(list, func(p *Facts) *[]Touch { return &p.Touches }, ofTouch, elsewhere(f.Touches, ofTouch), func(i int) Touch { return f.Touches[i] })
	return list
}

// noPart is where a fact without keys is, or one that reaches no conversion.
const noPart = -1

// dealt is a fact that goes to a part too that none of its keys leads to.
type dealt struct{ fact, part int32 }

// dealTo gives every part its facts, in their order; all parts share one array.
func dealTo[F any](parts []Facts, of func(*Facts) *[]F, part []int32, more []dealt, fact func(int) F) {
	ends := make([]int, len(parts)+1)
	for _, p := range part {
		if p != noPart {
			ends[p+1]++
		}
	}
	for _, d := range more {
		ends[d.part+1]++
	}
	for p := range parts {
		ends[p+1] += ends[p]
	}
	all := make([]F, ends[len(parts)])
	for p := range parts {
		*of(&parts[p]) = all[ends[p]:ends[p]:ends[p+1]]
	}
	for i, p := range part {
		if p != noPart {
			list := of(&parts[p])
			*list = append(*list, fact(i))
		}
	}
	for _, d := range more {
		list := of(&parts[d.part])
		*list = append(*list, fact(int(d.fact)))
	}
}

// elsewhere finds touches that belong to other parts than those of their keys. The
// variants of one id may have different keys; a part must have all of them to know
// the true one, so each part of any variant gets every variant.
func elsewhere(touches []Touch, part []int32) []dealt {
	first := make(map[uint64]int32, len(touches))
	var again map[uint64]bool // hashes of ids in more than one part
	for i := range touches {
		h := xxhash.Sum64String(touches[i].ID)
		j, known := first[h]
		switch {
		case !known:
			first[h] = int32(i)
		case part[i] != part[j]:
			if again == nil {
				again = make(map[uint64]bool)
			}
			again[h] = true
		}
	}
	if again == nil {
		return nil
	}
	variants := make(map[appKey][]int32, len(again))
	var order []appKey
	for i := range touches {
		if t := &touches[i]; again[xxhash.Sum64String(t.ID)] {
			name := appKey{t.App, t.ID}
			if variants[name] == nil {
				order = append(order, name)
			}
			variants[name] = append(variants[name], int32(i))
		}
	}
	var more []dealt
	for _, name := range order {
		var parts []int32
		for _, i := range variants[name] {
			if p := part[i]; p != noPart && !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
		for _, p := range parts {
			for _, i := range variants[name] {
				if part[i] != p {
					more = append(more, dealt{i, p})
				}
			}
		}
	}
	return more
}

type appKey struct{ app, key string }

// union is a union-find structure over the keys of apps.
type union struct {
	app    string // of the keys in of
	of     map[string]int32
	others map[string]map[string]int32 // the keys of all apps, once there are several
	parent []int32
	part   []int32 // of roots, by partsWith
}

func newUnion(keys int) *union {
	return &union{of: make(map[string]int32, keys)}
}

// keys returns the numbers of an app's keys. Facts nearly always are of one app.
func (u *union) keys(app string) map[string]int32 {
	switch {
	case app == u.app:
	case len(u.parent) == 0:
		u.app = app
	default:
		if u.others == nil {
			u.others = make(map[string]map[string]int32)
		}
		u.others[u.app] = u.of
		if u.others[app] == nil {
			u.others[app] = make(map[string]int32)
		}
		u.app, u.of = app, u.others[app]
	}
	return u.of
}

// add returns a new number.
func (u *union) add() int32 {
	n := int32(len(u.parent))
	u.parent = append(u.parent, n)
	return n
}

func (u *union) root(n int32) int32 {
	for u.parent[n] != n {
		u.parent[n] = u.parent[u.parent[n]]
		n = u.parent[n]
	}
	return n
}

// join says that keys are of one part and returns the number of one of them,
// noPart if there is none.
func (u *union) join(app string, keys ...string) int32 {
	of, first := u.keys(app), int32(noPart)
	for _, key := range keys {
		n, ok := of[key]
		if !ok {
			n = u.add()
			of[key] = n
		}
		n = u.root(n)
		if first == noPart || first == n {
			first = n
			continue
		}
		u.parent[max(first, n)] = min(first, n)
		first = min(first, n)
	}
	return first
}

// partsWith numbers the parts that hold the given facts, in their order, replaces
// the number of each fact's key by that of its part, and returns how many parts
// there are. A fact without keys is a part of its own.
func (u *union) partsWith(facts []int32) int {
	for i, n := range facts {
		if n == noPart {
			facts[i] = u.add()
		}
	}
	u.part = make([]int32, len(u.parent))
	for i := range u.part {
		u.part[i] = noPart
	}
	count := int32(0)
	for i, n := range facts {
		root := u.root(n)
		if u.part[root] == noPart {
			u.part[root] = count
			count++
		}
		facts[i] = u.part[root]
	}
	return int(count)
}

// deal replaces the number of each fact's key by that of its part.
func (u *union) deal(facts []int32) {
	for i, n := range facts {
		if n != noPart {
			facts[i] = u.part[u.root(n)]
		}
	}
}
