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

// keyPlace is where a write key may be.
type keyPlace struct {
	find func(*call) string
	late bool // the request has to be read first
}

// inHeader is the Authorization header.
var inHeader = keyPlace{find: func(c *call) string { return headerKey(c.r) }}

// inBody is the member "writeKey" of the body.
var inBody = keyPlace{late: true, find: func(c *call) string { return c.maker.Doc.Str(c.maker.Doc.Member(0, "writeKey")) }}

func inHeaderNamed(name string) keyPlace {
	return keyPlace{find: func(c *call) string { return c.r.Header.Get(name) }}
}

func inQuery(name string) keyPlace {
	return keyPlace{find: func(c *call) string { return c.r.URL.Query().Get(name) }}
}

func inForm(name string) keyPlace {
	return keyPlace{late: true, find: func(c *call) string { return c.form.Get(name) }}
}

func inPath(name string) keyPlace {
	return keyPlace{find: func(c *call) string { return c.r.PathValue(name) }}
}
