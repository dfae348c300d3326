package ingest

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxPostback bounds a postback of Apple's; real ones have about 1 KiB.
const maxPostback = 16 << 10

// Names under which Apple's postbacks are stored, those whose signature is not
// valid with another beginning: what nobody signed is not to be counted with
// what Apple did.
const (
	skadnetworkPostback = "SKAdNetwork Postback"
	attributionPostback = "AdAttributionKit Postback"
	unverifiedPostback  = "Unverified "
)

// skadnetwork serves POST /.well-known/skadnetwork/report-attribution/: a
// conversion of an ad, told by the device without saying whose. It is stored
// with no address or id that could join it with a device.
func (c *call) skadnetwork() *problem {
	return c.postback("app-id", func(w *writer) *problem {
		d := &c.doc
		if version := d.scalar(d.member(0, "version")); !supportedSKAdNetwork(version) {
			return &problem{status: http.StatusBadRequest, code: "unsupported_version",
				text: "SKAdNetwork 1.0 and 2.0 sign with P-192, which is no longer secure; postbacks of 2.1 and later are taken"}
		}
		return c.writePostback(w, postback{
			name: skadnetworkPostback, id: d.str(d.member(0, "transaction-id")), idName: "transaction-id",
			index: d.scalar(d.member(0, "postback-sequence-index")), signature: verifySKAdNetwork(d, appleKeys[productionKey].public),
		})
	})
}

// attributionKit serves POST /.well-known/appattribution/report-attribution/:
// the same of AdAttributionKit, where the facts are in a JSON Web Signature.
func (c *call) attributionKit() *problem {
	return c.postback("", func(w *writer) *problem {
		claims, p := c.claims()
		if p != nil {
			return p
		}
		return c.writePostback(w, postback{
			name: attributionPostback, id: claims.str(claims.member(0, "postback-identifier")), idName: "postback-identifier",
			index: claims.scalar(claims.member(0, "postback-sequence-index")), claims: claims,
			signature: verifyAttributionKit(c.doc.str(c.doc.member(0, "jws-string")), appleKeys),
		})
	})
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

// postback reads a postback, finds its app, and stores what write makes of it.
// item is the member that names the app at Apple, empty if the claims do.
func (c *call) postback(item string, write func(*writer) *problem) *problem {
	key := c.r.URL.Query().Get("key")
	if key == "" {
		key = headerKey(c.r)
	}
	if key != "" {
		if p := c.authorize(key); p != nil {
			return p
		}
	}
	if p := c.openForeign(maxPostback, 1); p != nil {
		return p
	}
	if p := c.appleApp(item, key != ""); p != nil {
		return p
	}
	w := c.rewriting()
	if p := write(w); p != nil {
		return p
	}
	if p := c.become(w, 1); p != nil {
		return p
	}
	if p := c.one(protocol.KindTrack); p != nil {
		return p
	}
	return c.store()
}

// appleApp finds the app by its number in the App Store, since Apple's devices
// send no key. Where a key has said the app, the number must not belong to
// another one: a client key is public, and so is a postback that Apple signed.
func (c *call) appleApp(item string, keyed bool) *problem {
	d := &c.doc
	number := d.scalar(d.member(0, item))
	if item == "" {
		claims, p := c.claims()
		if p != nil {
			return p
		}
		number = claims.scalar(claims.member(0, "advertised-item-identifier"))
	}
	id := c.rules.AppleApps[number]
	switch {
	case keyed && id != "" && id != c.app.ID:
		return &problem{status: http.StatusForbidden, code: "other_app", text: "this postback is of another app than the write key"}
	case keyed:
		return nil
	case id != "":
		app, ok := c.h.Directory.App(id)
		if ok && !app.Blocked {
			c.app = app
			return nil
		}
		if !c.h.Directory.Fresh() {
			return &problem{status: http.StatusServiceUnavailable, code: "app_not_known_yet", retryAfter: closingProblem().retryAfter,
				text: "this agent is cut off from its aggregators and does not know the app; send the request again later"}
		}
	}
	return &problem{status: http.StatusUnauthorized, code: "unknown_app",
		text: `no app for this postback; add its App Store number to the agent's setting apple_apps, or a write key to the address as "?key="`}
}

// claims are what the JSON Web Signature of a postback says.
func (c *call) claims() (*document, *problem) {
	d := &c.doc
	parts := strings.Split(clip(d.str(d.member(0, "jws-string")), maxPostback), ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "=")); err == nil {
			if claims, ok := c.inner(string(text)); ok {
				return claims, nil
			}
		}
	}
	return nil, &problem{status: http.StatusBadRequest, code: "malformed_jws",
		text: `"jws-string" must be a JSON Web Signature in compact form with an object as its payload`}
}

// postback is what is stored of one besides its body.
type postback struct {
	name      string
	id        string // at Apple
	idName    string // the member that holds it
	index     string // of the conversion window, of which there are three; "" in older versions
	signature verdict
	claims    *document // nil where the body holds everything
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
func (c *call) writePostback(w *writer, p postback) *problem {
	id := p.messageID()
	if !validMessageID(id) {
		return &problem{status: http.StatusBadRequest, code: "missing_id", text: `a postback needs its "` + p.idName + `"`}
	}
	name := p.name
	if p.signature != verdictValid {
		name = unverifiedPostback + name
	}
	w.begin("")
	w.text("type", "track")
	w.text("event", name)
	w.text("messageId", id)
	w.begin("properties")
	w.text("signature", string(p.signature))
	w.begin("postback") // none of its members is to mean something to us
	w.members(&c.doc, 0)
	w.end()
	if p.claims != nil {
		w.begin("claims")
		w.members(p.claims, 0)
		w.end()
	}
	w.end()
	w.literal("context", `{"library":{"name":"apple-postback"}}`)
	w.end()
	return nil
}
