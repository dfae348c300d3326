package oracle

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// view holds the facts that one conversion can see.
type view struct {
	c        *conversion
	s        *attribution.Settings
	keys     map[string]bool // of the person and the clicks that they named, without the app
	linked   map[string]bool // the clicks among them that links lead to
	touches  []*touch
	links    [][2]string
	installs []priorInstall
	cut      bool

	own   *conversion       // that is attributed; another than c for a refund
	about *conversion       // its order
	taken map[string]string // of an install: clicks that it names, by earlier installs

	carried     *priorInstall // of an in-app event
	perhaps     []*touch      // found by fingerprint only
	openings    []*touch
	openingsCut bool
}

func (w *world) view(c *conversion, s *attribution.Settings) *view {
	v := &view{c: c, s: s, keys: map[string]bool{}}
	if len(c.Keys) == 0 {
		return v
	}
	root := w.root(c.App + "|" + c.Keys[0])
	deadline := until(c, s)
	near := neighbours(w.links[root])
	v.person(near, deadline)
	seen := map[[2]string]bool{}
	v.clicks(near, deadline)
	for a, around := range near {
		for _, n := range around {
			if n.received <= deadline && v.keys[a] && v.keys[n.key] && (ofPerson(n.key) || v.linked[n.key]) {
				seen[[2]string{min(a, n.key), max(a, n.key)}] = true
			}
		}
	}
	for l := range seen {
		v.links = append(v.links, l)
	}
	sort.Slice(v.links, func(i, j int) bool {
		return v.links[i][0] < v.links[j][0] || v.links[i][0] == v.links[j][0] && v.links[i][1] < v.links[j][1]
	})
	for _, p := range w.settled[root] { // in order of (time, id)
		before := p.c.Time < c.Time || p.c.Time == c.Time && p.c.ID < c.ID
		if before && !late(p.c.Received, p.c.Marks, deadline) && v.anyOfPerson(p.c.Keys) {
			v.installs = append(v.installs, p)
		}
	}
	if !c.Install {
		v.carried = v.inherited()
	}
	v.look(w.touchesOf[root], deadline)
	v.lookFurther(w.touchesOf[root], deadline)
	v.taken = map[string]string{}
	for _, t := range v.touches {
		for _, p := range w.takers[c.App+"|"+t.ID] {
			if before := p.c.Time < c.Time || p.c.Time == c.Time && p.c.ID < c.ID; c.Install && v.taken[t.ID] == "" && before &&
				!late(p.c.Received, p.c.Marks, deadline) && v.isNamed(t) {
				v.taken[t.ID] = p.c.ID
			}
		}
	}
	return v
}

// isNamed tells whether the conversion and a touch have a click id in common.
func (v *view) isNamed(t *touch) bool {
	for _, k := range v.c.Keys {
		if isClick(k) && slices.Contains(t.Keys, k) {
			return true
		}
	}
	return false
}

// clicks adds the click ids that the person named, and those that the conversion names.
func (v *view) clicks(near map[string][]neighbour, deadline int64) {
	v.linked = map[string]bool{}
	var found []string
	for from, around := range near {
		for _, n := range around {
			if v.keys[from] && isClick(n.key) && n.received <= deadline {
				found = append(found, n.key)
			}
		}
	}
	found = tidy(found)
	for _, k := range found[:min(len(found), attribution.MaxClaims)] {
		v.linked[k] = true
	}
	for k := range v.linked {
		v.keys[k] = true
	}
	for _, k := range v.c.Keys {
		if isClick(k) {
			v.keys[k] = true
		}
	}
}

func (v *view) anyOfPerson(keys []string) bool {
	for _, k := range keys {
		if ofPerson(k) && v.keys[k] {
			return true
		}
	}
	return false
}

func (v *view) any(keys []string) bool {
	for _, k := range keys {
		if v.keys[k] {
			return true
		}
	}
	return false
}

// person finds the distance of every key by relaxing all links as often as the
// number of hops allows, then takes the nearest keys.
func (v *view) person(near map[string][]neighbour, deadline int64) {
	distance := map[string]int{}
	for _, k := range v.c.Keys {
		if ofPerson(k) {
			distance[k] = 0
		}
	}
	for hop := 1; hop <= attribution.MaxHops; hop++ {
		next := map[string]int{}
		for from, around := range near {
			if _, reached := distance[from]; !reached {
				continue
			}
			for _, n := range around {
				if _, reached := distance[n.key]; !reached && n.received <= deadline && ofPerson(n.key) {
					next[n.key] = hop
				}
			}
		}
		for k, d := range next {
			distance[k] = d
		}
	}
	var order []string
	for k := range distance {
		order = append(order, k)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		return distance[a] < distance[b] || distance[a] == distance[b] && a < b
	})
	for _, k := range order[:min(len(order), attribution.MaxKeys)] {
		v.keys[k] = true
	}
}

