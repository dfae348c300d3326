package protocol

import "strings"

// Settings is everything an agent needs to serve on its own: apps, keys and
// tracking links. The aggregator sends a whole snapshot whenever its generation
// grows; the agent persists it and serves by it while cut off.
//
// A database that was restored from a backup counts its generations from an
// earlier one on, so it begins a new timeline, with a larger number. Settings of a
// larger timeline replace others whatever their generation.
type Settings struct {
	Timeline   uint64 `msgpack:"tl,omitempty"`
	Generation uint64 `msgpack:"g"`
	Apps       []App  `msgpack:"a"`
	Keys       []Key  `msgpack:"k"`
	Links      []Link `msgpack:"l"`
	Edges      []Edge `msgpack:"e,omitempty"`
}

// Before says whether s is older than other settings.
func (s *Settings) Before(other *Settings) bool {
	if s.Timeline != other.Timeline {
		return s.Timeline < other.Timeline
	}
	return s.Generation < other.Generation
}

// Edge is an agent that SDKs can reach, as GET /v1/edges lists it.
type Edge struct {
	URL    string `msgpack:"u" json:"url"`
	Region string `msgpack:"r" json:"region"`
	Zone   string `msgpack:"z,omitempty" json:"zone,omitempty"`
}

// App is an app as the agent sees it.
type App struct {
	ID      string   `msgpack:"i"`
	Name    string   `msgpack:"n"`
	Origins []string `msgpack:"o,omitempty"` // allowed CORS origins; empty means any
	Blocked bool     `msgpack:"b,omitempty"` // answers 401 for all its keys

	Addresses AddressPolicy `msgpack:"ip,omitempty"`

	// The hosts of the app's own links, and the apps that may open these by
	// themselves.
	LinkHosts   []string     `msgpack:"lh,omitempty"` // host names, lower case, no port
	AppleAppIDs []string     `msgpack:"aa,omitempty"` // such as ABCDE12345.com.example.shop
	AndroidApps []AndroidApp `msgpack:"an,omitempty"`
}

// AndroidApp is an app that may open an app's links by itself: its package name and
// the SHA-256 fingerprints of the certificates that sign it, as "AB:CD:…".
type AndroidApp struct {
	Package      string   `msgpack:"p" json:"package"`
	Fingerprints []string `msgpack:"f" json:"fingerprints"`
}

// AddressPolicy says which part of a person's IP address an agent stores.
type AddressPolicy string

// The policies. Countries are looked up before an address is cut or dropped.
const (
	KeepAddresses     AddressPolicy = ""
	TruncateAddresses AddressPolicy = "truncate" // to the network: 24 bits of IPv4, 48 of IPv6
	DropAddresses     AddressPolicy = "drop"
)

// KeyKind is the kind of a key, which decides its rights.
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

	NoImport bool `msgpack:"ni,omitempty"` // a server key that may not import history
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
	DeepLinks   map[string]string `msgpack:"d,omitempty"` // by target, see [Target]
	Redirects   map[string]string `msgpack:"r,omitempty"`
	Stores      map[string]string `msgpack:"st,omitempty"`
	Fallback    string            `msgpack:"f"`
	Open        Open              `msgpack:"op,omitempty"`
}

// Open says where a link leads on a platform for which it has both a deep link and a store.
type Open string

// The ways. A page that tries the app and falls back to the store is the default: nobody
// can see from a click whether the app is there.
const (
	OpenTry   Open = "try"
	OpenStore Open = "store"
	OpenApp   Open = "app"
)

// Valid says whether an Open is one of the ways, or empty for the default.
func (o Open) Valid() bool { return o == "" || o == OpenTry || o == OpenStore || o == OpenApp }

// Target names whom a destination of a link is for: a platform (ios, android, web), or any with *, and
// a country after a slash if it is for one only: "ios", "android/DE", "*/FR".
func Target(platform, country string) string {
	if country == "" {
		return platform
	}
	return platform + "/" + country
}

// AnyPlatform stands for all platforms in a target.
const AnyPlatform = "*"

// ValidTarget says whether a text is a target.
func ValidTarget(target string) bool {
	platform, country, narrowed := strings.Cut(target, "/")
	if narrowed && (len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return false
	}
	switch platform {
	case "ios", "android", "web":
		return true
	case AnyPlatform:
		return narrowed // for everybody there is the fallback
	}
	return false
}

// Choose returns the destination for a platform and a country: the most exact one, a country before a
// platform's general one; "" if there is none.
func Choose(destinations map[string]string, platform, country string) string {
	if country != "" {
		for _, target := range [...]string{Target(platform, country), Target(AnyPlatform, country)} {
			if d := destinations[target]; d != "" {
				return d
			}
		}
	}
	return destinations[platform]
}
