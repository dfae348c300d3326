package protocol

// Settings is what an agent needs to serve on its own: apps, keys and tracking
// links. The aggregator sends a whole snapshot whenever its generation grows;
// the agent persists it and serves by it while cut off.
type Settings struct {
	Generation uint64 `msgpack:"g"`
	Apps       []App  `msgpack:"a"`
	Keys       []Key  `msgpack:"k"`
	Links      []Link `msgpack:"l"`
}

// App is an app as the agent sees it.
type App struct {
	ID      string   `msgpack:"i"`
	Name    string   `msgpack:"n"`
	Origins []string `msgpack:"o,omitempty"` // allowed CORS origins; empty means any
	Blocked bool     `msgpack:"b,omitempty"` // answers 401 for all its keys
}

// KeyKind says what a key may do.
type KeyKind string

// A client key is extractable from an SDK and only writes; a server key may
// also set timestamps, addresses and trusted revenue.
const (
	KeyClient KeyKind = "client"
	KeyServer KeyKind = "server"
)

// Key is a write key. The key itself never leaves the client: agents compare
// SHA-256 digests.
type Key struct {
	Hash []byte  `msgpack:"h"` // SHA-256 of the key
	App  string  `msgpack:"a"`
	Kind KeyKind `msgpack:"k"`
}

// Link is a tracking link: /c/{slug} for clicks, /i/{slug} for impressions.
// Destinations are only ever these; nothing in a request can add one.
type Link struct {
	ID          string            `msgpack:"i"`
	Slug        string            `msgpack:"s"`
	App         string            `msgpack:"a"`
	MediaSource string            `msgpack:"m"`
	Campaign    string            `msgpack:"c,omitempty"`
	AdSet       string            `msgpack:"as,omitempty"`
	Ad          string            `msgpack:"ad,omitempty"`
	Keyword     string            `msgpack:"kw,omitempty"`
	Retargeting bool              `msgpack:"rt,omitempty"`
	DeepLinks   map[string]string `msgpack:"d,omitempty"` // by platform: ios, android, web
	Redirects   map[string]string `msgpack:"r,omitempty"`
	Stores      map[string]string `msgpack:"st,omitempty"`
	Fallback    string            `msgpack:"f"`
}
