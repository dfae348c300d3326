package oracle

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// ofPerson tells whether a key makes two facts one person's.
func ofPerson(key string) bool {
	kind, _, _ := strings.Cut(key, ":")
	return strings.Contains(" anon device gaid idfa idfv oaid user ", " "+kind+" ")
}

func isClick(key string) bool { return strings.HasPrefix(key, "click:") }

// orderOf is the order that a conversion names.
func orderOf(c *conversion) string {
	for _, k := range c.Keys {
		if id, ok := strings.CutPrefix(k, "order:"); ok {
			return id
		}
	}
	return ""
}

// until is when a fact must have been received to count for a conversion.
func until(c *conversion, s *attribution.Settings) int64 {
	if c.Marks/attribution.MarkHistorical%2 == 1 {
		return 1 << 62
	}
	return c.Received + s.Lateness
}

func late(received int64, marks attribution.Marks, deadline int64) bool {
	return received > deadline && marks/attribution.MarkHistorical%2 == 0
}

// about is the order that a refund gives money back for, or that an order repeats.
func (w *world) about(c *conversion, s *attribution.Settings) *conversion {
	if c.Install || orderOf(c) == "" || c.Revenue >= 0 && !s.CountOrdersOnce {
		return nil
	}
	for i, o := range w.orders[c.App+"|"+orderOf(c)] {
		earlier := o.Time < c.Time || o.Time == c.Time && o.ID < c.ID
		if o.ID == c.ID || late(o.Received, o.Marks, until(c, s)) || !earlier || c.Revenue >= 0 && o.Name != c.Name {
			continue
		}
		return &w.orders[c.App+"|"+orderOf(c)][i]
	}
	return nil
}

// trusted tells whether an install's own word for a campaign is enough.
func (v *view) trusted(t *touch) bool {
	for _, name := range v.s.TrustedReferrers {
		if strings.ToLower(t.MediaSource) == name {
			return true
		}
	}
	return t.Marks/attribution.MarkTrusted%2 == 1
}

// withoutArrivals leaves out visits whose click is among the touches.
func withoutArrivals(touches []*touch) (kept []*touch) {
	clicks := map[string]bool{}
	arriving := func(t *touch) string {
		k := key("click", t.ClickID)
		if t.Kind != attribution.Visit && t.Kind != attribution.Stated || has(t, t.ClickID) {
			return ""
		}
		return k
	}
	for _, t := range touches {
		for _, k := range t.Keys {
			if isClick(k) && arriving(t) == "" {
				clicks[k] = true
			}
		}
	}
	for _, t := range touches {
		if !clicks[arriving(t)] {
			kept = append(kept, t)
		}
	}
	return kept
}

// withoutRepeats leaves out, of one click id of one source, all but the first, and page
// views that the same site led to within half an hour of each other.
func withoutRepeats(path []*touch) (kept []*touch) {
	for i, t := range path {
		again := false
		for _, before := range path[:i] {
			same := before.MediaSource == t.MediaSource
			if t.Marks/attribution.MarkSite%2 == 1 {
				again = again || same && before.Marks/attribution.MarkSite%2 == 1 && t.Time-before.Time < 1_800_000
				continue
			}
			again = again || same && before.ClickID == t.ClickID && key("click", t.ClickID) != "" && before.Marks/attribution.MarkSite%2 == 0
		}
		if !again {
			kept = append(kept, t)
		}
	}
	return kept
}

// barred tells which rule rejected a touch for an earlier install of the person.
func (v *view) barred(t *touch) attribution.Rule {
	for _, p := range v.installs {
		for _, r := range p.rejected {
			if r.TouchID == t.ID {
				return r.Rule
			}
		}
	}
	return ""
}

// judged is fraud, but a touch that was rejected before stays rejected.
func (v *view) judged(t *touch, perhaps bool) (attribution.Rule, bool) {
	rule, rejected := v.fraud(t, perhaps)
	if before := v.barred(t); !rejected && before != "" {
		return before, true
	}
	return rule, rejected
}

// rejections lists the touches that the rules themselves reject for this install.
func (v *view) rejections() (list []attribution.Rejection) {
	for _, t := range v.rivals() {
		if rule, rejected := v.fraud(t, v.guessed(t)); rejected && t.Time <= v.c.Time && !v.c.Withheld && !t.Withheld {
			list = append(list, attribution.Rejection{TouchID: t.ID, Rule: rule})
		}
	}
	return list
}

// took tells which clicks the install names and could have come from.
func (v *view) took(list []attribution.Candidate) map[string]bool {
	ids := map[string]bool{}
	for _, cand := range list {
		if cand.Touch == nil || cand.Match != attribution.MatchReferrer && cand.Match != attribution.MatchClickID {
			continue
		}
		if v := cand.Verdict; v == "won" || v == "lower_tier" || v == "older_touch" || v == "duplicate" || v == "not_retargeting" {
			ids[cand.Touch.ID] = true
		}
	}
	return ids
}