// neighbour is where a link leads, and when that was first heard.
type neighbour struct {
	key      string
	received int64
}

// neighbours lists for every key the links that are followed from it: the earliest,
// of those heard at once the ones to the smallest keys.
func neighbours(links []link) map[string][]neighbour {
	first := map[[2]string]int64{}
	for _, l := range links {
		_, a, _ := strings.Cut(l.a, "|")
		_, b, _ := strings.Cut(l.b, "|")
		for _, pair := range [][2]string{{a, b}, {b, a}} {
			if at, known := first[pair]; a != b && ofPerson(pair[0]) && (!known || l.received < at) {
				first[pair] = l.received
			}
		}
	}
	near := map[string][]neighbour{}
	for pair, at := range first {
		near[pair[0]] = append(near[pair[0]], neighbour{pair[1], at})
	}
	for key, around := range near {
		sort.Slice(around, func(i, j int) bool {
			x, y := around[i], around[j]
			return x.received < y.received || x.received == y.received && x.key < y.key
		})
		near[key] = around[:min(len(around), attribution.MaxLinks)]
	}
	return near
}

// look takes the touches within sight.
func (v *view) look(touches []*touch, deadline int64) {
	back, ahead := v.s.Lookback, int64(0)
	if v.c.Install {
		ahead = 7 * 24 * 3600 * 1000 // for the clicks that it names
		back = max(back, v.s.ClickWindow, v.s.ImpressionWindow)
		for _, o := range v.s.Overrides {
			back = max(back, o.ClickWindow, o.ImpressionWindow)
		}
		back += 24 * 3600 * 1000
	}
	for _, t := range touches {
		age := v.c.Time - t.Time
		if age < -ahead || late(t.Received, t.Marks, deadline) || !v.any(t.Keys) || t.Kind == attribution.Open ||
			age < -24*3600*1000 && !v.isNamed(t) || t.Kind == attribution.Stated && t.ID != v.c.ID && !v.trusted(t) {
			continue
		}
		if age < back && (v.c.Install || v.s.ImpressionsInMTA || t.Kind != attribution.Impression) ||
			v.carried != nil && t.Retargeting && age < v.s.Reengagement+v.longest() {
			v.touches = append(v.touches, t)
		}
	}
	v.touches = withoutArrivals(v.touches)
	inOrder(v.touches)
	upTo := sort.Search(len(v.touches), func(i int) bool { return v.touches[i].Time > v.c.Time })
	v.touches = v.touches[:min(len(v.touches), upTo+100)]
	if upTo > attribution.MaxTouches {
		v.cut, v.touches = true, v.touches[upTo-attribution.MaxTouches:]
	}
}

func inOrder(touches []*touch) {
	sort.Slice(touches, func(i, j int) bool {
		a, b := touches[i], touches[j]
		return a.Time < b.Time || a.Time == b.Time && a.ID < b.ID
	})
}

func (v *view) longest() int64 {
	longest := max(v.s.ClickWindow, v.s.ImpressionWindow)
	for _, o := range v.s.Overrides {
		longest = max(longest, o.ClickWindow, o.ImpressionWindow)
	}
	return longest
}

