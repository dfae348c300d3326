package attribution

import "slices"

// appendPath appends the touches that share in a conversion, transformed: those
// of the selection within the lookback and up to the conversion, of a kind that
// counts, with consent and not rejected as fraud. The rejected ones of an in-app event
// are appended to off.
func (e *Engine) appendPath(path []Credited, off []Candidate) ([]Credited, []Candidate) {
	u := &e.suspicion
	c, s := u.c, u.s
	if c.Withheld {
		return path, off
	}
	for _, t := range u.sel.touches {
		switch {
		case t.Time > c.Time, t.Time <= c.Time-s.Lookback:
		case t.Kind == Impression && !s.ImpressionsInMTA:
		case t.Withheld, t.Kind == Stated && !s.trusts(t):
		default:
			rule, rejected := u.of(t, false)
			if !rejected {
				path = append(path, Credited{Touch: t, Fraud: rule})
			} else if !c.Install {
				off = append(off, Candidate{Touch: t, Verdict: FraudRejected, Fraud: rule})
			}
		}
	}
	path = dropRepeats(path)
	switch s.Transform {
	case CollapseRepeats:
		path = collapseRepeats(path)
	case IgnoreDirect:
		path = ignoreDirect(path)
	}
	return path, off
}

// siteSession is how close visits from one referring site are one: SDKs tell of the site
// on every page.
const siteSession = 30 * Minute

// dropRepeats keeps the first of several touches with one click id of one media source,
// and of visits that only a referring site names the first of each session.
func dropRepeats(path []Credited) []Credited {
	type click struct{ source, id string }
	var clicks map[click]bool
	var sites map[string]int64 // when each was met last
	return slices.DeleteFunc(path, func(p Credited) bool {
		t := p.Touch
		if t.Marks&MarkSite != 0 {
			if sites == nil {
				sites = make(map[string]int64)
			}
			last, met := sites[t.MediaSource]
			sites[t.MediaSource] = t.Time
			return met && t.Time-last < siteSession
		}
		if t.ClickID == "" || Key(KeyClick, t.ClickID) == "" {
			return false
		}
		name := click{t.MediaSource, t.ClickID}
		if clicks == nil {
			clicks = make(map[click]bool)
		}
		again := clicks[name]
		clicks[name] = true
		return again
	})
}

// collapseRepeats keeps the last of each run of touches of one media source.
func collapseRepeats(path []Credited) []Credited {
	kept := path[:0]
	for i := range path {
		if i+1 == len(path) || path[i].Touch.MediaSource != path[i+1].Touch.MediaSource {
			kept = append(kept, path[i])
		}
	}
	return kept
}

// ignoreDirect drops direct touches if there are others.
func ignoreDirect(path []Credited) []Credited {
	others := 0
	for i := range path {
		if !direct(path[i].Touch) {
			others++
		}
	}
	if others == 0 {
		return path
	}
	kept := path[:0]
	for i := range path {
		if !direct(path[i].Touch) {
			kept = append(kept, path[i])
		}
	}
	return kept
}
