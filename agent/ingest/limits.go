package ingest

import (
	"time"

	"github.com/unmogrowp/unmogrowp/agent/document"
)

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
	l.Keys = min(l.Keys, document.MaxKeys)
	l.BodyBytes = min(l.BodyBytes, maxBody)
	return l
}

const (
	ratioFloor  = 1 << 20 // bytes: a smaller body may be as repetitive as it likes
	maxBody     = 64 << 20
	maxNodes    = 1 << 19 // values of a body: bounds the index over it to 8 MiB
	keepScratch = 1 << 20 // bytes of buffers that are kept for the next request

	syncTimeout = 30 * time.Second
)
