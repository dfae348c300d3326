package traffic

import (
	"strings"
	"time"
)

// browse is the story of somebody who meets the shop on the web.
func (p *person) browse() {
	at, lift := p.start, 0.8
	n := p.touches()
	if p.organic {
		n = 1 + n/3
	}
	for i := range n {
		if i > 0 {
			at = p.later(at, 52*time.Hour)
		}
		if p.organic {
			at = p.session(at, nil)
			continue
		}
		c := p.meet(web, p.positionOf(i, n), at)
		p.source, lift = c, 0.5*lift+0.7*c.lift
		if p.chance(c.impressions) {
			p.report(touch{kind: "impression", at: at, campaign: c, on: &p.browser})
			continue
		}
		at = p.session(at, c)
	}
	if !p.chance(min(0.20*lift+0.025*float64(n), 0.9)) {
		return
	}
	if p.chance(0.35) {
		at = p.session(p.later(at, 20*time.Hour), nil) // comes back for it
	}
	if p.chance(0.74) {
		at = p.logIn(&p.browser, at)
	}
	at = p.order(&p.browser, at)
	p.stay(&p.browser, at)
	if p.user != "" && p.chance(0.27) {
		p.switchDevice(at)
	}
}

// session is one visit of the web site; it returns when it ends.
func (p *person) session(at time.Time, c *campaign) time.Time {
	landing := call{kind: "page", name: "Home", path: "/", at: at, on: &p.browser, campaign: c}
	if c != nil && c.parameter != "" {
		landing.clickID = p.newClickID()
	}
	if c != nil && c.keyword != "" {
		landing.name, landing.path = "Category", "/c/"+strings.ReplaceAll(c.keyword, " ", "-")
	}
	if p.chance(0.4) {
		landing.name, landing.path = "Sale", "/sale"
	}
	p.send(landing)
	for range p.random.IntN(6) {
		at = p.soon(at)
		item := p.someProduct()
		p.send(call{kind: "page", name: "Product", path: "/p/" + item.id, at: at, on: &p.browser})
		if p.chance(0.75) {
			p.send(call{kind: "track", name: "Product Viewed", path: "/p/" + item.id, at: at.Add(400 * time.Millisecond), on: &p.browser, properties: p.priced(item)})
		}
	}
	return p.soon(at)
}

// soon is half a minute or so later.
func (p *person) soon(at time.Time) time.Time {
	return at.Add(4*time.Second + time.Duration(p.random.ExpFloat64()*float64(35*time.Second))).Truncate(time.Millisecond)
}

// logIn links the device with the person's account, which the first log-in makes.
func (p *person) logIn(on *device, at time.Time) time.Time {
	created := p.user == ""
	if created {
		p.user = "u_" + strings.ReplaceAll(p.uuid(), "-", "")[:16]
	}
	if p.knownOn[on.anonymous] {
		return at
	}
	p.knownOn[on.anonymous] = true
	at = p.soon(at)
	traits := object{"country": p.country.code, "language": p.country.locale[:2], "plan": pick(p, "standard", "standard", "club")}
	p.send(call{kind: "identify", at: at, on: on, traits: traits})
	name := "Signed In"
	if created {
		name = "Signed Up"
	}
	at = at.Add(900 * time.Millisecond)
	p.send(call{kind: "track", name: name, at: at, on: on, properties: object{"method": pick(p, "email", "email", "google", "apple")}})
	return at
}

// stay has a customer go on after an order: come back, often for a newsletter, and order
// again.
func (p *person) stay(on *device, at time.Time) {
	for range 5 {
		if !p.chance(0.42) {
			return
		}
		at = p.later(at, 8*day)
		switch {
		case on.kind != web:
			at = p.use(at)
		case !p.organic && p.chance(0.55):
			at = p.session(at, p.newsletter())
		default:
			at = p.session(at, nil)
		}
		if p.chance(0.55) {
			at = p.order(on, at)
		}
	}
}

func (p *person) newsletter() *campaign {
	name := "Weekly Picks"
	if p.chance(0.25) {
		name = "Win-back"
	}
	for i := range p.g.campaigns {
		if p.g.campaigns[i].name == name {
			return &p.g.campaigns[i]
		}
	}
	return nil
}

// switchDevice is a customer of the web site who installs the app and logs in there.
func (p *person) switchDevice(at time.Time) {
	at = p.later(at, 3*day)
	p.install(at, nil, "")
	at = p.logIn(&p.phone, p.soon(at))
	at = p.use(at)
	if p.chance(0.5) {
		at = p.order(&p.phone, at)
		p.stay(&p.phone, at)
	}
}
