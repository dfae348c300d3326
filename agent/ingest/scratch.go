package ingest

import (
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// scratch is what turning a body into events needs. A call holds one only while
// it computes, not while it waits for a client or for the disk, so there are
// about as many as processors, however many requests are under way. The strings
// of the event being built are views of the body or of what was unescaped:
// nothing of a scratch may be used after release.
type scratch struct {
	body    []byte // uncompressed, and JSON
	gzip    *gzip.Reader
	brotli  *brotli.Reader
	doc     document
	second  document // of a JSON text within the body
	shared  shared
	message message
	event   protocol.Event
	payload []byte
	agents  agentCache
}

// wire is a body as it was sent.
type wire struct{ bytes []byte }

// compute takes a scratch.
func (c *call) compute() {
	c.scratch = c.h.scratches.Get().(*scratch)
	c.shared, c.doc.faults = shared{}, c.doc.faults[:0]
}

// release gives back what the call no longer needs once its events are encoded.
// What has become large is left to the garbage collector.
func (c *call) release() {
	if w := c.raw; w != nil {
		c.raw = nil
		if cap(w.bytes) <= keepScratch {
			c.h.wires.Put(w)
		}
	}
	if s := c.scratch; s != nil {
		c.scratch = nil
		s.message, s.event = message{}, protocol.Event{}
		if cap(s.body)+cap(s.payload)+16*cap(s.doc.nodes)+cap(s.doc.unescaped)+16*cap(s.second.nodes) <= 4*keepScratch {
			c.h.scratches.Put(s)
		}
	}
	c.h.using.Add(-c.reserved)
	c.reserved = 0
}
