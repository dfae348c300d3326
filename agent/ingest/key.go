package ingest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxKey bounds the bytes of a write key.
const maxKey = 256

// headerKey returns the write key of the Authorization header: Basic with the
// key as user and nothing as password, where some clients forget the colon, or
// Bearer.
func headerKey(r *http.Request) string {
	scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || len(rest) > 2*maxKey {
		return ""
	}
	rest = strings.TrimSpace(rest)
	if strings.EqualFold(scheme, "Bearer") {
		return rest
	}
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
	if err != nil {
		return ""
	}
	key, _, _ := strings.Cut(string(decoded), ":")
	return key
}

// authorize finds the app that a key writes to. While the directory may be out
// of date an unknown key is told to come again, or else the events of a new app
// would be lost.
func (c *call) authorize(key string) *problem {
	if key == "" {
		return &problem{status: http.StatusUnauthorized, code: "missing_key",
			text: `no write key; send it as user of Basic authorization, as Bearer token or as "writeKey" in the body`}
	}
	if len(key) <= maxKey {
		if k, ok := c.h.Directory.Key(sha256.Sum256([]byte(key))); ok {
			app, ok := c.h.Directory.App(k.App)
			if ok && !app.Blocked {
				c.key, c.app = k, app
				return nil
			}
		}
	}
	if !c.h.Directory.Fresh() {
		return &problem{status: http.StatusServiceUnavailable, code: "key_not_known_yet", retryAfter: 5 * time.Second,
			text: "this agent is cut off from its aggregators and does not know the key; send the request again later"}
	}
	return &problem{status: http.StatusUnauthorized, code: "unknown_key",
		text: "the write key is unknown or was revoked; take the key from the app's settings"}
}

// trusted reports whether the request came with a server key.
func (c *call) trusted() bool { return c.key.Kind == protocol.KeyServer }

// open checks the key, reads the body and parses it. shallow is the depth at
// which events lie.
func (c *call) open(shallow int) *problem {
	key := headerKey(c.r)
	if key != "" { // before the body is read: the cheapest refusals
		if p := c.authorize(key); p != nil {
			return p
		}
		if p := c.checkSpent(); p != nil {
			return p
		}
	}
	if p := c.read(); p != nil {
		return p
	}
	if p := c.parse(shallow); p != nil {
		return p
	}
	if key == "" {
		if p := c.authorize(c.doc.str(c.doc.member(0, "writeKey"))); p != nil {
			return p
		}
	}
	return c.checkOrigin()
}

// parse makes a document of the body, which must hold one object.
func (c *call) parse(shallow int) *problem {
	l := &c.h.Limits
	err := c.doc.parse(c.body, documentLimits{Depth: l.Depth + shallow - 1, Keys: l.Keys, String: l.StringBytes, Nodes: maxNodes, Shallow: shallow})
	if err == nil && c.doc.nodes[0].kind != kindObject {
		err = &syntaxError{Text: "a JSON object wanted"}
	}
	if err == nil {
		return nil
	}
	p := &problem{status: http.StatusBadRequest, code: "malformed_json", text: "the body is not JSON: " + err.Error()}
	if s, ok := err.(*syntaxError); ok {
		p.offset, p.placed = s.Offset, !c.converted
	}
	return p
}
