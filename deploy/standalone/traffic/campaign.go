package traffic

import (
	"net/url"
	"time"
)

// platform is where a person meets the shop.
type platform uint8

const (
	web platform = 1 << iota
	android
	ios
)

const everywhere = web | android | ios

// campaign is one campaign of a media source. Its weights say how often it is the first, a
// middle or the last touch of a path: that is what makes attribution models disagree.
type campaign struct {
	source, medium, name string
	adSet, ad, keyword   string

	on                  platform
	first, middle, last float64
	lift                float64 // how much likelier than others its people convert
	impressions         float64 // the part of its touches that are only seen
	cost                float64 // of a click, in euros
	parameter           string  // of the network's own click id on landing pages
	every               int64   // days between its bursts of three days; 0 runs evenly
}

// campaigns are two dozen campaigns over twelve media sources.
func campaigns() []campaign {
	return []campaign{
		{source: "google", medium: "cpc", name: "Search Brand", adSet: "Brand exact", ad: "Sitelinks", keyword: "fernweh outdoor", on: everywhere, first: 3, middle: 5, last: 15, lift: 1.7, cost: 0.22, parameter: "gclid"},
		{source: "google", medium: "cpc", name: "Search Generic", adSet: "Hiking boots", ad: "Free returns", keyword: "hiking boots", on: everywhere, first: 9, middle: 7, last: 6, lift: 1, cost: 0.74, parameter: "gclid"},
		{source: "google", medium: "display", name: "Performance Max", adSet: "All products", ad: "Responsive 3", on: everywhere, first: 7, middle: 8, last: 4, lift: 0.9, impressions: 0.35, cost: 0.38, parameter: "gclid"},
		{source: "facebook", medium: "paid_social", name: "Prospecting Lookalike", adSet: "LAL 2% buyers", ad: "Video forest", on: everywhere, first: 12, middle: 8, last: 3, lift: 0.8, impressions: 0.45, cost: 0.41, parameter: "fbclid"},
		{source: "facebook", medium: "paid_social", name: "Retargeting Catalogue", adSet: "Viewed 14 days", ad: "Carousel", on: everywhere, first: 0.5, middle: 9, last: 9, lift: 1.4, impressions: 0.3, cost: 0.33, parameter: "fbclid"},
		{source: "tiktok", medium: "paid_social", name: "Creators Challenge", adSet: "18-24", ad: "Trail hack", on: everywhere, first: 9, middle: 5, last: 2, lift: 0.6, impressions: 0.5, cost: 0.24, parameter: "ttclid", every: 14},
		{source: "tiktok", medium: "paid_social", name: "App Install", adSet: "Broad", ad: "Packing list", on: android | ios, first: 10, middle: 5, last: 4, lift: 0.7, impressions: 0.4, cost: 0.31},
		{source: "apple_search_ads", medium: "cpc", name: "ASA Brand", adSet: "Exact", keyword: "fernweh", on: ios, first: 5, middle: 4, last: 14, lift: 1.6, cost: 0.48},
		{source: "apple_search_ads", medium: "cpc", name: "ASA Discovery", adSet: "Broad match", keyword: "outdoor shop", on: ios, first: 9, middle: 5, last: 5, lift: 1, cost: 0.92},
		{source: "microsoft", medium: "cpc", name: "Search Generic", adSet: "Tents", ad: "Free returns", keyword: "family tent", on: web, first: 4, middle: 3, last: 3, lift: 1.1, cost: 0.46, parameter: "msclkid"},
		{source: "awin", medium: "affiliate", name: "Coupons", adSet: "Publisher 48213", ad: "10 percent", on: web, first: 0.4, middle: 1.5, last: 8, lift: 1.9, cost: 0.12},
		{source: "awin", medium: "affiliate", name: "Comparison Sites", adSet: "Publisher 77120", ad: "Price tile", on: web, first: 3, middle: 4, last: 4, lift: 1.2, cost: 0.19},
		{source: "newsletter", medium: "email", name: "Weekly Picks", ad: "Hero", on: everywhere, first: 0.3, middle: 5, last: 8, lift: 1.5, every: 7},
		{source: "newsletter", medium: "email", name: "Win-back", ad: "We miss you", on: everywhere, first: 0.2, middle: 2, last: 3, lift: 1.2},
		{source: "influencer", medium: "social", name: "Lena on the GR20", ad: "Story link", on: everywhere, first: 6, middle: 2, last: 1.5, lift: 0.9, cost: 0.55, every: 14},
		{source: "influencer", medium: "social", name: "Van Life Tom", ad: "Video description", on: everywhere, first: 3, middle: 1.5, last: 1, lift: 0.8, cost: 0.5, every: 21},
		{source: "podcast", medium: "audio", name: "Morning Miles", ad: "Host read", on: everywhere, first: 5, middle: 1, last: 1, lift: 1.1, cost: 0.85, every: 7},
		{source: "x", medium: "paid_social", name: "Product Launch", adSet: "Followers of brands", ad: "Thread", on: everywhere, first: 3, middle: 2, last: 1, lift: 0.6, impressions: 0.4, cost: 0.35},
		{source: "linkedin", medium: "paid_social", name: "Gifts for Teams", adSet: "HR managers", ad: "Document", on: web, first: 2, middle: 1.5, last: 0.8, lift: 1.3, impressions: 0.3, cost: 2.6},
		{source: "taboola", medium: "native", name: "Ten Huts to Sleep In", adSet: "News sites", ad: "Image 7", on: web | android, first: 6, middle: 3, last: 1, lift: 0.45, impressions: 0.4, cost: 0.17},
		{source: "reddit", medium: "paid_social", name: "Ultralight", adSet: "r/ultralight", ad: "Gear list", on: everywhere, first: 2.5, middle: 1.5, last: 1, lift: 1, impressions: 0.3, cost: 0.29},
	}
}

