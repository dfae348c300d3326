// Package traffic makes up the traffic of a shop with a web site and apps: people who see and
// click campaigns of a dozen media sources, visit, install, log in, switch devices and buy.
//
// It is a pure function of its options, and stronger than that: everybody who first shows up on
// a given day is generated from the seed and that day alone, and events that have not happened
// yet are left out. So traffic made a second time has the same messages with the same ids, traffic
// made later only adds the messages since, and more people only add people. A system that
// counts every message id once can be sent it again and again without counting anything twice.
package traffic

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// Days is how many days the traffic reaches back. A month is shown by default; people whose
	// story began before that make its first days look like the others.
	Days = 42

	// MaxPeople bounds the memory of one traffic: about 10 KB a person.
	MaxPeople = 20_000

	// edition is mixed into every id: increase it when the same seed gives other content, or
	// the old messages and the new ones would be conflicts under one id.
	edition = 1

	day = 24 * time.Hour
)

// Options choose the traffic.
type Options struct {
	Seed   uint64
	Now    time.Time // nothing happens after it
	People int       // how many there are over all days, about
}

// Lane is the door of the agent through which a message goes.
type Lane uint8

// The lanes: an SDK's client key, a shop server's key, and touches that networks report.
const (
	Client Lane = iota
	Server
	Touches
	lanes
)

// Message is one message as the agent gets it.
type Message struct {
	ID   string
	Lane Lane
	At   time.Time // when it happened
	Body []byte    // one JSON object

	due  time.Time // when it is sent: later for late messages
	copy bool      // the same message, sent again
}

// Traffic is the whole of it, in the order in which it is sent.
type Traffic struct {
	Messages []Message
	Summary  Summary
}

// Summary says how much a system must show that has received all messages.
type Summary struct {
	From, To    time.Time // of all messages, half-open
	People      int
	Events      int // distinct messages
	Repeated    int // messages sent a second time
	Late        int // messages sent after something that happened later
	Clicks      int
	Impressions int
	Installs    int
	Orders      int
	Revenue     map[string]int64 // of orders, in millionths, by currency
}

// Generate makes the traffic.
func Generate(o Options) (*Traffic, error) {
	if o.People < 1 || o.People > MaxPeople {
		return nil, fmt.Errorf("generate traffic of %d people: 1 to %d are possible", o.People, MaxPeople)
	}
	g := &generator{options: o, campaigns: campaigns(), countries: countries(), products: products(),
		summary: Summary{Revenue: map[string]int64{}}}
	last := o.Now.UTC().Truncate(day)
	g.summary.To = o.Now.UTC().Add(time.Millisecond)
	g.summary.From = last.Add(-Days * day) // a day begins earlier in the east
	for date := g.summary.From.Add(day); !date.After(last); date = date.Add(day) {
		number := date.Unix() / int64(day/time.Second)
		for i := range g.newcomers(number) {
			g.live(date, number, i)
		}
	}
	if g.err != nil {
		return nil, g.err
	}
	slices.SortStableFunc(g.messages, func(a, b Message) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.ID, b.ID))
	})
	return &Traffic{Messages: g.messages, Summary: g.summary}, nil
}

// generator collects the messages of all people.
type generator struct {
	options   Options
	campaigns []campaign
	countries []country
	products  []product

	messages []Message
	summary  Summary
	err      error
}

// newcomers is how many people show up for the first time on a day: more on weekends, and more
// or less with the weeks.
func (g *generator) newcomers(number int64) int {
	weekday := [...]float64{1.12, 0.95, 0.94, 0.97, 0.99, 0.96, 1.07} // Sunday first
	random := rand.New(rand.NewPCG(g.options.Seed^edition, uint64(number)))
	n := float64(g.options.People) / Days
	n *= weekday[(number+4)%7] // the epoch was a Thursday
	n *= 1 + 0.12*math.Sin(2*math.Pi*float64(number)/23)
	n *= 0.94 + 0.12*random.Float64()
	return int(n + random.Float64())
}

// live generates one person's whole story.
func (g *generator) live(date time.Time, number int64, i int) {
	random := rand.New(rand.NewPCG(g.options.Seed^edition<<32, uint64(number)<<24|uint64(i)))
	p := &person{g: g, random: random}
	p.born(date)
	before := len(g.messages)
	if p.platform == web {
		p.browse()
	} else {
		p.adopt()
	}
	if len(g.messages) > before {
		g.summary.People++
	}
}

// add takes a message if it has happened by now.
func (g *generator) add(m Message) bool {
	if m.At.After(g.options.Now) {
		return false
	}
	g.messages = append(g.messages, m)
	if m.copy {
		g.summary.Repeated++
		return true
	}
	g.summary.Events++
	if m.due.After(m.At) {
		g.summary.Late++
	}
	return true
}
