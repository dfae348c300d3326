package attribution

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// KeyFingerprint is the prefix of keys that only probabilistic matching of
// installs looks at. They make nobody one person with anybody.
const KeyFingerprint = "fp:"

// Secret is the key from which the salts of fingerprints are made, the same on all
// nodes of an installation. Without one there are no fingerprints.
type Secret []byte

// salt returns the salt of an app on a day, counted from 1970 in UTC.
func (s Secret) salt(app string, day int64) []byte {
	m := hmac.New(sha256.New, s)
	m.Write([]byte("unmogrowp fingerprint " + strconv.FormatInt(day, 10) + " " + app))
	return m.Sum(nil)
}

// fingerprints returns the keys of a device on the days of a span of time, the
// ends included; none for a device that must not be recognised this way.
func (s Secret) fingerprints(e *protocol.Event, from, to int64) []string {
	device, ok := deviceOf(e)
	if !ok || len(s) == 0 {
		return nil
	}
	var keys []string
	for day := floorDay(from); day <= floorDay(to); day++ {
		m := hmac.New(sha256.New, s.salt(e.App, day))
		m.Write([]byte(device))
		keys = append(keys, KeyFingerprint+hex.EncodeToString(m.Sum(nil)[:16]))
	}
	return keys
}

func floorDay(ms int64) int64 { return max(ms, 0) / Day }

// deviceOf returns the properties that make up a fingerprint: the address, the
// operating system, its version and the model. Only Android and the web have one.
func deviceOf(e *protocol.Event) (string, bool) {
	address, err := netip.ParseAddr(e.IP)
	if err != nil {
		return "", false
	}
	address = address.Unmap().WithZone("")
	place := address.String()
	if address.Is6() { // the rest of the address changes every day
		network, err := address.Prefix(64)
		if err != nil {
			return "", false
		}
		place = network.String()
	}
	system, version, model := contextOf(e)
	switch {
	case system == "":
		system, version, model = agentOf(e.UserAgent)
	case !strings.EqualFold(system, "android"):
		return "", false
	}
	if system == "" {
		return "", false
	}
	return strings.ToLower(strings.Join([]string{place, system, version, model}, "\n")), true
}

// contextOf reads the SDK's description of the device.
func contextOf(e *protocol.Event) (system, version, model string) {
	if e.Kind.Touch() || !strings.Contains(string(e.Payload), `"os"`) {
		return "", "", ""
	}
	var p fastjson.Parser
	v, err := p.ParseBytes(e.Payload)
	if err != nil {
		return "", "", ""
	}
	text := func(path ...string) string { return bounded(string(v.GetStringBytes(path...))) }
	return text("context", "os", "name"), text("context", "os", "version"), text("context", "device", "model")
}

// agentOf reads a browser's or an Android app's user agent, such as
// "Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ1A) …".
func agentOf(agent string) (system, version, model string) {
	_, rest, _ := strings.Cut(agent, "(")
	comment, _, _ := strings.Cut(rest, ")")
	parts := strings.Split(comment, ";")
	if len(parts) > 12 {
		return "", "", ""
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	for i, part := range parts {
		if v, ok := strings.CutPrefix(part, "Android "); ok {
			return "android", bounded(v), modelOf(parts[i+1:])
		}
	}
	switch first := parts[0]; {
	case strings.HasPrefix(first, "Windows"):
		return "windows", bounded(first), ""
	case first == "Macintosh", first == "X11":
		return "desktop", bounded(strings.Join(parts, " ")), ""
	}
	return "", "", ""
}

// modelOf returns the first part that names a device.
func modelOf(parts []string) string {
	for _, part := range parts {
		name, _, _ := strings.Cut(part, " Build/")
		locale := len(name) == 5 && name[2] == '-' || len(name) == 2
		if name != "" && name != "wv" && name != "U" && !locale && !strings.HasPrefix(name, "Build/") {
			return bounded(name)
		}
	}
	return ""
}

// Fingerprint reports whether a key is one of probabilistic matching.
func Fingerprint(key string) bool { return strings.HasPrefix(key, KeyFingerprint) }

// PersonKeys returns the keys that are of a person or a device.
func PersonKeys(keys []string) []string { return only(keys, personal) }

// ClaimKeys returns the keys that name a click or an order.
func ClaimKeys(keys []string) []string {
	return only(keys, func(k string) bool { return !personal(k) && !Fingerprint(k) })
}

// only returns the keys for which use holds: the same list if it holds for all.
func only(keys []string, use func(string) bool) []string {
	for i, k := range keys {
		if use(k) {
			continue
		}
		some := append([]string(nil), keys[:i]...)
		for _, k := range keys[i:] {
			if use(k) {
				some = append(some, k)
			}
		}
		return some
	}
	return keys
}
