package event

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// parameters calls f for each parameter of a query, as browsers read one (the WHATWG URL
// standard, application/x-www-form-urlencoded): & parts them and nothing else, + is a space, and a
// % that begins no escape stands for itself.
func parameters(query string, f func(name, value string)) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		if name != "" {
			f(unescape(name), unescape(value))
		}
	}
}

// unescape is the meaning of a name or a value. Bytes that are not UTF-8 become U+FFFD; NUL is dropped.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+\x00") && utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && hexadecimal(s[i+1]) >= 0 && hexadecimal(s[i+2]) >= 0:
			b = append(b, byte(hexadecimal(s[i+1])<<4|hexadecimal(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "")
}

func hexadecimal(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// ParseQuery reads a query as browsers do.
func ParseQuery(query string) url.Values {
	values := make(url.Values)
	parameters(query, func(name, value string) { values[name] = append(values[name], value) })
	return values
}

// query collects the facts that the parameters of an address give about a campaign. The first value
// of each counts.
type query struct {
	source, medium, campaign, term, ad, adSet string

	clickID            string // ours, or one that a server reported
	networkID, network string // a network's, and its name
	nested             string // the value of "referrer", which may hold all of this
}

// read takes the parameters of an address, or of a bare query such as "?a=b".
func (q *query) read(address string) {
	_, parameters, found := strings.Cut(address, "?")
	if !found {
		return
	}
	parameters, _, _ = strings.Cut(parameters, "#")
	q.parse(parameters)
}

func (q *query) parse(query string) { parameters(query, q.take) }

func (q *query) take(name, value string) {
	if value == "" {
		return
	}
	field := q.field(name)
	if field == nil {
		network := protocol.NetworkOf(name)
		if network == "" || q.networkID != "" || protocol.SaysNothing(value) {
			return
		}
		field, q.network = &q.networkID, network
	}
	if *field == "" && !unnamed(value) && (field != &q.clickID || !protocol.SaysNothing(value)) {
		*field = short(value)
	}
}

// field is where a parameter goes; nil if it is none of a campaign.
func (q *query) field(name string) *string {
	switch name {
	case "utm_source":
		return &q.source
	case "utm_medium":
		return &q.medium
	case "utm_campaign":
		return &q.campaign
	case "utm_term":
		return &q.term
	case "utm_content":
		return &q.ad
	case "utm_adset":
		return &q.adSet
	case "umcid", "click_id":
		return &q.clickID
	case "referrer":
		return &q.nested
	}
	return nil
}

// unnamed says whether the value of a campaign field names nothing: templates and stores write
// these where there is no value.
func unnamed(value string) bool {
	n := len(value)
	if n == 0 || n != 4 && n != 9 && letterOrDigit(value[0]) && letterOrDigit(value[n-1]) { // as most are
		return false
	}
	switch n {
	case 4, 6, 9:
		for _, word := range [...]string{"null", "(none)", "(null)", "undefined", "(not set)"} {
			if len(value) == len(word) && foldEqual(value, word) {
				return true
			}
		}
	}
	return protocol.Macro(value)
}

// short bounds a field that the payload holds in full.
func short(s string) string { return clip(strings.TrimSpace(s), MaxShort) }

// clip cuts s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
