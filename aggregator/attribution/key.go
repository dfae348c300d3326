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

	KeyOrder = "order:" // of conversions: it joins a refund to its order, and no two people
)

// maxID is the longest id, in bytes, that makes a key. The agent refuses longer
// ones; the bound here keeps a key column's size known.
const maxID = 256

// Key returns the match key of an id, "" for an id that says nothing: empty,
// too long, all zeros, a macro that was not replaced, or a placeholder that faulty
// clients send for "none", with quotes around it or without.
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
	id = strings.Trim(id, "\"'`")
	if strings.Trim(id, "0-") == "" { // also the empty id
		return true
	}
	if strings.ContainsAny(id, "{}") { // a macro such as {click_id} that a network did not replace
		return true
	}
	for _, around := range [...][2]string{{"__", "__"}, {"%", "%"}, {"[", "]"}, {"<", ">"}, {"$", "$"}} {
		if strings.HasPrefix(id, around[0]) && strings.HasSuffix(id, around[1]) {
			return true // a macro such as %%ADVERTISING_IDENTIFIER_PLAIN%% or [IDFA]
		}
	}
	if len(id) > 17 {
		return false
	}
	switch strings.ToLower(id) {
	case "null", "(null)", "undefined", "unknown", "none", "nil", "nan", "n/a", "na", "-1",
		"false", "true", "anonymous", "guest", "not_authenticated", "distinct_id", "distinctid", "id", "email", "user_id", "userid",
		"[object object]", "9774d56d682e549c", "02:00:00:00:00:00":
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

// personal reports whether a key is of a person or a device. Only such keys make two
// facts one person's: a click id finds a click, an order id an order, and a fingerprint
// a device that looks the same.
func personal(key string) bool {
	return !strings.HasPrefix(key, KeyClick) && !strings.HasPrefix(key, KeyOrder) && !Fingerprint(key)
}

// Personal reports whether a key is of a person or a device.
func Personal(key string) bool { return personal(key) }

// deviceKey reports whether a key names one device rather than a person, who may have
// several.
func deviceKey(key string) bool { return personal(key) && !userKey(key) }

func userKey(key string) bool { return strings.HasPrefix(key, KeyUser) }

func clickKey(key string) bool { return strings.HasPrefix(key, KeyClick) }

// orderKey returns the key of the order that a conversion names, "" without one.
func (c *Conversion) orderKey() string {
	for _, k := range c.Keys {
		if strings.HasPrefix(k, KeyOrder) {
			return k
		}
	}
	return ""
}

// OrderID returns the id of the order that a conversion names, "" without one.
func (c *Conversion) OrderID() string { return strings.TrimPrefix(c.orderKey(), KeyOrder) }

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
