package attribution

import (
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
	type settled struct {
		c *Conversion
		r Result
	}
	var e Engine
	var all []settled
	for _, g := range people(facts) {
		in := Inputs{Touches: g.Touches, Links: g.Links}
		e.sel.prepare(&in, g.Conversions[0].App)
		for i := range g.Conversions {
			c := &g.Conversions[i]
			var r Result
			e.Attribute(&r, c, &in, at(c.App, c.Time))
			all = append(all, settled{c, r})
			if c.Install {
				in.Installs = append(in.Installs, PriorInstall{Conversion: *c, Install: r.Install})
			}
		}
	}
	slices.SortFunc(all, func(a, b settled) int { return compareConversions(a.c, b.c) })
	results := make([]Result, len(all))
	for i := range all {
		results[i] = all[i].r
	}
	return results
}

// distinct orders conversions and takes each id of an app once, the variant that
// was received first.
func distinct(conversions []Conversion) []Conversion {
	type name struct{ app, id string }
	best := make(map[name]int, len(conversions))
	for i := range conversions {
		c := &conversions[i]
		n := name{c.App, c.ID}
		if j, ok := best[n]; !ok || firstVariant(c, &conversions[j]) {
			best[n] = i
		}
	}
	list := make([]Conversion, 0, len(best))
	for i := range conversions {
		if best[name{conversions[i].App, conversions[i].ID}] == i {
			list = append(list, conversions[i])
		}
	}
	slices.SortFunc(list, func(a, b Conversion) int { return compareConversions(&a, &b) })
	return list
}

func firstVariant(a, b *Conversion) bool {
	if a.Received != b.Received {
		return a.Received < b.Received
	}
	return a.Digest < b.Digest || a.Digest == b.Digest && a.Time < b.Time
}
