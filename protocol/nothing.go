package protocol

import "strings"

// longestNothing bounds the words of nothing: a longer id is not looked up.
const longestNothing = 20

// SaysNothing says whether an id stands for "no id", so that two people who both have it are two
// people: it is empty, all zeros, a macro that nobody replaced, or one of a table of words such as
// null, undefined or guest. Quotes and spaces around it do not count. 9774d56d682e549c is the
// device id that a whole series of Android devices shared.
func SaysNothing(id string) bool {
	n := len(id)
	if n > 2 && id[0] != '0' && plain(id[0]) && (n > longestNothing && plain(id[n-1]) || digit(id[n-1])) { // as most are
		return false
	}
	id = strings.Trim(id, " \t\r\n\"'`")
	if strings.Trim(id, "0-") == "" || Macro(id) {
		return true
	}
	if len(id) > longestNothing {
		return false
	}
	var word [longestNothing]byte
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == ' ':
			c = '_'
		}
		word[i] = c
	}
	return nothing(word[:len(id)])
}

// nothing knows the words that senders write where they have no id, in lower case and with _ for
// each space.
func nothing(word []byte) bool {
	switch string(word) {
	case "null", "nil", "none", "undefined", "unknown", "unset", "empty", "nan", "void", "n/a", "na",
		"(null)", "(none)", "(unknown)", "(not_set)", "(not-set)", "(notset)", "<null>", "<nil>", "<none>", "<undefined>", "<unknown>", "[null]", "[none]",
		"not_set", "notset", "not-set", "not_available", "not-available", "unavailable", "missing",
		"false", "true", "-1", "-2", "?", ".", "--",
		"id", "ids", "uid", "uuid", "guid", "userid", "user_id", "user-id", "anonymousid", "anonymous_id", "deviceid", "device_id",
		"distinct_id", "distinctid", "client_id", "clientid", "customer_id", "customerid", "advertising_id",
		"email", "e-mail", "mail", "username", "user", "name",
		"anonymous", "anon", "anonymized", "guest", "visitor", "nobody",
		"not_authenticated", "notauthenticated", "not-authenticated", "unauthenticated",
		"not_logged_in", "not-logged-in", "notloggedin", "loggedout", "logged_out", "logged-out",
		"[object_object]", "[object]", "object", "string", "number", "bigint", "boolean",
		"9774d56d682e549c", "02:00:00:00:00:00":
		return true
	}
	return false
}

func plain(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// Macro says whether a value is, or has in it, a placeholder that an ad server should have
// replaced: {x}, {{x}}, ${x}, [x], <x>, %x%, %%x%%, $$x$$, #x#, __x__ or @x@.
func Macro(s string) bool {
	if open := strings.IndexByte(s, '{'); open >= 0 && strings.IndexByte(s[open:], '}') > 0 {
		return true
	}
	if len(s) < 3 {
		return false
	}
	inner := s[1 : len(s)-1]
	switch s[0] {
	case '[':
		return s[len(s)-1] == ']' && name(inner)
	case '<':
		return s[len(s)-1] == '>' && name(inner)
	case '%', '#', '@':
		return s[len(s)-1] == s[0] && name(strings.Trim(inner, s[:1]))
	case '$':
		return s[len(s)-1] == '$' && name(strings.Trim(inner, "$"))
	case '_':
		return len(s) > 4 && strings.HasPrefix(s, "__") && strings.HasSuffix(s, "__")
	}
	return false
}

// name says whether a text could be the name of a macro.
func name(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !plain(c) && c != '_' && c != '-' && c != '.' && c != ':' && c != ' ' {
			return false
		}
	}
	return true
}
