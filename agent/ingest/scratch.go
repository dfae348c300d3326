package ingest

import (
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/agent/vendor"
)

// scratch holds the buffers for turning a body into events. A call holds one
// only while it computes, not while it waits for a client or for the disk, so
// there are about as many as processors, however many requests are under way.
// The strings of the event being built are views of the body or of unescaped
// text: nothing of a scratch may be used after release.
type scratch struct {
	body     []byte // uncompressed, and JSON
	gzip     *gzip.Reader
	brotli   *brotli.Reader
	maker    event.Maker
	rewriter vendor.Rewriter
}

// wire is a body as it was sent.
type wire struct{ bytes []byte }

// compute takes a scratch.
func (c *call) compute() {
	c.scratch = c.h.scratches.Get().(*scratch)
	l := &c.h.Limits
	c.rewriter.Limits = document.Limits{Depth: l.Depth, Keys: l.Keys, String: l.StringBytes, Nodes: maxForeign, Shallow: 1}
	c.rewriter.Out = c.rewriter.Out[:0]
}

// release gives back buffers that the call no longer needs once its events are
// encoded. Buffers that have become large are left to the garbage collector.
func (c *call) release() {
	if w := c.raw; w != nil {
		c.raw = nil
		if cap(w.bytes) <= keepScratch {
			c.h.wires.Put(w)
		}
	}
	if s := c.scratch; s != nil {
		c.scratch = nil
		s.maker.Forget()
		if cap(s.body)+cap(s.rewriter.Out)+s.maker.Size()+s.rewriter.Size() <= 4*keepScratch {
			c.h.scratches.Put(s)
		}
	}
	c.budget.release()
}
