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
	u := NewUnion(2*len(f.Touches) + len(f.Links) + len(conversions))
	ofConversion := make([]int32, len(conversions))
	for i, c := range conversions {
		ofConversion[i] = u.Join(c.App, c.Keys...)
	}
	ofLink := make([]int32, len(f.Links))
	for i := range f.Links {
		ofLink[i] = u.Join(f.Links[i].App, f.Links[i].A, f.Links[i].B)
	}
	ofTouch := make([]int32, len(f.Touches))
	for i := range f.Touches {
		ofTouch[i] = u.Join(f.Touches[i].App, f.Touches[i].Keys...)
	}
	parts := u.partsWith(ofConversion)
	u.assign(ofLink)
	u.assign(ofTouch)
	list := make([]Facts, parts)
	distribute(list, func(p *Facts) *[]Conversion { return &p.Conversions }, ofConversion, nil, func(i int) Conversion { return *conversions[i] })
	distribute(list, func(p *Facts) *[]Link { return &p.Links }, ofLink, nil, func(i int) Link { return f.Links[i] })
	distribute(list, func(p *Facts) *[]Touch { return &p.Touches }, ofTouch, elsewhere(f.Touches, ofTouch), func(i int) Touch { return f.Touches[i] })
	return list
}

// extraFact is a fact that also goes to a part that none of its keys leads to.
type extraFact struct{ fact, part int32 }

// distribute gives every part its facts, in their order; all parts share one array.
func distribute[F any](parts []Facts, of func(*Facts) *[]F, part []int32, extra []extraFact, fact func(int) F) {
	ends := make([]int, len(parts)+1)
	for _, p := range part {
		if p != NoPart {
			ends[p+1]++
		}
	}
	for _, d := range extra {
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
		if p != NoPart {
			list := of(&parts[p])
			*list = append(*list, fact(i))
		}
	}
	for _, d := range extra {
		list := of(&parts[d.part])
		*list = append(*list, fact(int(d.fact)))
	}
}

// elsewhere finds touches that belong to other parts than those of their keys. The
// variants of one id may have different keys; a part must have all of them to know
// the true one, so each part of any variant gets every variant.
func elsewhere(touches []Touch, part []int32) []extraFact {
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
	var extra []extraFact
	for _, name := range order {
		var parts []int32
		for _, i := range variants[name] {
			if p := part[i]; p != NoPart && !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
		for _, p := range parts {
			for _, i := range variants[name] {
				if part[i] != p {
					extra = append(extra, extraFact{i, p})
				}
			}
		}
	}
	return extra
}

type appKey struct{ app, key string }
