package system

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Journeys makes the traffic of people whose journeys lie at the edges of the
// rules: paths of 0 to 40 touches, touches at one instant, at the end of a window
// to the millisecond, reported twice, and after their conversion; people of several
// devices that become known as one, reinstalls, coming back, clicks that arrive by pages,
// deep links, installs and orders, also those of other people, refunds, orders reported
// twice, campaigns that installs claim, ids used again with the same or other content. It is a
// pure function of its seed and its moment, holds few people at a time, and mixes up the order of its messages.
type Journeys struct {
	seed   uint64
	moment int64 // in milliseconds, what all times are before
	mix    *rand.Rand

	person, people int
	pool           []Message
	poolSize       int

	Sent        int    // messages given out
	Distinct    int    // ids among them
	Sum         uint64 // of the hashes of the distinct ids, exclusive or
	Conversions int    // distinct
	Contents    int    // of the distinct ids: more, where an id is used for several
}

// NewJourneys makes the journeys of so many people.
func NewJourneys(seed uint64, people int, moment time.Time) *Journeys {
	return &Journeys{
		seed: seed, moment: moment.UnixMilli(), people: people, poolSize: 100_000,
		mix: rand.New(rand.NewPCG(seed, 1<<63)),
	}
}

// Next returns a message of anybody, false at the end.
func (j *Journeys) Next() (Message, bool) {
	for len(j.pool) < j.poolSize && j.person < j.people {
		j.fill()
	}
	if len(j.pool) == 0 {
		return Message{}, false
	}
	last := len(j.pool) - 1
	at := j.mix.IntN(len(j.pool))
	m := j.pool[at]
	j.pool[at], j.pool[last] = j.pool[last], Message{}
	j.pool = j.pool[:last]
	j.Sent++
	return m, true
}

// fill adds the messages of the next person.
func (j *Journeys) fill() {
	p := life{r: rand.New(rand.NewPCG(j.seed, uint64(j.person))), moment: j.moment, id: fmt.Sprintf("p%07d", j.person)}
	p.live()
	j.person++
	j.pool = append(j.pool, p.messages...)
	j.Distinct += p.ids
	j.Conversions += p.conversions
	j.Contents += p.ids + p.conflicts
	j.Sum ^= p.sum
}

// JourneySettings are the versions of the settings that the journeys are laid out
// for, oldest first, each with when it began. The lateness limits are short enough
// for something to be late, however few the people are.
func JourneySettings(moment time.Time, people int) ([]attribution.Settings, []time.Time) {
	first := attribution.Default()
	first.Reattribution, first.Reengagement, first.Inactivity = 20*attribution.Day, 10*attribution.Day, 2*attribution.Day
	first.Lateness = min(int64(people), 30*attribution.Second)
	first.ConversionEvents = []string{"Order Completed", "Application Opened"}
	versions := []attribution.Settings{first, first, first, first}
	versions[1].Transform, versions[1].HalfLife, versions[1].ImpressionsInMTA = attribution.CollapseRepeats, 36*attribution.Hour, true
	versions[2].Lookback, versions[2].ClickWindow, versions[2].Fraud.ShortTime = 10*attribution.Day, 2*attribution.Day, attribution.Reject
	versions[2].Overrides = []attribution.Override{{MediaSource: "tiktok", ClickWindow: attribution.Hour, ImpressionWindow: attribution.Hour}}
	versions[3].Transform, versions[3].Lateness, versions[3].Fraud.DeviceFrequency = attribution.IgnoreDirect, first.Lateness/4, attribution.Reject
	versions[3].PositionFirst, versions[3].PositionMiddle, versions[3].PositionLast, versions[3].Fraud.MaxClicks = 300_000, 300_000, 400_000, 2
	var from []time.Time
	for i, days := range []int{200, 30, 15, 5} {
		versions[i].Generation = uint64(i + 1)
		from = append(from, moment.Add(-time.Duration(days)*24*time.Hour).Truncate(time.Millisecond))
	}
	return versions, from
}

// life is that of one person.
type life struct {
	r      *rand.Rand
	moment int64
	id     string

	devices  int
	n        int // of ids
	messages []Message

	ids, conversions int
	conflicts        int // further contents of ids
	sum              uint64
}

