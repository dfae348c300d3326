package attribution

// MaxOpenings is how many openings of the app are considered of one conversion,
// the latest ones. An earlier one could only show that the person was active.
const MaxOpenings = 1000

// retargeted returns the re-engagement whose window an in-app event lies in: the
// latest opening of the app, by somebody who had not been active for a while, that
// a retargeting touch led to.
func retargeted(c *Conversion, u *suspicion) Retargeted {
	sel := u.sel
	if c.Install || c.Withheld || sel.carried == nil || len(sel.openings) == 0 {
		return Retargeted{}
	}
	s := u.s
	for i := len(sel.openings) - 1; i >= 0; i-- {
		o := sel.openings[i]
		if c.Time >= o.Time+s.Reengagement {
			break
		}
		if sel.openingsCut && i == 0 || o.Time-activeBefore(sel, i) < s.Inactivity {
			continue
		}
		if t := calledBack(o.Time, sel, u); t != nil {
			return Retargeted{
				OpenID: o.ID, Opened: o.Time, TouchID: t.ID, MediaSource: t.MediaSource,
				Campaign: t.Campaign, AdSet: t.AdSet, Ad: t.Ad, Keyword: t.Keyword, LinkID: t.LinkID,
			}
		}
	}
	return Retargeted{}
}

// activeBefore returns when the person was last active before an opening: an
// earlier opening, not one at the same instant, or the install.
func activeBefore(sel *selection, i int) int64 {
	at := sel.openings[i].Time
	for i--; i >= 0; i-- {
		if sel.openings[i].Time < at {
			return sel.openings[i].Time
		}
	}
	return sel.carried.Conversion.Time
}

// calledBack returns the retargeting touch that led to an opening, nil without
// one: a click or visit before an impression, the latest, the greater id.
func calledBack(at int64, sel *selection, u *suspicion) *Touch {
	var found *Touch
	for _, t := range sel.touches {
		if t.Time > at {
			break
		}
		if !t.Retargeting || t.Withheld || at >= t.Time+u.s.window(t, false) {
			continue
		}
		if found != nil && found.Kind != Impression && t.Kind == Impression {
			continue
		}
		if _, rejected := u.of(t, false); !rejected {
			found = t
		}
	}
	return found
}
