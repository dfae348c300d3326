package attribution

import (
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// The prefixes of match keys. A match key is "kind:value"; two facts with a key
// in common belong to one person.
const (
	KeyClick  = "click:"
	KeyUser   = "user:"
	KeyAnon   = "anon:"
	KeyDevice = "device:"
	KeyGAID   = "gaid:"
	KeyIDFA   = "idfa:"
	KeyIDFV   = "idfv:"
	KeyOAID   = "oaid:"
)

// maxID is the longest id, in bytes, that makes a key. The agent refuses longer
// ones; the bound here keeps a key column's size known.
const maxID = 256

// Key returns the match key of an id, "" for an id that says nothing: empty,
// too long, all zeros, a macro that was not replaced, or a placeholder that faulty
// clients send for "none".
func Key(prefix, id string) string {
	id = strings.TrimSpace(id)
	switch prefix {
	case KeyGAID, KeyIDFA, KeyIDFV, KeyOAID:
		id = strings.ToLower(id)
	}
	if len(id) > maxID || placeholder(id) {
		return ""
	}
	return prefix + id
}

// placeholder reports whether an id stands for "no id". The long hexadecimal
// number is the device id that a whole series of Android devices shared.
func placeholder(id string) bool {
	if strings.Trim(id, "0-") == "" { // also the empty id
		return true
	}
	if strings.ContainsAny(id, "{}") || strings.HasPrefix(id, "__") && strings.HasSuffix(id, "__") {
		return true // a macro such as {click_id} that a network did not replace
	}
	if len(id) > 17 {
		return false
	}
	switch strings.ToLower(id) {
	case "null", "(null)", "undefined", "unknown", "none", "nil", "nan", "n/a", "na", "-1",
		"false", "true", "anonymous", "guest", "[object object]", "9774d56d682e549c", "02:00:00:00:00:00":
		return true
	}
	return false
}

// identityKeys appends the keys of the person and the device of an event.
func identityKeys(keys []string, e *protocol.Event) []string {
	for _, id := range [...]struct{ prefix, id string }{
		{KeyUser, e.UserID}, {KeyAnon, e.AnonymousID}, {KeyDevice, e.DeviceID},
		{KeyGAID, e.GAID}, {KeyIDFA, e.IDFA}, {KeyIDFV, e.IDFV}, {KeyOAID, e.OAID},
	} {
		keys = addKey(keys, id.prefix, id.id)
	}
	return keys
}

// EventKeys returns the match keys of the person and the device that an event names,
// also those of a former id and of a click that it claims.
func EventKeys(e *protocol.Event) []string {
	keys := identityKeys(make([]string, 0, 8), e)
	keys = addKey(keys, KeyUser, e.PreviousID)
	keys = addKey(keys, KeyAnon, e.PreviousID)
	return addKey(keys, KeyClick, e.ClickID)
}

func addKey(keys []string, prefix, id string) []string {
	if k := Key(prefix, id); k != "" {
		return append(keys, k)
	}
	return keys
}

// canonical sorts keys and drops repeated ones.
func canonical(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// deviceKey reports whether a key names one device rather than a person or a
// click, or perhaps one of several devices.
func deviceKey(key string) bool { return !personKey(key) && !Fingerprint(key) }

// personKey reports whether a key names a person or a click.
func personKey(key string) bool {
	return strings.HasPrefix(key, KeyUser) || strings.HasPrefix(key, KeyClick)
}

// share reports whether two sorted key lists have a key in common for which use
// holds.
func share(a, b []string, use func(string) bool) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		case use(a[i]):
			return true
		default:
			i++
		}
	}
	return false
}
