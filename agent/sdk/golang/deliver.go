package unmogrowp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	version       = "0.1.0"
	firstPause    = 250 * time.Millisecond
	longestPause  = 30 * time.Second
	longestOrder  = 300 * time.Second // that a Retry-After may ask for
	maxAnswer     = 1 << 20
	libraryFields = `"context":{"library":{"name":"unmogrowp-go","version":"` + version + `"}},`
)

// batch are messages that go to one path, oldest first. Those of the spool have
// a file, and are settled.
type batch struct {
	messages []message
	file     string
}

// run delivers batches in order until the client is closed and nothing waits,
// or it is abandoned.
func (c *Client) run() {
	for {
		b, ok := c.next()
		if !ok {
			return
		}
		rest, v := c.deliver(b)
		if !v.later {
			continue
		}
		if rest.file == "" {
			c.queue.giveBack(rest.messages)
		}
		c.spill()
		if !c.pause(max(backOff(c.failures), v.after), v.after > 0) {
			return
		}
	}
}

// deliver sends a batch until all of it was answered, or something is to be
// tried later: then it returns the rest.
func (c *Client) deliver(b batch) (batch, verdict) {
	for len(b.messages) > 0 {
		n := min(c.limit, len(b.messages))
		v := c.attempt(b.messages[:n])
		if v.later {
			c.failures++
			c.route.lost()
			return b, v
		}
		c.failures = 0
		if v.status == http.StatusRequestEntityTooLarge && n > 1 {
			c.limit = (n + 1) / 2
			continue
		}
		c.limit = maxBatch
		c.conclude(b.messages[:n], v)
		if b.file == "" {
			c.queue.settle(n)
		}
		b.messages = b.messages[n:]
	}
	if b.file != "" {
		c.spool.remove(b.file)
	}
	return b, verdict{}
}

// spill moves what waits in memory to the spool, as far as there is room.
func (c *Client) spill() {
	if c.spool == nil {
		return
	}
	for {
		messages := c.queue.take(maxBatch, maxBatchBytes)
		if len(messages) == 0 {
			return
		}
		if err := c.spool.put(messages); err != nil {
			c.queue.giveBack(messages)
			if !errors.Is(err, errSpoolFull) {
				c.options.Logger.Warn("spool not written; messages wait in memory", "error", err)
			}
			return
		}
		c.queue.settle(len(messages))
	}
}

// next waits for a batch. There is none any more when the client is abandoned,
// or closed and empty.
func (c *Client) next() (batch, bool) {
	for {
		if c.abandoned.Err() != nil {
			return batch{}, false
		}
		if b, ok := c.fromSpool(); ok {
			return b, true
		}
		closing := c.isClosing()
		if closing || c.queue.wanted() {
			if messages := c.queue.take(maxBatch, maxBatchBytes); len(messages) > 0 {
				return batch{messages: messages}, true
			}
		}
		if closing {
			return batch{}, false
		}
		if c.await() {
			if messages := c.queue.take(maxBatch, maxBatchBytes); len(messages) > 0 {
				return batch{messages: messages}, true
			}
		}
	}
}

// await waits until a batch should go, and reports whether because the first
// message has waited long enough.
func (c *Client) await() bool {
	if c.queue.empty() {
		select {
		case <-c.queue.first:
		case <-c.closing:
			return false
		}
	}
	timer := time.NewTimer(c.options.Interval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.queue.ready:
	case <-c.closing:
	}
	return false
}

func (c *Client) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// fromSpool reads the oldest batch of the spool.
func (c *Client) fromSpool() (batch, bool) {
	for c.spool != nil {
		name, messages, bad, err := c.spool.oldest()
		if name == "" {
			return batch{}, false
		}
		for _, m := range bad {
			c.reject(m, "unreadable", "the message was damaged on the disk of the spool")
		}
		if err != nil {
			c.options.Logger.Warn("spooled batch set aside: it cannot be read", "file", name, "error", err)
			continue
		}
		if len(messages) > 0 {
			return batch{messages: messages, file: name}, true
		}
		c.spool.remove(name)
	}
	return batch{}, false
}

// pause waits before the next attempt and reports whether there is to be one. With
// a spool, messages that come meanwhile go there, and a client that is closed does
// not wait. Without, it tries once more at once, unless the agent ordered to wait.
func (c *Client) pause(d time.Duration, ordered bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	closing := c.closing
	if c.spool == nil && (ordered || c.isClosing()) {
		closing = nil
	}
	for {
		select {
		case <-timer.C:
			return true
		case <-c.abandoned.Done():
			return false
		case <-closing:
			return c.spool == nil
		case <-c.queue.ready:
			c.spill()
		}
	}
}

// backOff is between a half and the whole of a pause that doubles: clients that
// failed together do not return together.
func backOff(failures int) time.Duration {
	d := firstPause << min(failures-1, 10)
	d = min(d, longestPause)
	return d/2 + rand.N(d/2)
}

// verdict is what became of a request.
type verdict struct {
	later  bool // the same may be accepted later
	after  time.Duration
	status int // 200, or that of a final refusal
	answer answer
}

// answer is the body of an agent's answer.
type answer struct {
	Success  bool `json:"success"`
	Rejected []struct {
		Index  int    `json:"index"`
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"rejected"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// attempt sends messages once.
func (c *Client) attempt(messages []message) verdict {
	later := verdict{later: true}
	path := messages[0].path
	req, err := http.NewRequestWithContext(c.abandoned, http.MethodPost, c.route.url()+path, bytes.NewReader(body(messages)))
	if err != nil {
		c.options.Logger.Warn("request not made", "error", err)
		return later
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "unmogrowp-go/"+version)
	req.SetBasicAuth(c.options.Key, "")
	resp, err := c.http.Do(req)
	if err != nil {
		c.options.Logger.Debug("agent not reached", "error", err)
		return later
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		later.after = retryAfter(resp.Header)
		return later
	}
	v := verdict{status: resp.StatusCode}
	if json.Unmarshal(text, &v.answer) != nil && resp.StatusCode >= 400 {
		v.answer.Error.Message = resp.Status
	}
	if resp.StatusCode < 400 && (err != nil || !v.answer.Success) {
		return later // whatever else answers so is not an agent
	}
	return v
}

func body(messages []message) []byte {
	var b bytes.Buffer
	if messages[0].path == pathTouch {
		b.WriteString(`{"touches":[`)
	} else {
		b.WriteString(`{` + libraryFields + `"sentAt":"` + timeOf(time.Time{}) + `","batch":[`)
	}
	for i, m := range messages {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(m.json)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// retryAfter reads whole seconds, as agents write them, and a little more, so
// that not all clients return at once.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return 0
	}
	d := min(time.Duration(seconds)*time.Second, longestOrder)
	return d + rand.N(d/10)
}

// conclude tells which of the messages the agent refused for good.
func (c *Client) conclude(messages []message, v verdict) {
	if v.status >= 300 {
		code := v.answer.Error.Code
		if code == "" {
			code = "status_" + strconv.Itoa(v.status)
		}
		for _, m := range messages {
			c.reject(m, code, v.answer.Error.Message)
		}
		return
	}
	for _, r := range v.answer.Rejected {
		if r.Index >= 0 && r.Index < len(messages) {
			c.reject(messages[r.Index], r.Code, r.Reason)
		}
	}
}
