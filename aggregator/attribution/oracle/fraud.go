package oracle

import "github.com/unmogrowp/unmogrowp/aggregator/attribution"

// fraud tells which rule a touch is marked with, and whether that rejects it.
func (v *view) fraud(t *touch, perhaps bool) (attribution.Rule, bool) {
	f := &v.s.Fraud
	marks, click := t.Marks, t.Kind == attribution.Click
	var begun, short bool
	if v.c.Install {
		marks |= v.c.Marks
		click := click && t.Time <= v.c.Time
		referrer, _ := referrerClick(v.c.Referrer)
		begin := v.c.InstallBegin / 1000
		begun = click && begin > 0 && (t.Time/1000 > begin || v.c.ReferrerClick/1000 > begin && has(t, referrer))
		short = click && v.c.Time-t.Time < f.MinClickToInstall
	}
	near := int64(0)
	for _, o := range v.touches {
		if before := t.Time - o.Time; click && !perhaps && o != t && o.Kind == attribution.Click && before >= 0 && before < f.MaxClicksWindow &&
			sameDevice(o.Keys, t.Keys) {
			near++
		}
	}
	first := attribution.NoRule
	for _, r := range []struct {
		holds  bool
		rule   attribution.Rule
		action attribution.Action
	}{
		{marks&attribution.MarkBlockedAddress != 0, "blocked_address", f.BlockedAddress},
		{marks&attribution.MarkBot != 0, "bot", f.BotAgent},
		{marks&attribution.MarkMalformedID != 0, "malformed_advertising_id", f.MalformedID},
		{begun, "click_after_install_begin", f.AfterBegin},
		{near >= f.MaxClicks, "device_frequency", f.DeviceFrequency},
		{marks&attribution.MarkCrowd != 0, "address_frequency", f.AddressFrequency},
		{short, "short_click_to_install", f.ShortTime},
	} {
		if r.holds && r.action == "reject" {
			return r.rule, true
		}
		if r.holds && r.action == "flag" && first == "" {
			first = r.rule
		}
	}
	return first, false
}

// reengagement tells whether somebody was called back before an in-app event.
func (v *view) reengagement() attribution.Retargeted {
	var best *touch
	var with *touch
	for i, o := range v.openings {
		if v.c.Withheld || v.c.Time-o.Time >= v.s.Reengagement || v.openingsCut && i == 0 {
			continue
		}
		active := v.carried.c.Time
		for _, other := range v.openings {
			if other.Time < o.Time {
				active = max(active, other.Time)
			}
		}
		if o.Time-active < v.s.Inactivity {
			continue
		}
		var caller *touch
		for _, t := range v.touches {
			if _, rejected := v.judged(t, false); !t.Retargeting || t.Withheld || rejected || t.Time > o.Time || o.Time-t.Time >= v.window(t, false) {
				continue
			}
			if caller == nil || t.Kind != attribution.Impression || caller.Kind == attribution.Impression {
				caller = t
			}
		}
		if caller != nil {
			best, with = caller, o
		}
	}
	if best == nil {
		return attribution.Retargeted{}
	}
	return attribution.Retargeted{
		OpenID: with.ID, Opened: with.Time, TouchID: best.ID, MediaSource: best.MediaSource, Campaign: best.Campaign,
		AdSet: best.AdSet, Ad: best.Ad, Keyword: best.Keyword, LinkID: best.LinkID,
	}
}
