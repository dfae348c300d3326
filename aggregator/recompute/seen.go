package recompute

import (
	"encoding/binary"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// print identifies a fact: for a touch or conversion one variant of it, for a
// link its two keys, whenever it was received.
type print struct {
	hash uint64
	at   int64 // received stamp of a link, 0 for others
}

// seen remembers facts that need no recomputation any more. It is a filter that
// saves work: a fact that it has forgotten is computed again, with the same result.
// It holds up to twice its limit in two generations; the elder is dropped when the
// younger is full.
type seen struct {
	limit int

	mu     sync.Mutex
	recent map[uint64]int64
	former map[uint64]int64
}

func newSeen(limit int) *seen {
	return &seen{limit: limit, recent: make(map[uint64]int64)}
}

func (s *seen) add(prints []print) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range prints {
		if at, ok := s.recent[p.hash]; ok && at <= p.at {
			continue
		}
		if len(s.recent) >= s.limit {
			s.former, s.recent = s.recent, make(map[uint64]int64, s.limit)
		}
		s.recent[p.hash] = p.at
	}
}

func (s *seen) has(hash uint64) bool { return s.knows(hash, 0) }

// knows reports whether a fact received at or before at is remembered. Of a link
// only the earliest sighting matters.
func (s *seen) knows(hash uint64, at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.recent[hash]; ok && t <= at {
		return true
	}
	t, ok := s.former[hash]
	return ok && t <= at
}

// fingerprints returns the prints of all facts.
func fingerprints(f *attribution.Facts) []print {
	prints := make([]print, 0, size(f))
	for i := range f.Touches {
		prints = append(prints, print{hash: touchPrint(&f.Touches[i])})
	}
	for i := range f.Conversions {
		prints = append(prints, print{hash: conversionPrint(&f.Conversions[i])})
	}
	for i := range f.Links {
		prints = append(prints, print{hash: linkPrint(&f.Links[i]), at: f.Links[i].Received})
	}
	return prints
}

func touchPrint(t *attribution.Touch) uint64 {
	return hash("touch", t.App, t.ID, uint64(t.Received), t.Digest)
}

func conversionPrint(c *attribution.Conversion) uint64 {
	return hash("conversion", c.App, c.ID, uint64(c.Received), c.Digest)
}

func linkPrint(l *attribution.Link) uint64 {
	return hash("link", l.App, l.A+"\x00"+l.B, 0, 0)
}

func hash(kind, app, id string, received, digest uint64) uint64 {
	b := make([]byte, 0, 192)
	for _, text := range [...]string{kind, app, id} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	b = binary.LittleEndian.AppendUint64(b, received)
	b = binary.LittleEndian.AppendUint64(b, digest)
	return xxhash.Sum64(b)
}
