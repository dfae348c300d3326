package ingest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxChunk is how much goes to the buffer at once: a quarter of a block, so that
// requests of any size share blocks well.
const maxChunk = protocol.MaxBlockRaw / 4

// keep adds an event to the encoded events of the request.
func (c *call) keep(e *protocol.Event) event.Reason {
	from := len(c.encoded)
	c.encoded = protocol.AppendEvent(c.encoded, e)
	if len(c.encoded)-from > protocol.MaxEventBytes {
		c.encoded = c.encoded[:from]
		return event.TooLarge
	}
	if e.Warnings != 0 {
		c.h.metrics.warn(e.Warnings)
	}
	if n := len(c.chunks); n > 0 {
		last, start := &c.chunks[n-1], 0
		if n > 1 {
			start = c.chunks[n-2].end
		}
		if len(c.encoded)-start <= maxChunk {
			last.end = len(c.encoded)
			last.count++
			return event.Accepted
		}
	}
	c.chunks = append(c.chunks, chunk{end: len(c.encoded), count: 1})
	return event.Accepted
}

// append makes the accepted events durable. If a later chunk fails, the earlier
// ones are stored although the request is refused: the client sends all of it
// again, and message ids make the second time harmless.
func (c *call) append() *problem {
	c.release()
	if p := c.checkQuota(); p != nil {
		return p
	}
	from, total := 0, 0
	for _, part := range c.chunks {
		seq, err := c.h.Buffer.Append(c.r.Context(), c.encoded[from:part.end:part.end], part.count)
		if err != nil {
			return c.bufferProblem(err)
		}
		c.seqs = append(c.seqs, seq)
		from = part.end
		total += part.count
	}
	c.h.metrics.accept(total)
	return nil
}

func (c *call) bufferProblem(err error) *problem {
	for _, part := range c.chunks {
		c.h.metrics.refuse(part.count)
	}
	var full interface{ RetryAfter() time.Duration }
	if errors.As(err, &full) {
		return &problem{status: http.StatusTooManyRequests, code: "buffer_full", retryAfter: full.RetryAfter(),
			text: "this agent's disk quota is used up until an aggregator has taken events; send the request again later"}
	}
	if c.r.Context().Err() == nil && c.h.complain(c.began) {
		c.h.Logger.Error("buffer refuses events", "error", err)
	}
	return &problem{status: http.StatusServiceUnavailable, code: "not_stored", retryAfter: time.Second,
		text: "the events could not be stored; send the request again"}
}

// complainEvery is how often the log says that events cannot be stored: every
// request would, and fill the disk that is left.
const complainEvery = 10 * time.Second

func (h *Handler) complain(now time.Time) bool {
	last := h.complained.Load()
	return now.UnixNano()-last >= int64(complainEvery) && h.complained.CompareAndSwap(last, now.UnixNano())
}

// wait returns once an aggregator has acknowledged the events.
func (c *call) wait() *problem {
	ctx, cancel := context.WithTimeout(c.r.Context(), syncTimeout)
	defer cancel()
	defer context.AfterFunc(c.h.serving, cancel)()
	for _, seq := range c.seqs {
		if err := c.h.Buffer.WaitStored(ctx, seq); err != nil {
			return &problem{status: http.StatusServiceUnavailable, code: "not_confirmed", retryAfter: 5 * time.Second,
				text: "the events are stored on the agent, but no aggregator has confirmed them yet; they will be delivered, sending them again is harmless"}
		}
	}
	return nil
}
