// Package vendor rewrites requests in the formats of other vendors as calls of the Segment API,
// which then go through the same steps as all others. The contents of the vendor's request are kept
// in the payload under the vendor's name. The package is pure: it reads a document or parameters
// and writes a JSON text.
package vendor

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
)

// Rewriter writes the contents of a request as one call of the Segment API, or as a batch of them,
// into its Writer. It can be used again.
type Rewriter struct {
	document.Writer
	Limits document.Limits // of a JSON text within the request

	second document.Document // such a text
}

// Size is how many bytes of memory a rewriter holds, for those who keep rewriters.
func (r *Rewriter) Size() int { return r.second.Size() }

// Request holds the parts of a request that a rewriting may look at.
type Request struct {
	Doc        *document.Document // the body, if it is JSON
	List       document.Ref       // its list of events, if the endpoint has one
	Form       url.Values         // the parameters, if it is a form
	Parameters url.Values         // of the address
	Path       func(name string) string
}

// Refusal is why a request is refused as a whole: a code for programs and a text for people.
type Refusal struct{ Code, Text string }

func (r *Refusal) Error() string { return r.Text }

// The names under which conversions and installs are known here.
const (
	OrderCompleted    = "Order Completed"
	installed         = "Application Installed"
	applicationOpened = "Application Opened"
	refunded          = "Order Refunded"
)

// ownName is the name here of an event that other vendors predefine. All other
// names stay as they are.
func ownName(name string) string {
	switch name {
	case "af_purchase", "purchase", "in_app_purchase", "ecommerce_purchase":
		return OrderCompleted
	case "first_open", "install", "af_install":
		return installed
	case "app_open":
		return applicationOpened
	case "refund", "af_refund":
		return refunded
	}
	return name
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

// time writes a number of seconds to nanoseconds since the epoch as a number,
// also if it came as text.
func (r *Rewriter) time(name, at string) {
	if event.EpochTime(at) != 0 && strings.Trim(at, "0123456789.") == "" && at[len(at)-1] != '.' {
		r.Literal(name, at)
		return
	}
	r.Text(name, at)
}

// inner parses a text within a request that should hold an object, such as
// AppsFlyer's eventValue. The document is good until the next call.
func (r *Rewriter) inner(text string) (*document.Document, bool) {
	d := &r.second
	err := d.Parse([]byte(text), r.Limits)
	return d, err == nil && d.Root() == document.Object
}

// object writes a text that holds an object as that object, else as the text.
func (r *Rewriter) object(name, text string) {
	if _, ok := r.inner(text); ok {
		r.Literal(name, text)
		return
	}
	r.Text(name, text)
}
