package ingest

import (
	"net/http"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// A call is one request. Calls are pooled: nothing of one may be used after end.
type call struct {
	h        *Handler
	w        http.ResponseWriter
	r        *http.Request
	began    time.Time
	received int64 // milliseconds

	rules *Rules
	key   protocol.Key
	app   protocol.App

	raw      *wire // from read to release
	*scratch       // from compute to release
	reserved int64 // bytes counted in Handler.using

	converted bool   // body was msgpack: places in it mean nothing to the client
	address   string // of the client
	located   located

	encoded  []byte
	chunks   []chunk
	rejected []rejection
	minted   []minted
	seqs     []uint64
}

// chunk is a part of encoded that goes to the buffer in one Append.
type chunk struct{ end, count int }

// minted is a message id that the agent made.
type minted struct {
	index int
	id    string
}

func (c *call) begin(w http.ResponseWriter, r *http.Request) {
	now := c.h.Now()
	c.w, c.r, c.began, c.received = w, r, now, now.UnixMilli()
	c.key, c.app, c.address, c.converted = protocol.Key{}, protocol.App{}, "", false
	c.located, c.rules = located{}, c.h.rules.Load()
	c.encoded, c.chunks, c.seqs = c.encoded[:0], c.chunks[:0], c.seqs[:0]
	c.rejected, c.minted = c.rejected[:0], c.minted[:0]
	allowOrigin(w.Header(), r)
	closeAfterChunks(w.Header(), r)
}

// closeAfterChunks ends an HTTP/1 connection with the answer to a body in chunks.
// net/http hides whether a Content-Length came with it, and what something in
// front of us takes for the rest of that length must not become a request of its
// own here. RFC 9112, section 6.3.
func closeAfterChunks(header http.Header, r *http.Request) {
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		header.Set("Connection", "close")
	}
}

// end records the request and gives its memory back, unless it is large.
func (c *call) end(p *problem) {
	c.h.metrics.request(p, c.h.Now().Sub(c.began))
	c.release()
	c.w, c.r = nil, nil
	if cap(c.encoded) > keepScratch {
		c.encoded = nil
	}
	c.h.calls.Put(c)
}

// single serves the paths that carry one event.
func (c *call) single(k protocol.Kind) *problem {
	if p := c.open(1); p != nil {
		return p
	}
	if p := c.one(k); p != nil {
		return p
	}
	return c.store()
}

// one accepts the root of the document as the only event.
func (c *call) one(k protocol.Kind) *problem {
	if len(c.doc.faults) > 0 {
		return c.rejectedProblem(rejection{offset: c.doc.faults[0].offset, reason: c.doc.faults[0].reason})
	}
	if r := c.accept(0, 0, k); r.reason != accepted {
		return c.rejectedProblem(r)
	}
	return nil
}

// rejectedProblem refuses a request because of its only event.
func (c *call) rejectedProblem(r rejection) *problem {
	c.h.metrics.reject(r.reason)
	e := r.reason.explain()
	p := &problem{status: http.StatusBadRequest, code: e.code, text: e.text, offset: r.offset, placed: !c.converted}
	if r.reason == reasonEventTooLarge {
		p.status = http.StatusRequestEntityTooLarge
	}
	return p
}

// batch serves the paths that carry a list of events.
func (c *call) batch() *problem {
	if p := c.open(3); p != nil {
		return p
	}
	if p := c.each(); p != nil {
		return p
	}
	return c.store()
}

// each accepts what it can of the events of a batch.
func (c *call) each() *problem {
	d := &c.doc
	var list ref
	c.shared, list = d.shared()
	if d.kind(list) != kindArray {
		return &problem{status: http.StatusBadRequest, code: "missing_batch", text: `the body needs "batch", a list of events`}
	}
	if p := c.checkShared(list); p != nil {
		return p
	}
	index := 0
	for item := list + 1; item < d.nodes[list].next; item = d.nodes[item].next {
		if r := c.accept(index, item, protocol.KindUnknown); r.reason != accepted {
			c.reject(r)
		}
		index++
	}
	return nil
}

// reject notes that one event of several was refused.
func (c *call) reject(r rejection) {
	if c.converted {
		r.offset = -1
	}
	c.h.metrics.reject(r.reason)
	c.rejected = append(c.rejected, r)
}

// checkShared refuses a batch that has too many events, or a fault in what all
// of them share.
func (c *call) checkShared(list ref) *problem {
	d, count := &c.doc, 0
	for item := list + 1; item < d.nodes[list].next; item = d.nodes[item].next {
		if count++; count > c.h.Limits.Events {
			return &problem{status: http.StatusRequestEntityTooLarge, code: "too_many_events",
				text: "a batch holds at most " + itoa(c.h.Limits.Events) + " events; send more batches"}
		}
	}
	from, to := int(d.nodes[list].start), int(d.nodes[list].end)
	for _, f := range d.faults {
		if f.offset < from || f.offset >= to {
			e := f.reason.explain()
			return &problem{status: http.StatusBadRequest, code: e.code, text: e.text, offset: f.offset, placed: !c.converted}
		}
	}
	return nil
}

// store appends what was accepted, waits if asked to, and answers.
func (c *call) store() *problem {
	if p := c.persist(); p != nil {
		return p
	}
	c.answer()
	return nil
}

// persist makes what was accepted durable, and with ?sync=true waits for an
// aggregator.
func (c *call) persist() *problem {
	if p := c.append(); p != nil {
		return p
	}
	if strings.Contains(c.r.URL.RawQuery, "sync") && c.r.URL.Query().Get("sync") == "true" {
		return c.wait()
	}
	return nil
}
