package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// problem is a refusal of a whole request: the fault, its place, and how to
// mend it.
type problem struct {
	status     int
	code       string
	text       string
	offset     int // byte of the uncompressed body, if placed
	placed     bool
	retryAfter time.Duration // rounded up to whole seconds; 0 sends no header
	allow      string        // methods, of a 405
}

func closingProblem() *problem {
	return &problem{status: http.StatusServiceUnavailable, code: "closing", retryAfter: 2 * time.Second,
		text: "this agent is shutting down; send the request again, to another agent or later"}
}

func itoa(n int) string { return strconv.Itoa(n) }

// refuse writes a problem.
func (c *call) refuse(p *problem) {
	type fault struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Offset  *int   `json:"offset,omitempty"`
	}
	body := struct {
		Success bool  `json:"success"`
		Error   fault `json:"error"`
	}{Error: fault{Code: p.code, Message: p.text}}
	if p.placed {
		body.Error.Offset = &p.offset
	}
	encoded, err := json.Marshal(body)
	if err != nil { // strings and an integer always encode
		encoded = []byte(`{"success":false}`)
	}
	header := c.w.Header()
	if p.retryAfter > 0 {
		seconds := max(int((p.retryAfter+time.Second-1)/time.Second), 1)
		header.Set("Retry-After", itoa(min(seconds, 300))) // SDKs obey up to 300
	}
	if p.allow != "" {
		header.Set("Allow", p.allow)
	}
	if p.code == "closing" {
		header.Set("Connection", "close")
	}
	header.Set("Cache-Control", "no-store")
	status := p.status
	if p.final() && neverGivesUp(c.r.UserAgent()) {
		status = http.StatusOK
	}
	c.write(status, "application/json", append(encoded, '\n'))
}

// final reports whether the same request can never be accepted.
func (p *problem) final() bool {
	return p.status == http.StatusBadRequest || p.status == http.StatusRequestEntityTooLarge
}

// neverGivesUp knows the SDK that sends a request again after any failure: told
// the truth in the status it would send a bad one for ever, and nothing else.
func neverGivesUp(agent string) bool {
	return strings.HasPrefix(agent, "analytics-swift/") || strings.HasPrefix(agent, "analytics-ios/")
}

// answer tells that the events are durable, which were refused, and which ids
// were made for them.
func (c *call) answer() {
	if len(c.rejected) == 0 && len(c.minted) == 0 && len(c.warned) == 0 {
		c.write(http.StatusOK, "application/json", []byte(`{"success":true}`))
		return
	}
	b := appendRejected([]byte(`{"success":true`), c.rejected)
	if len(c.minted) > 0 {
		b = append(b, `,"message_ids":[`...)
		for i, m := range c.minted {
			b = appendComma(b, i)
			b = append(b, `{"index":`...)
			b = strconv.AppendInt(b, int64(m.index), 10)
			b = append(b, `,"id":`...)
			b = strconv.AppendQuote(b, m.id)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	c.write(http.StatusOK, "application/json", append(appendWarnings(b, c.warned), '}'))
}

// appendWarnings appends the list of facts that were not stored as they were
// sent, if there are any.
func appendWarnings(b []byte, warned []event.Warned) []byte {
	if len(warned) == 0 {
		return b
	}
	b = append(b, `,"warnings":[`...)
	for i, w := range warned {
		b = append(appendComma(b, i), `{"index":`...)
		b = strconv.AppendInt(b, int64(w.Index), 10)
		b = append(b, `,"code":"`...)
		b = append(b, w.Code.Codes()[0]...)
		b = append(b, `","detail":`...)
		b = document.AppendString(b, w.Detail)
		b = append(b, '}')
	}
	return append(b, ']')
}

// warnInHeader tells the codes of the warnings where a vendor's answer has no room for more.
func warnInHeader(header http.Header, warned []event.Warned) {
	var all protocol.Warnings
	for _, w := range warned {
		all |= w.Code
	}
	if all != 0 {
		header.Set("X-Warnings", strings.Join(all.Codes(), ", "))
	}
}

// appendRejected appends the list of refused events, if there are any.
func appendRejected(b []byte, rejected []event.Rejection) []byte {
	if len(rejected) == 0 {
		return b
	}
	b = append(b, `,"rejected":[`...)
	for i, r := range rejected {
		b = appendRejection(appendComma(b, i), r)
	}
	return append(b, ']')
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendRejection(b []byte, r event.Rejection) []byte {
	e := r.Reason.Explain()
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(r.Index), 10)
	b = append(b, `,"code":"`...)
	b = append(b, e.Code...)
	b = append(b, `","reason":`...)
	b = document.AppendString(b, r.Text())
	if r.Offset >= 0 {
		b = append(b, `,"offset":`...)
		b = strconv.AppendInt(b, int64(r.Offset), 10)
	}
	return append(b, '}')
}

func (c *call) write(status int, contentType string, body []byte) {
	header := c.w.Header()
	header["Content-Type"] = c.h.typeHeader(contentType)
	header["X-Content-Type-Options"] = c.h.nosniff
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client is gone if this fails; the events are stored
	}
}

// typeHeader spares the answer of the hot path an allocation.
func (h *Handler) typeHeader(contentType string) []string {
	if contentType == "application/json" {
		return h.jsonType
	}
	return []string{contentType}
}

// gifPixel is the smallest GIF: one transparent pixel.
const gifPixel = "" +
	"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func writeGIF(c *call) {
	c.w.Header().Set("Cache-Control", "no-store")
	c.write(http.StatusOK, "image/gif", []byte(gifPixel))
}
