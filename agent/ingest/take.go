package ingest

import (
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// handle serves the paths of an endpoint.
func (h *Handler) handle(e *endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			preflight(w, r, e.method)
			return
		}
		c := h.calls.Get().(*call)
		c.begin(w, r)
		p := c.check(e.method)
		if p == nil {
			p = c.serve(e)
		}
		if p != nil {
			c.refuse(p)
		}
		c.end(p)
	})
}

// check refuses what no path serves.
func (c *call) check(method string) *problem {
	if c.h.serving.Err() != nil {
		return closingProblem()
	}
	if p := c.checkAddress(); p != nil {
		return p
	}
	if method == "" || method == http.MethodGet && c.r.Method == http.MethodHead {
		return nil
	}
	for m := range strings.SplitSeq(method, ", ") {
		if c.r.Method == m {
			return nil
		}
	}
	return &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed", allow: method + ", OPTIONS",
		text: "this path answers " + method + " and OPTIONS only"}
}

// serve takes the messages of a request, or serves what takes none.
func (c *call) serve(e *endpoint) *problem {
	if e.serve != nil {
		if p := c.admit(e); p != nil {
			return p
		}
		return e.serve(c)
	}
	var p *problem
	if c.r.Method != http.MethodHead { // which only looks what would be answered
		p = c.take(e)
	}
	if e.answer != nil {
		return e.answer(c, p)
	}
	if p == nil {
		c.answer()
	}
	return p
}

// take makes the messages of a request events, and the events durable.
func (c *call) take(e *endpoint) *problem {
	c.kind = e.kind
	if p := c.admit(e); p != nil {
		return p
	}
	if !c.opened {
		if p := c.checkSpent(); p != nil { // before the body is read: the cheapest refusals
			return p
		}
	}
	if p := c.open(e); p != nil {
		return p
	}
	if e.rewrite != nil {
		if p := c.rewrite(e); p != nil {
			return p
		}
	}
	r := c.request()
	r.Trusted, r.Import, r.MayImport = c.trusted(), strings.HasSuffix(c.r.URL.Path, "/import"), c.trusted() && !c.key.NoImport
	r.Foreign = e.rewrite != nil && e.app == nil
	c.maker.Begin(r)
	if p := c.each(e); p != nil {
		return p
	}
	c.warned = append(c.warned, c.maker.Warned...)
	return c.persist()
}

// request holds the facts that the messages of this request have in common.
func (c *call) request() event.Request {
	h := c.h
	return event.Request{App: c.app, Received: c.received, Client: c, NewID: h.NewID, EventBytes: h.Limits.EventBytes,
		KeyHash: c.key.Hash, Robot: h.robot, Link: h.link}
}

// admit finds the write key and the app that it writes to. A key that may be in the body is looked
// for there last, because the body then has to be read first.
func (c *call) admit(e *endpoint) *problem {
	key := ""
	for _, place := range e.keys {
		if place.late {
			if p := c.open(e); p != nil {
				return p
			}
		}
		if key = place.find(c); key != "" {
			break
		}
	}
	if key == "" && e.keyless {
		return nil
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	return c.checkOrigin()
}

// open reads the request and parses it, once.
func (c *call) open(e *endpoint) *problem {
	if c.opened {
		return nil
	}
	c.opened = true
	read := e.read
	if read == nil {
		read = (*call).read
	}
	if p := read(c); p != nil {
		return p
	}
	if e.limit > 0 && len(c.body) > e.limit {
		return &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large",
			text: "such a request may have " + itoa(e.limit) + " bytes uncompressed; send less in each"}
	}
	if c.form != nil {
		return nil
	}
	return c.parse(e)
}

