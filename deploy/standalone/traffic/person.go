package traffic

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// country is where a person lives.
type country struct {
	code, locale, zone string
	offset             time.Duration // of its clocks to UTC, about
	currency           string
	rate               float64 // of the euro
	share              float64
}

func countries() []country {
	return []country{
		{"DE", "de-DE", "Europe/Berlin", time.Hour, "EUR", 1, 0.41},
		{"GB", "en-GB", "Europe/London", 0, "GBP", 0.86, 0.12},
		{"FR", "fr-FR", "Europe/Paris", time.Hour, "EUR", 1, 0.11},
		{"US", "en-US", "America/New_York", -5 * time.Hour, "USD", 1.1, 0.10},
		{"CH", "de-CH", "Europe/Zurich", time.Hour, "CHF", 0.96, 0.08},
		{"AT", "de-AT", "Europe/Vienna", time.Hour, "EUR", 1, 0.07},
		{"NL", "nl-NL", "Europe/Amsterdam", time.Hour, "EUR", 1, 0.05},
		{"IT", "it-IT", "Europe/Rome", time.Hour, "EUR", 1, 0.03},
		{"ES", "es-ES", "Europe/Madrid", time.Hour, "EUR", 1, 0.03},
	}
}

// person is one person, with a browser, an app, or both.
type person struct {
	g      *generator
	random *rand.Rand

	country  *country
	platform platform  // of the first device
	start    time.Time // of the story
	organic  bool      // never met a campaign
	denied   bool      // has refused attribution
	user     string    // id in the shop, made at the first log-in
	knownOn  map[string]bool
	source   *campaign // of the latest touch

	browser device
	phone   device
}

// device is a browser or a phone with the app.
type device struct {
	kind      platform
	anonymous string // the SDK's id
	agent     string // user agent, of a browser

	id, vendor, advertising string // of a phone
	tracking                bool   // the advertising id may be used
	maker, model, system    string
	version                 string // of the app
}

// born decides who the person is, by the same number of draws for everybody.
func (p *person) born(date time.Time) {
	p.country = p.someCountry()
	p.platform = web
	if r := p.random.Float64(); r > 0.76 {
		p.platform = ios
	} else if r > 0.48 {
		p.platform = android
	}
	p.start = p.daytime(date)
	p.organic = p.chance(0.24)
	p.denied = p.chance(0.03)
	p.knownOn = map[string]bool{}
	p.browser = device{kind: web, anonymous: p.uuid(), agent: p.userAgent()}
	kind := p.platform
	if kind == web {
		kind = android
		if p.chance(0.45) {
			kind = ios
		}
	}
	p.phone = p.newPhone(kind)
}

func (p *person) someCountry() *country {
	r := p.random.Float64()
	for i := range p.g.countries {
		if r -= p.g.countries[i].share; r < 0 {
			return &p.g.countries[i]
		}
	}
	return &p.g.countries[0]
}

func (p *person) newPhone(kind platform) device {
	d := device{kind: kind, anonymous: p.uuid(), version: pick(p, "4.11.0", "4.12.1", "4.12.2")}
	if kind == ios {
		d.maker, d.model = "Apple", pick(p, "iPhone14,5", "iPhone15,2", "iPhone16,1", "iPhone17,3")
		d.system = pick(p, "17.6.1", "18.3", "18.5")
		d.vendor = strings.ToUpper(p.uuid())
		d.id = d.vendor
		d.advertising = strings.ToUpper(p.uuid())
		d.tracking = p.chance(0.32)
		return d
	}
	d.maker, d.model = "Google", pick(p, "Pixel 7a", "Pixel 8", "Pixel 9")
	if p.chance(0.6) {
		d.maker, d.model = "samsung", pick(p, "SM-A546B", "SM-S911B", "SM-S926B")
	}
	d.system = pick(p, "13", "14", "15")
	d.id = fmt.Sprintf("%016x", p.random.Uint64()|1)
	d.advertising = p.uuid()
	d.tracking = p.chance(0.86)
	return d
}

func (p *person) userAgent() string {
	return pick(p,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	)
}

// daytime is a moment of a day at which people in the person's country are awake, most of all
// in the evening.
func (p *person) daytime(date time.Time) time.Time {
	hours := [24]int{3, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 10, 12, 11, 9, 9, 10, 12, 14, 17, 19, 18, 12, 7}
	total := 0
	for _, n := range hours {
		total += n
	}
	r := p.random.IntN(total)
	hour := 0
	for r >= hours[hour] {
		r -= hours[hour]
		hour++
	}
	at := date.Add(time.Duration(hour)*time.Hour - p.country.offset + time.Duration(p.random.Int64N(int64(time.Hour))))
	return at.Truncate(time.Millisecond)
}

// later is a moment about d after at; by the day it is at daytime.
func (p *person) later(at time.Time, d time.Duration) time.Time {
	wait := time.Duration(p.random.ExpFloat64() * float64(d))
	next := at.Add(wait + time.Minute)
	if wait < 12*time.Hour {
		return next.Truncate(time.Millisecond)
	}
	if moved := p.daytime(next.Truncate(day)); moved.After(at) {
		return moved
	}
	return next.Truncate(time.Millisecond)
}

func (p *person) chance(probability float64) bool { return p.random.Float64() < probability }

func pick[T any](p *person, from ...T) T { return from[p.random.IntN(len(from))] }

// uuid is a random id in the form of a UUID of version 4.
func (p *person) uuid() string {
	a, b := p.random.Uint64(), p.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}