func (p *life) live() {
	p.devices = 1 + max(0, p.r.IntN(6)-3) // one, seldom two or three
	pivot := p.moment - attribution.Minute - p.r.Int64N(40*attribution.Day)
	if p.r.IntN(10) > 0 {
		for d := range p.devices {
			p.identify(d, pivot)
		}
	}
	if p.r.IntN(2) == 0 {
		p.install(0, pivot)
		if p.r.IntN(4) == 0 {
			p.install(0, min(pivot+p.edge(), p.moment))
		}
	}
	touches := []int{0, p.r.IntN(4), p.r.IntN(4), 1 + p.r.IntN(8), p.r.IntN(41)}[min(4, p.r.IntN(18)/4)]
	last := pivot
	for range touches {
		at := pivot - p.edge()
		if p.r.IntN(6) == 0 {
			at = last
		}
		last = min(at, p.moment)
		p.touch(p.r.IntN(p.devices), last)
		if p.r.IntN(4) == 0 {
			p.arrive(p.r.IntN(p.devices), min(last+p.r.Int64N(attribution.Hour), p.moment))
		}
	}
	for range 2 + p.r.IntN(6) {
		at := pivot
		switch p.r.IntN(4) {
		case 0:
			at += p.edge()
		case 1:
			at += p.r.Int64N(30 * attribution.Day)
		}
		p.convert(p.r.IntN(p.devices), min(at, p.moment))
	}
	if p.r.IntN(4) == 0 {
		p.comeBack(0, min(pivot+p.edge(), p.moment))
	}
}

// edge is a span of time: often exactly that of a window, or a millisecond beside.
func (p *life) edge() int64 {
	edges := []int64{
		0, attribution.Hour, attribution.Day, 2 * attribution.Day, 7 * attribution.Day, 10 * attribution.Day, 20 * attribution.Day, 30 * attribution.Day,
		12 * attribution.Day, 8 * attribution.Day, 10 * attribution.Second,
	}
	switch p.r.IntN(3) {
	case 0:
		return edges[p.r.IntN(len(edges))] + p.r.Int64N(3) - 1
	case 1:
		return p.r.Int64N(3 * attribution.Day)
	}
	return p.r.Int64N(45 * attribution.Day)
}

func (p *life) nextID() string {
	p.n++
	return fmt.Sprintf("%s-%03d", p.id, p.n)
}

// tell sends a message; now and then twice, or its id with other content.
func (p *life) tell(id string, touch, conversion bool, body map[string]any, other func(map[string]any)) {
	add := func() {
		data, err := json.Marshal(body)
		if err != nil { // maps of strings
			return
		}
		p.messages = append(p.messages, Message{ID: id, Touch: touch, Raw: data})
	}
	add()
	p.ids++
	p.sum ^= city.CH64([]byte(id))
	if conversion {
		p.conversions++
	}
	switch p.r.IntN(40) {
	case 0:
		add()
	case 1:
		other(body)
		add()
		p.conflicts++
	}
}

func stamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func (p *life) anonymous(device int) string { return fmt.Sprintf("anon-%s-%d", p.id, device) }

func (p *life) advertising(device int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-0000%s", device+1, "0"+p.id[1:])
}

func (p *life) touch(device int, at int64) {
	id := p.nextID()
	keys := map[string]string{"anonymous_id": p.anonymous(device), "gaid": p.advertising(device)}
	if p.r.IntN(3) == 0 {
		delete(keys, "gaid")
	}
	body := map[string]any{
		"id": id, "kind": []string{"click", "click", "impression", "visit"}[p.r.IntN(4)], "time": stamp(at),
		"media_source": []string{"google", "facebook", "tiktok", "newsletter", "direct", "affiliate"}[p.r.IntN(6)],
		"campaign":     fmt.Sprintf("c%d", p.r.IntN(5)), "keys": keys,
	}
	if p.r.IntN(4) == 0 {
		body["retargeting"] = true
	}
	if p.r.IntN(3) == 0 {
		body["click_id"] = p.click(3)
	}
	p.tell(id, true, false, body, func(b map[string]any) { b["media_source"], b["time"] = "podcast", stamp(at-p.r.Int64N(2)) })
}

// click names a click of the person, or now and then one of somebody near.
func (p *life) click(count int) string {
	of := p.id
	if p.r.IntN(8) == 0 {
		of = p.id[:len(p.id)-1] // a link that was forwarded among ten people
	}
	return fmt.Sprintf("k-%s-%d", of, p.r.IntN(count))
}

