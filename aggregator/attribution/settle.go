package attribution

import (
	"cmp"
	"slices"
)

// Settle attributes all the conversions given, each with the settings that at
// returns for its time, and lets later ones know the outcome of earlier
// installs. facts may hold those of many people and apps; at is asked with the
// app. The results are ordered by the time and id of the conversions, each id
// of an app once, and their touches do not point into facts.
//
// To attribute some conversions only, give the installs that may precede them
// too, and the touches that these can reach.
func Settle(facts *Facts, at func(app string, ms int64) *Settings) []Result {
	var e Engine
	parts := people(facts)
	count := 0
	for i := range parts {
		count += len(parts[i].Conversions)
	}
	all, of := make([]Result, count), make([]*Conversion, count)
	n := 0
	for _, g := range parts {
		app := g.Conversions[0].App
		in := Inputs{Touches: g.Touches, Links: g.Links, at: func(ms int64) *Settings { return at(app, ms) }}
		orders := byOrder(g.Conversions)
		e.sel.prepare(&in, app)
		for i := range g.Conversions {
			c := &g.Conversions[i]
			in.Orders = orders[c.orderKey()]
			e.Attribute(&all[n], c, &in, at(c.App, c.Time))
			if c.Install {
				in.Installs = append(in.Installs, PriorInstall{
					Conversion: *c, Install: all[n].Install, Rejected: slices.Clone(e.rejected), Took: took(all[n].Candidates),
				})
			}
			of[n] = c
			n++
		}
	}
	order := make([]int32, count)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(compareConversions(of[a], of[b]), cmp.Compare(a, b)) })
	results := make([]Result, count)
	for i, j := range order {
		results[i] = all[j]
	}
	return results
}

// distinct orders conversions and takes each id of an app once, the variant that
// was received first.
func distinct(conversions []Conversion) []*Conversion {
	best := make(map[appKey]int32, len(conversions))
	list := make([]*Conversion, 0, len(conversions))
	for i := range conversions {
		c := &conversions[i]
		n := appKey{c.App, c.ID}
		j, known := best[n]
		switch {
		case !known:
			best[n] = int32(len(list))
			list = append(list, c)
		case firstVariant(c, list[j]):
			list[j] = c
		}
	}
	slices.SortFunc(list, compareConversions)
	return list
}

func firstVariant(a, b *Conversion) bool {
	if a.Received != b.Received {
		return a.Received < b.Received
	}
	return a.Digest < b.Digest || a.Digest == b.Digest && a.Time < b.Time
}
