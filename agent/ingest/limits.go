package ingest

import "time"

// Limits bound one request. A zero field takes its default.
type Limits struct {
	WireBytes    int // bytes of a body as sent; default 1 MiB
	BodyBytes    int // bytes of a body uncompressed; default 8 MiB, at most 64 MiB
	Ratio        int // uncompressed to sent, for bodies over 1 MiB; default 100
	Events       int // events of a batch; default 2500
	EventBytes   int // bytes of one event; default 32 KiB
	Depth        int // nested objects and lists of one event; default 8
	Keys         int // keys of one object; default 200, at most 512
	StringBytes  int // bytes of one string; default 8 KiB
	DecodingSize int // bytes of bodies being read or decoded at once, over all requests; default 64 MiB
}

func (l Limits) withDefaults() Limits {
	for _, f := range [...]struct {
		field *int
		value int
	}{
		{&l.WireBytes, 1 << 20}, {&l.BodyBytes, 8 << 20}, {&l.Ratio, 100}, {&l.Events, 2500},
		{&l.EventBytes, 32 << 10}, {&l.Depth, 8}, {&l.Keys, 200}, {&l.StringBytes, 8 << 10},
		{&l.DecodingSize, 64 << 20},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	l.Keys = min(l.Keys, tableSize/2)
	l.BodyBytes = min(l.BodyBytes, maxBody)
	return l
}

const (
	ratioFloor   = 1 << 20 // bytes: a smaller body may be as repetitive as it likes
	maxBody      = 64 << 20
	maxNodes     = 1 << 19 // values of a body: bounds the index over it to 8 MiB
	maxID        = 256     // bytes of a user, device or click id, and of an event's name
	maxMessageID = 100     // bytes, as in the Segment HTTP API
	maxShort     = 256     // bytes of a campaign field; the payload has all of it
	maxReferrer  = 1024
	maxUserAgent = 512
	keepScratch  = 1 << 20 // bytes of buffers that are kept for the next request

	syncTimeout    = 30 * time.Second
	latestTime     = 5 * time.Minute      // an event's time may be so far ahead of the agent's clock
	earliestTime   = 90 * 24 * time.Hour  // and so far behind
	oldestOriginal = 360 * 24 * time.Hour // a claimed time further back or ahead is no part of the storage key
	newestOriginal = 24 * time.Hour

	saneFrom = 631152000000  // 1990-01-01 in milliseconds
	saneTo   = 4102444800000 // 2100-01-01
)