// parse makes a document of the body, which must hold one object. A fault of the only event is
// one of the request.
func (c *call) parse(e *endpoint) *problem {
	l, d := &c.h.Limits, &c.maker.Doc
	err := d.Parse(c.body, document.Limits{Depth: l.Depth + e.depth - 1, Keys: l.Keys, String: l.StringBytes, Nodes: maxNodes, Shallow: e.depth})
	if err == nil && d.Root() != document.Object {
		err = &document.SyntaxError{Text: "a JSON object wanted"}
	}
	if err == nil && e.depth == 1 && len(d.Faults) > 0 {
		return c.rejectedProblem(event.Rejection{Offset: d.Faults[0].Offset, Reason: event.Reason(d.Faults[0].Limit)})
	}
	if err == nil {
		return nil
	}
	p := &problem{status: http.StatusBadRequest, code: "malformed_json", text: "the body is not JSON: " + err.Error()}
	if s, ok := err.(*document.SyntaxError); ok {
		p.offset, p.placed = s.Offset, !c.converted
	}
	return p
}

// become replaces the body by its rewritten form, and parses that.
func (c *call) become(e *endpoint) *problem {
	if len(c.rewriter.Out) > c.h.Limits.BodyBytes {
		return c.h.Limits.problem(errTooLarge)
	}
	c.body, c.rewriter.Out, c.converted = c.rewriter.Out, c.body[:0], true
	return c.parse(e)
}

// each makes events of the messages of a request, as far as it can.
func (c *call) each(e *endpoint) *problem {
	switch {
	case e.take != nil:
		return e.take(c)
	case e.depth == 1:
		r := c.maker.Make(0, 0, c.kind, c.keep)
		if r.Reason != event.Accepted {
			return c.rejectedProblem(r)
		}
		c.note(r)
		return nil
	}
	d := &c.maker.Doc
	list := c.maker.Batch()
	if d.Kind(list) != document.Array {
		return &problem{status: http.StatusBadRequest, code: "missing_batch", text: `the body needs "batch", a list of events`}
	}
	if p := c.checkShared(list); p != nil {
		return p
	}
	for index, item := 0, list+1; item < d.Next(list); index, item = index+1, d.Next(item) {
		if r := c.maker.Make(index, item, protocol.KindUnknown, c.keep); r.Reason != event.Accepted {
			c.reject(r)
		} else {
			c.note(r)
		}
	}
	return nil
}

// note remembers the id that was minted for an accepted event, for the answer.
func (c *call) note(r event.Rejection) {
	if c.maker.Minted {
		c.minted = append(c.minted, minted{index: r.Index, id: c.maker.Event.ID})
	}
}

// rejectedProblem refuses a request because of its only event.
func (c *call) rejectedProblem(r event.Rejection) *problem {
	c.h.metrics.reject(r.Reason)
	e := r.Reason.Explain()
	p := &problem{status: http.StatusBadRequest, code: e.Code, text: r.Text(), offset: r.Offset, placed: !c.converted}
	if r.Reason == event.TooLarge {
		p.status = http.StatusRequestEntityTooLarge
	}
	return p
}

// reject notes that one event of several was refused.
func (c *call) reject(r event.Rejection) {
	if c.converted {
		r.Offset = -1
	}
	c.h.metrics.reject(r.Reason)
	c.rejected = append(c.rejected, r)
}

// checkShared refuses a batch that has too many events, or a fault in what all
// of them share.
func (c *call) checkShared(list document.Ref) *problem {
	d, count := &c.maker.Doc, 0
	for item := list + 1; item < d.Next(list); item = d.Next(item) {
		if count++; count > c.h.Limits.Events {
			return &problem{status: http.StatusRequestEntityTooLarge, code: "too_many_events",
				text: "a batch holds at most " + itoa(c.h.Limits.Events) + " events; send more batches"}
		}
	}
	from, to := d.Span(list)
	for _, f := range d.Faults {
		if f.Offset < from || f.Offset >= to {
			e := event.Reason(f.Limit).Explain()
			return &problem{status: http.StatusBadRequest, code: e.Code, text: e.Text, offset: f.Offset, placed: !c.converted}
		}
	}
	return nil
}
