package traffic

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// touch is a media source's report of a person: a server sends it, with the ids that the
// source knows.
type touch struct {
	kind     string // click or impression
	at       time.Time
	campaign *campaign
	on       *device
	clickID  string
}

func (p *person) report(t touch) bool {
	id := p.uuid()
	c := t.campaign
	m := object{"id": id, "kind": t.kind, "time": clock(t.at), "media_source": c.source, "campaign": c.name,
		"keys": t.on.keys(), "retargeting": c.name == "Win-back" || c.name == "Retargeting Catalogue"}
	for key, value := range map[string]string{"adset": c.adSet, "ad": c.ad, "keyword": c.keyword, "click_id": t.clickID, "sub1": p.country.code} {
		if value != "" {
			m[key] = value
		}
	}
	if t.kind == "click" && c.cost > 0 {
		spread := 0.7 + 0.6*p.random.Float64()
		m["cost"], m["cost_currency"] = amount(cents(c.cost*spread)), "EUR"
	}
	if !p.post(id, Touches, t.at, m) {
		return false
	}
	if t.kind == "click" {
		p.g.summary.Clicks++
	} else {
		p.g.summary.Impressions++
	}
	return true
}

// keys are the ids of a device that a media source knows.
func (d *device) keys() object {
	switch {
	case d.kind == web:
		return object{"anonymous_id": d.anonymous}
	case d.kind == ios && d.tracking:
		return object{"idfa": d.advertising, "idfv": d.vendor}
	case d.kind == ios:
		return object{"idfv": d.vendor}
	case d.tracking:
		return object{"gaid": d.advertising}
	}
	return object{"device_id": d.id}
}

// newClickID is one that looks like a network's.
func (p *person) newClickID() string {
	var b [18]byte
	binary.BigEndian.PutUint64(b[:], p.random.Uint64())
	binary.BigEndian.PutUint64(b[8:], p.random.Uint64())
	return base64.RawURLEncoding.EncodeToString(b[:16])
}

// touches is how many touches a path has.
func (p *person) touches() int {
	shares := [8]float64{0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03}
	r := p.random.Float64()
	for i, share := range shares {
		if r -= share; r < 0 {
			return i + 1
		}
	}
	return len(shares)
}

// amount writes cents as a JSON number.
func amount(cents int64) number {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return number(fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100))
}

// number is written into JSON as it is.
type number string

// MarshalJSON makes a number of it.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func cents(units float64) int64 { return int64(units*100 + 0.5) }
