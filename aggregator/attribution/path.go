package attribution

// appendPath appends the touches that share in a conversion, transformed: those
// of the selection within the lookback and up to the conversion, of a kind that
// counts, with consent and not rejected as fraud.
func appendPath(path []Credited, u *suspicion) []Credited {
	c, s := u.c, u.s
	if c.Withheld {
		return path
	}
	for _, t := range u.sel.touches {
		switch {
		case t.Time > c.Time, t.Time <= c.Time-s.Lookback:
		case t.Kind == Impression && !s.ImpressionsInMTA:
		case t.Withheld:
		default:
			if rule, rejected := u.of(t, false); !rejected {
				path = append(path, Credited{Touch: t, Fraud: rule})
			}
		}
	}
	switch s.Transform {
	case CollapseRepeats:
		return collapseRepeats(path)
	case IgnoreDirect:
		return ignoreDirect(path)
	}
	return path
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