// lookFurther takes openings of the app, and what looks like the same device.
func (v *view) lookFurther(touches []*touch, deadline int64) {
	called := false
	for _, t := range v.touches {
		called = called || t.Retargeting
	}
	claim, _ := referrerClick(v.c.Referrer)
	guess := v.c.Install && v.s.Probabilistic && v.c.ClickID+claim == ""
	reach := max(v.s.ProbabilisticClick, v.s.ProbabilisticImpression)
	for _, o := range v.s.Overrides {
		reach = max(reach, o.ProbabilisticClick, o.ProbabilisticImpression)
	}
	for _, t := range touches {
		age, own := v.c.Time-t.Time, v.any(t.Keys)
		if age < 0 || late(t.Received, t.Marks, deadline) {
			continue
		}
		if own && t.Opened && called && v.carried != nil && t.Time > v.carried.c.Time && age < v.s.Reengagement+v.s.Inactivity {
			v.openings = append(v.openings, t)
		}
		for _, k := range t.Keys {
			if guess && !own && t.Kind != attribution.Open && t.Kind != attribution.Stated && age < reach && isLook(k) && slices.Contains(v.c.Keys, k) {
				v.perhaps = append(v.perhaps, t)
				break
			}
		}
	}
	inOrder(v.perhaps)
	inOrder(v.openings)
	v.perhaps = v.perhaps[max(0, len(v.perhaps)-100):]
	v.openingsCut = len(v.openings) > 1000
	v.openings = v.openings[max(0, len(v.openings)-1000):]
}

// path lists the touches that share, and those that fraud keeps off it.
func (v *view) path() (path []*touch, off []attribution.Candidate) {
	for _, t := range v.touches {
		age := v.c.Time - t.Time
		if age >= 0 && age < v.s.Lookback && !t.Withheld && !v.c.Withheld &&
			(t.Kind != attribution.Impression || v.s.ImpressionsInMTA) {
			rule, rejected := v.judged(t, false)
			switch {
			case t.Kind == attribution.Stated && !v.trusted(t):
			case !rejected:
				path = append(path, t)
			case !v.c.Install:
				off = append(off, attribution.Candidate{Touch: t, Verdict: attribution.FraudRejected, Fraud: rule})
			}
		}
	}
	path = withoutRepeats(path)
	var kept []*touch
	for i, t := range path {
		switch v.s.Transform {
		case attribution.CollapseRepeats:
			if i == len(path)-1 || path[i+1].MediaSource != t.MediaSource {
				kept = append(kept, t)
			}
		case attribution.IgnoreDirect:
			if !isDirect(t) {
				kept = append(kept, t)
			}
		default:
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		return path, off
	}
	return kept, off
}

func isDirect(t *touch) bool {
	if t.MediaSource == "" {
		return t.Kind == attribution.Visit && t.Medium+t.Campaign+t.ClickID+t.LinkID == ""
	}
	return t.Campaign+t.LinkID == "" && slices.Contains([]string{"direct", "Direct", "(direct)"}, t.MediaSource)
}

func (v *view) digest() uint64 {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, value := range values {
			switch x := value.(type) {
			case string:
				_ = binary.Write(&b, binary.LittleEndian, int64(len(x)))
				b.WriteString(x)
			case int:
				_ = binary.Write(&b, binary.LittleEndian, int64(x))
			default:
				_ = binary.Write(&b, binary.LittleEndian, x)
			}
		}
	}
	put(attribution.Revision, v.s.Generation, v.own.ID, v.own.Time, v.own.Received, v.own.Digest, int(v.own.Marks))
	put(len(v.touches))
	flags := func(t *touch) int {
		if t.Opened {
			return 2*int(t.Marks) + 1
		}
		return 2 * int(t.Marks)
	}
	for _, t := range v.touches {
		put(t.ID, t.Time, t.Received, t.Digest, flags(t))
	}
	put(len(v.links))
	for _, l := range v.links {
		put(l[0], l[1])
	}
	put(len(v.installs))
	for _, p := range v.installs {
		put(p.c.ID, p.c.Time, p.c.Received, p.c.Digest, string(p.r.Outcome), p.r.Reason, string(p.r.Match), p.r.TouchID,
			p.r.MediaSource, p.r.Campaign, p.r.AdSet, p.r.Ad, p.r.Keyword, p.r.LinkID, string(p.r.Fraud))
		put(len(p.rejected))
		for _, r := range p.rejected {
			put(r.TouchID, string(r.Rule))
		}
	}
	put(len(v.taken))
	for _, t := range v.touches {
		if by := v.taken[t.ID]; by != "" {
			put(t.ID, by)
		}
	}
	put(len(v.perhaps))
	for _, t := range v.perhaps {
		put(t.ID, t.Time, t.Received, t.Digest, flags(t))
	}
	put(len(v.openings))
	for _, t := range v.openings {
		put(t.ID, t.Time, t.Received, t.Digest)
	}
	if v.about == nil {
		put(0)
	} else {
		put(1, v.about.ID, v.about.Time, v.about.Received, v.about.Digest)
	}
	return xxhash.Sum64(b.Bytes())
}
