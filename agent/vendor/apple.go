package vendor

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
)

// MaxPostback bounds a postback of Apple's; real ones have about 1 KiB.
const MaxPostback = 16 << 10

// Names under which Apple's postbacks are stored, those whose signature is not
// valid with another beginning: what nobody signed is not to be counted with
// what Apple did.
const (
	skadnetworkPostback = "SKAdNetwork Postback"
	attributionPostback = "AdAttributionKit Postback"
	unverifiedPostback  = "Unverified "
)

// SKAdNetwork writes a postback of SKAdNetwork: a conversion of an ad, told by the device
// without saying whose. It is stored with no address or id that could join it with a device.
func (r *Rewriter) SKAdNetwork(request *Request) *Refusal {
	d := request.Doc
	if version := d.Scalar(d.Member(0, "version")); !supportedSKAdNetwork(version) {
		return &Refusal{"unsupported_version", "SKAdNetwork 1.0 and 2.0 sign with P-192, which is no longer secure; postbacks of 2.1 and later are taken"}
	}
	return r.writePostback(d, postback{
		name: skadnetworkPostback, id: d.Str(d.Member(0, "transaction-id")), idName: "transaction-id",
		index: d.Scalar(d.Member(0, "postback-sequence-index")), signature: verifySKAdNetwork(d, appleKeys[productionKey].public),
	})
}

// AttributionKit writes a postback of AdAttributionKit, where the facts are in a JSON Web Signature.
func (r *Rewriter) AttributionKit(request *Request) *Refusal {
	d := request.Doc
	claims, refusal := r.claims(d)
	if refusal != nil {
		return refusal
	}
	return r.writePostback(d, postback{
		name: attributionPostback, id: claims.Str(claims.Member(0, "postback-identifier")), idName: "postback-identifier",
		index: claims.Scalar(claims.Member(0, "postback-sequence-index")), claims: claims,
		signature: verifyAttributionKit(d.Str(d.Member(0, "jws-string")), appleKeys),
	})
}

// SKAdNetworkApp is the number in the App Store of the app that a postback of SKAdNetwork is about.
func (r *Rewriter) SKAdNetworkApp(request *Request) (string, *Refusal) {
	d := request.Doc
	return d.Scalar(d.Member(0, "app-id")), nil
}

// AttributionKitApp is the same of a postback of AdAttributionKit.
func (r *Rewriter) AttributionKitApp(request *Request) (string, *Refusal) {
	d := request.Doc
	claims, refusal := r.claims(d)
	if refusal != nil {
		return "", refusal
	}
	return claims.Scalar(claims.Member(0, "advertised-item-identifier")), nil
}

// claims are the contents of the JSON Web Signature of a postback.
func (r *Rewriter) claims(d *document.Document) (*document.Document, *Refusal) {
	token := d.Str(d.Member(0, "jws-string"))
	parts := strings.Split(token[:min(len(token), MaxPostback)], ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "=")); err == nil {
			if claims, ok := r.inner(string(text)); ok {
				return claims, nil
			}
		}
	}
	return nil, &Refusal{"malformed_jws", `"jws-string" must be a JSON Web Signature in compact form with an object as its payload`}
}

// supportedSKAdNetwork accepts 2.1 and everything later. Version 1.0 does not
// say its version.
func supportedSKAdNetwork(version string) bool {
	major, minor, _ := strings.Cut(version, ".")
	m, err := strconv.ParseUint(major, 10, 8)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(minor, 10, 8)
	return err == nil && (m > 2 || m == 2 && n >= 1)
}

// postback holds the stored facts of a postback besides its body.
type postback struct {
	name      string
	id        string // at Apple
	idName    string // the member that holds it
	index     string // of the conversion window, one of three; "" in older versions
	signature verdict
	claims    *document.Document // nil where the body holds everything
}

// messageID tells apart the postbacks of one conversion, and those that Apple
// signed from those that claim to be the same: whoever sends one first must not
// take the place of another.
func (p *postback) messageID() string {
	id := p.id
	if p.index != "" && p.index != "0" {
		id += "." + p.index
	}
	if id != "" && p.signature != verdictValid {
		id = string(p.signature) + "." + id
	}
	return id
}

// writePostback writes a track call that holds the body, what its signature is
// worth, and the claims where there are any.
func (r *Rewriter) writePostback(d *document.Document, p postback) *Refusal {
	w := &r.Writer
	id := p.messageID()
	if !event.ValidMessageID(id) {
		return &Refusal{"missing_id", `a postback needs its "` + p.idName + `"`}
	}
	name := p.name
	if p.signature != verdictValid {
		name = unverifiedPostback + name
	}
	w.Begin("")
	w.Text("type", "track")
	w.Text("event", name)
	w.Text("messageId", id)
	w.Begin("properties")
	w.Text("signature", string(p.signature))
	w.Begin("postback") // none of its members is to mean something to us
	w.Members(d, 0)
	w.End()
	if p.claims != nil {
		w.Begin("claims")
		w.Members(p.claims, 0)
		w.End()
	}
	w.End()
	w.Literal("context", `{"library":{"name":"apple-postback"}}`)
	w.End()
	return nil
}
