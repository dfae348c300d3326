package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// Requests in the formats of other vendors are rewritten as calls of the Segment
// API and then go through the same steps. What the vendor's request said is kept
// in the payload under the vendor's name.

// maxForeign bounds a request in another vendor's format, uncompressed.
const maxForeign = 256 << 10

// The names under which conversions and installs are known here.
const (
	orderCompleted    = "Order Completed"
	installed         = "Application Installed"
	applicationOpened = "Application Opened"
	refunded          = "Order Refunded"
)

// ownName is the name here of an event that other vendors predefine. All other
// names stay as they are.
func ownName(name string) string {
	switch name {
	case "af_purchase", "purchase", "in_app_purchase", "ecommerce_purchase":
		return orderCompleted
	case "first_open", "install", "af_install":
		return installed
	case "app_open":
		return applicationOpened
	case "refund", "af_refund":
		return refunded
	}
	return name
}

// openForeign reads a body of the given size at most and parses it. shallow is
// the depth at which its events lie.
func (c *call) openForeign(limit, shallow int) *problem {
	if p := c.readForeign(limit); p != nil {
		return p
	}
	if p := c.parse(shallow); p != nil {
		return p
	}
	if len(c.doc.faults) > 0 && shallow == 1 {
		return c.rejectedProblem(rejection{offset: c.doc.faults[0].offset, reason: c.doc.faults[0].reason})
	}
	return nil
}

func (c *call) readForeign(limit int) *problem {
	if p := c.read(); p != nil {
		return p
	}
	if len(c.body) > limit {
		return &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large",
			text: "such a request may have " + itoa(limit) + " bytes uncompressed; send less in each"}
	}
	return nil
}

// become replaces the body by what it was rewritten to, and parses that.
func (c *call) become(w *writer, shallow int) *problem {
	if c.raw != nil {
		c.raw.bytes = c.body
	}
	c.body, c.converted = w.out, true
	return c.parse(shallow)
}

// rewriting returns a writer into memory that the call does not need now.
func (c *call) rewriting() *writer {
	if c.raw == nil {
		return &writer{}
	}
	return &writer{out: c.raw.bytes[:0]}
}

// derivedID is a message id that is the same whenever the same is sent again.
func derivedID(vendor string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write([]byte(part)) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	return vendor + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// writer writes JSON. Members without a value are left out.
type writer struct{ out []byte }

// begin opens an object; name is empty for the root and in a list.
func (w *writer) begin(name string) { w.out = append(w.next(name), '{') }
func (w *writer) end()              { w.out = append(w.out, '}') }

func (w *writer) next(name string) []byte {
	b := w.out
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' && b[n-1] != ':' {
		b = append(b, ',')
	}
	if name == "" {
		return b
	}
	return append(appendString(b, name), ':')
}

func (w *writer) text(name, s string) {
	if s != "" {
		w.out = appendString(w.next(name), s)
	}
}

// literal writes what already is JSON.
func (w *writer) literal(name, json string) {
	if json != "" {
		w.out = append(w.next(name), json...)
	}
}

// value copies a value of a document; null is no value.
func (w *writer) value(name string, d *document, v ref) {
	if k := d.kind(v); k != kindNone && k != kindNull {
		w.out = append(w.next(name), d.raw(v)...)
	}
}

// time writes a number of seconds to nanoseconds since the epoch as a number,
// also if it came as text.
func (w *writer) time(name, at string) {
	if epochTime(at) != 0 && strings.Trim(at, "0123456789.") == "" && at[len(at)-1] != '.' {
		w.literal(name, at)
		return
	}
	w.text(name, at)
}

// members copies the members of an object that are not in without.
func (w *writer) members(d *document, object ref, without ...string) {
	if d.kindOrRoot(object) != kindObject {
		return
	}
	d.members(object, func(key string, v ref) bool {
		for _, name := range without {
			if key == name {
				return true
			}
		}
		w.value(key, d, v)
		return true
	})
}

// kindOrRoot is kind, where 0 means the root.
func (d *document) kindOrRoot(r ref) kind {
	if len(d.nodes) == 0 {
		return kindNone
	}
	return d.nodes[r].kind
}

// appendString quotes s. Bytes that are not UTF-8 stay so, for parse to find.
func appendString[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch b := s[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// inner parses a text within a request that should hold an object, such as
// AppsFlyer's eventValue. The document is good until the next call.
func (c *call) inner(text string) (*document, bool) {
	d := &c.second
	l := &c.h.Limits
	err := d.parse([]byte(text), documentLimits{Depth: l.Depth, Keys: l.Keys, String: l.StringBytes, Nodes: maxForeign, Shallow: 1})
	return d, err == nil && d.nodes[0].kind == kindObject
}

// object writes a text that holds an object as that object, else as the text.
func (w *writer) object(c *call, name, text string) {
	if _, ok := c.inner(text); ok {
		w.literal(name, text)
		return
	}
	w.text(name, text)
}
