package report

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// People puts the touches of a range together to the journeys of those who did
// not convert in it. Who is one person follows from shared match keys, and from
// identity links over any number of them. It is filled in this order: Converted,
// Link, Touch; touches come in the order of their time and id.
type People struct {
	at        map[uint64]int32 // hash of a key → its place
	parent    []int32
	converted map[uint64]bool
	touches   []metTouch
	channels  []string
	channelAt map[string]int32
}

type metTouch struct{ person, channel int32 }

// MaxPeopleTouches bounds the touches of a range whose journeys are put together,
// and so the memory that takes: about 100 bytes each.
const MaxPeopleTouches = 3_000_000

// NewPeople returns no people yet.
func NewPeople() *People {
	return &People{at: make(map[uint64]int32), converted: make(map[uint64]bool), channelAt: make(map[string]int32)}
}

// Converted says that whoever has a key converted.
func (p *People) Converted(key uint64) { p.converted[key] = true }

// Link says that two keys are of one person.
func (p *People) Link(a, b uint64) { p.union(p.place(a), p.place(b)) }

// Touch adds a touch with the hashes of its keys. One without keys is somebody's
// whom nothing else is known of.
func (p *People) Touch(channel string, keys []uint64) error {
	if len(p.touches) == MaxPeopleTouches {
		return invalid("the range has more than %d touches: ask for a shorter one", MaxPeopleTouches)
	}
	place := int32(len(p.parent))
	if len(keys) == 0 {
		p.parent = append(p.parent, place)
	} else {
		place = p.place(keys[0])
		for _, k := range keys[1:] {
			p.union(place, p.place(k))
		}
	}
	number, known := p.channelAt[channel]
	if !known {
		number = int32(len(p.channels))
		p.channelAt[channel] = number
		p.channels = append(p.channels, channel)
	}
	p.touches = append(p.touches, metTouch{place, number})
	return nil
}

func (p *People) place(key uint64) int32 {
	at, known := p.at[key]
	if !known {
		at = int32(len(p.parent))
		p.at[key] = at
		p.parent = append(p.parent, at)
	}
	return at
}

// find returns who a place belongs to, and shortens the way there.
func (p *People) find(at int32) int32 {
	for p.parent[at] != at {
		p.parent[at] = p.parent[p.parent[at]]
		at = p.parent[at]
	}
	return at
}

// union makes two places one person, who is the earlier place.
func (p *People) union(a, b int32) {
	a, b = p.find(a), p.find(b)
	p.parent[max(a, b)] = min(a, b)
}

// Lost returns the journeys of those who did not convert, adjacent touches of one
// channel as one, and how many people they are.
func (p *People) Lost() ([]attribution.Journey, int64) {
	converted := make(map[int32]bool)
	for key := range p.converted {
		if at, known := p.at[key]; known {
			converted[p.find(at)] = true
		}
	}
	paths := make(map[int32][]int32)
	for _, t := range p.touches {
		person := p.find(t.person)
		if converted[person] {
			continue
		}
		if path := paths[person]; len(path) == 0 || path[len(path)-1] != t.channel {
			paths[person] = append(path, t.channel)
		}
	}
	counted := make(map[string]int, len(paths))
	var list []attribution.Journey
	var key strings.Builder
	for _, path := range paths {
		path = path[max(0, len(path)-attribution.MaxTouches):]
		key.Reset()
		for _, c := range path {
			key.Write([]byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)})
		}
		at, known := counted[key.String()]
		if !known {
			at = len(list)
			counted[key.String()] = at
			channels := make([]string, len(path))
			for i, c := range path {
				channels[i] = p.channels[c]
			}
			list = append(list, attribution.Journey{Channels: channels})
		}
		list[at].Lost++
	}
	return list, int64(len(paths))
}