// position is where in a path a touch stands.
type position uint8

const (
	first position = iota
	middle
	last
)

// positionOf is that of touch i of n. The only touch is a last one half of the time.
func (p *person) positionOf(i, n int) position {
	switch {
	case n == 1 && p.chance(0.5):
		return first
	case i == n-1:
		return last
	case i == 0:
		return first
	}
	return middle
}

// weight is how often the campaign is met at a position and a time.
func (c *campaign) weight(on platform, where position, at time.Time) float64 {
	if c.on&on == 0 {
		return 0
	}
	w := [...]float64{c.first, c.middle, c.last}[where]
	if c.every == 0 {
		return w
	}
	phase := int64(len(c.name)) // so that bursts do not all fall on one day
	if (at.Unix()/int64(day/time.Second)+phase)%c.every < 3 {
		return 2.2 * w
	}
	return 0.5 * w
}

// meet chooses the campaign of a touch.
func (p *person) meet(on platform, where position, at time.Time) *campaign {
	total := 0.0
	for i := range p.g.campaigns {
		total += p.g.campaigns[i].weight(on, where, at)
	}
	r := p.random.Float64() * total
	for i := range p.g.campaigns {
		c := &p.g.campaigns[i]
		if r -= c.weight(on, where, at); r < 0 {
			return c
		}
	}
	return &p.g.campaigns[0]
}

// query is the campaign's addition to the address of its landing page or to the store's
// referrer.
func (c *campaign) query(clickParameter, clickID string) url.Values {
	q := url.Values{"utm_source": {c.source}, "utm_medium": {c.medium}, "utm_campaign": {c.name}}
	if c.keyword != "" {
		q.Set("utm_term", c.keyword)
	}
	if c.ad != "" {
		q.Set("utm_content", c.ad)
	}
	if clickParameter != "" {
		q.Set(clickParameter, clickID)
	}
	return q
}
