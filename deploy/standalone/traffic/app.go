package traffic

import "time"

// adopt is the story of somebody who meets the shop in an app store.
func (p *person) adopt() {
	at, lift := p.start, 0.8
	n := p.touches()
	var clicked *campaign
	clickID := ""
	for i := range n {
		if p.organic {
			break
		}
		if i > 0 {
			at = p.later(at, 26*time.Hour)
		}
		c := p.meet(p.phone.kind, p.positionOf(i, n), at)
		p.source, lift = c, 0.5*lift+0.7*c.lift
		t := touch{kind: "click", at: at, campaign: c, on: &p.phone, clickID: p.newClickID()}
		if p.chance(c.impressions) {
			t.kind, t.clickID = "impression", ""
		} else {
			clicked, clickID = c, t.clickID
		}
		p.report(t)
	}
	if !p.organic && !p.chance(min(0.42*lift+0.05*float64(n), 0.92)) {
		return
	}
	at = p.later(at, 45*time.Minute)
	if p.chance(0.06) {
		at = p.later(at.Add(8*day), 2*day) // so late that the click no longer counts
	}
	p.install(at, clicked, clickID)
	p.engage(at, lift)
}

// install opens the app for the first time. On Android the store hands over the click's
// referrer.
func (p *person) install(at time.Time, clicked *campaign, clickID string) {
	properties := object{"version": p.phone.version, "build": "41201"}
	if p.phone.kind == android && clicked != nil && p.chance(0.85) {
		properties["install_referrer"] = clicked.query("click_id", clickID).Encode()
	} else if p.phone.kind == android && clicked == nil {
		properties["install_referrer"] = "utm_source=google-play&utm_medium=organic"
	}
	if p.send(call{kind: "track", name: "Application Installed", at: at, on: &p.phone, guest: true, properties: properties}) {
		p.g.summary.Installs++
	}
}

// engage is what happens in the app after its installation.
func (p *person) engage(at time.Time, lift float64) {
	at = p.use(at.Add(2 * time.Second))
	if p.chance(0.6) {
		at = p.logIn(&p.phone, at)
	}
	for range 7 {
		if !p.chance(0.62) {
			break
		}
		at = p.use(p.later(at, 40*time.Hour))
	}
	if !p.chance(min(0.26*lift, 0.8)) {
		return
	}
	if p.chance(0.8) {
		at = p.logIn(&p.phone, at)
	}
	at = p.order(&p.phone, at)
	p.stay(&p.phone, at)
}

// use is one session in the app; it returns when it ends.
func (p *person) use(at time.Time) time.Time {
	p.send(call{kind: "track", name: "Application Opened", at: at, on: &p.phone,
		properties: object{"from_background": p.chance(0.3), "version": p.phone.version}})
	at = at.Add(700 * time.Millisecond)
	p.send(call{kind: "screen", name: pick(p, "Home", "Home", "Search", "Wish List"), at: at, on: &p.phone})
	for range p.random.IntN(6) {
		at = p.soon(at)
		p.send(call{kind: "screen", name: "Product", at: at, on: &p.phone})
		p.send(call{kind: "track", name: "Product Viewed", at: at.Add(300 * time.Millisecond), on: &p.phone, properties: p.priced(p.someProduct())})
	}
	return p.soon(at)
}