// arrive opens a page or the app by an address that names a click.
func (p *life) arrive(device int, at int64) {
	address := "https://shop.example/?click_id=" + p.click(4)
	if p.r.IntN(3) == 0 {
		address = fmt.Sprintf("https://shop.example/?gclid=g-%s-%d", p.id, p.r.IntN(2))
	}
	if p.r.IntN(3) == 0 {
		id, body := p.message(device, at, "track", "Deep Link Opened")
		body["properties"] = map[string]any{"url": address}
		p.tell(id, false, false, body, func(b map[string]any) { b["timestamp"] = stamp(at - 3) })
		return
	}
	id, body := p.message(device, at, "page", "")
	body["context"] = map[string]any{"page": map[string]any{"url": address}}
	p.tell(id, false, false, body, func(b map[string]any) { b["timestamp"] = stamp(at - 3) })
}

// message is the frame of a message from a device.
func (p *life) message(device int, at int64, kind, event string) (string, map[string]any) {
	id := p.nextID()
	body := map[string]any{"messageId": id, "anonymousId": p.anonymous(device), "timestamp": stamp(at), "type": kind}
	if event != "" {
		body["event"] = event
	}
	return id, body
}

func (p *life) identify(device int, at int64) {
	id, body := p.message(device, at, "identify", "")
	body["userId"] = "user-" + p.id
	// With other ids it would link these too, and events do not tell it: of a message id one row stays.
	p.tell(id, false, false, body, func(b map[string]any) { b["traits"] = map[string]string{"plan": "free"} })
}

func (p *life) install(device int, at int64) {
	id, body := p.message(device, at, "track", "Application Installed")
	context := map[string]any{"device": map[string]string{"type": "android", "advertisingId": p.advertising(device)}}
	properties := map[string]any{}
	switch p.r.IntN(9) {
	case 0:
		properties["install_referrer"] = "click_id=" + p.click(4) + "&utm_source=x"
	case 1:
		properties["install_referrer"] = "utm_source=elsewhere&utm_campaign=x"
	case 2:
		properties["click_id"] = p.click(4)
	case 3:
		properties["install_referrer"] = fmt.Sprintf("utm_source=google&utm_campaign=spring&gclid=g-%s-0", p.id)
	case 4:
		context["campaign"] = map[string]string{"source": "Facebook", "name": "promo"}
	}
	if p.r.IntN(30) == 0 {
		context["consent"] = map[string]any{"attribution": false}
	}
	body["context"], body["properties"] = context, properties
	p.tell(id, false, true, body, func(b map[string]any) { b["timestamp"] = stamp(at - 1) })
}

func (p *life) convert(device int, at int64) {
	id, body := p.message(device, at, "track", "Order Completed")
	body["properties"] = map[string]any{
		"revenue":  fmt.Sprintf("%d.%06d", p.r.IntN(500)-20, p.r.IntN(1_000_000)),
		"currency": []string{"EUR", "EUR", "USD", "JPY"}[p.r.IntN(4)],
	}
	order := fmt.Sprintf("n-%s-%d", p.id, p.r.IntN(4))
	switch p.r.IntN(10) {
	case 0:
		delete(body, "properties")
	case 1, 2, 3, 4:
		body["properties"].(map[string]any)["order_id"] = order
	case 5:
		body["properties"].(map[string]any)["click_id"] = p.click(4)
	}
	if p.r.IntN(5) == 0 {
		p.refund(device, min(at+p.edge(), p.moment), order)
	}
	if p.r.IntN(4) == 0 {
		body["userId"] = "user-" + p.id
	}
	p.tell(id, false, true, body, func(b map[string]any) {
		other := map[string]any{"revenue": "1.000001", "currency": "EUR"}
		if said, ok := b["properties"].(map[string]any); ok && said["click_id"] != nil {
			other["click_id"] = said["click_id"] // without it the links of both contents would stay, and events do not tell it
		}
		b["properties"] = other
	})
}

func (p *life) refund(device int, at int64, order string) {
	id, body := p.message(device, at, "track", "Order Refunded")
	body["properties"] = map[string]any{"order_id": order, "total": fmt.Sprintf("%d.5", 1+p.r.IntN(100)), "currency": "EUR"}
	p.tell(id, false, true, body, func(b map[string]any) { b["timestamp"] = stamp(at - 2) })
}

func (p *life) comeBack(device int, at int64) {
	for range 1 + p.r.IntN(3) {
		id, body := p.message(device, min(at, p.moment), "track", "Application Opened")
		p.tell(id, false, true, body, func(b map[string]any) { b["timestamp"] = stamp(at - 5) })
		at += p.edge()
	}
}
