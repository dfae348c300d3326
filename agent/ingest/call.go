package ingest

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/event"
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
	budget   budget

	kind      protocol.Kind // of a lone message, if its path says so
	form      url.Values    // parameters of a request that is no JSON
	opened    bool          // the request has been read
	converted bool          // body was rewritten: places in it mean nothing to the client
	address   string        // of the client
	located   located

	encoded  []byte
	chunks   []chunk
	rejected []event.Rejection
	minted   []minted
	warned   []event.Warned
	seqs     []uint64
	ids      []byte // of touches, for the answer
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
	c.key, c.app, c.address, c.converted, c.opened, c.form = protocol.Key{}, protocol.App{}, "", false, false, nil
	c.located, c.rules = located{}, c.h.rules.Load()
	c.encoded, c.chunks, c.seqs = c.encoded[:0], c.chunks[:0], c.seqs[:0]
	c.rejected, c.minted = c.rejected[:0], c.minted[:0]
	c.warned = c.warned[:0]
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

// persist makes the accepted events durable, and with ?sync=true waits for an
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
