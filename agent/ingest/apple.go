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

// Names under which Apple's postbacks are stored.
const (
	skadnetworkPostback = "SKAdNetwork Postback"
	attributionPostback = "AdAttributionKit Postback"
)

// skadnetwork serves POST /.well-known/skadnetwork/report-attribution/: a
// conversion of an ad, told by the device without saying whose. It is stored
// with its signature, which is not verified here, and with no address or id that
// could join it with a device.
func (c *call) skadnetwork() *problem {
	return c.postback("app-id", func(w *writer) *problem {
		d := &c.doc
		if version := d.scalar(d.member(0, "version")); !supportedSKAdNetwork(version) {
			return &problem{status: http.StatusBadRequest, code: "unsupported_version",
				text: "SKAdNetwork 1.0 and 2.0 sign with P-192, which is no longer secure; postbacks of 2.1 and later are taken"}
		}
		return c.writePostback(w, skadnetworkPostback, d.str(d.member(0, "transaction-id")), "transaction-id", nil)
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
		return c.writePostback(w, attributionPostback, claims.str(claims.member(0, "postback-identifier")), "postback-identifier", claims)
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
	if key == "" {
		if p := c.appleApp(item); p != nil {
			return p
		}
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

// appleApp finds the app by its number in the App Store: Apple's devices send no
// key.
func (c *call) appleApp(item string) *problem {
	d := &c.doc
	number := d.scalar(d.member(0, item))
	if item == "" {
		claims, p := c.claims()
		if p != nil {
			return p
		}
		number = claims.scalar(claims.member(0, "advertised-item-identifier"))
	}
	if id := c.rules.AppleApps[number]; id != "" {
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

// writePostback writes a track call that holds the body, and the claims where
// there are any.
func (c *call) writePostback(w *writer, name, id, idName string, claims *document) *problem {
	if !validMessageID(id) {
		return &problem{status: http.StatusBadRequest, code: "missing_id", text: `a postback needs its "` + idName + `"`}
	}
	w.begin("")
	w.text("type", "track")
	w.text("event", name)
	w.text("messageId", id)
	w.begin("properties")
	w.begin("postback") // none of its members is to mean something to us
	w.members(&c.doc, 0)
	w.end()
	if claims != nil {
		w.begin("claims")
		w.members(claims, 0)
		w.end()
	}
	w.end()
	w.literal("context", `{"library":{"name":"apple-postback"}}`)
	w.end()
	return nil
}
