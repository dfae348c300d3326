package protocol

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// LinkMacros are the names that may stand in braces in a destination of a link. Each stands for a
// stored value of the click: click_id is the click's own id, the rest comes from the link, from the
// parameters of the link's address, or from the click itself.
func LinkMacros() []string {
	return append([]string{
		"click_id", "link", "media_source", "medium", "campaign", "adset", "ad", "keyword", "sub1", "sub2", "sub3", "sub4", "sub5",
		"gaid", "idfa", "idfv", "oaid", "cost", "cost_currency", "country", "platform",
		"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
	}, NetworkParameters()...)
}

// CheckMacros names the fault in the macros of a destination: one that nobody knows, one that is
// not closed, or one in the host, which a visitor must not choose.
func CheckMacros(destination string) error {
	rest, known := destination, LinkMacros()
	for {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			break
		}
		length := strings.IndexByte(rest[open:], '}')
		if rest[open] == '}' || length < 0 {
			return errors.New("a brace without its other half; write %7B or %7D for a brace that is none of a macro")
		}
		if name := rest[open+1 : open+length]; !slices.Contains(known, name) {
			return fmt.Errorf("there is no macro {%.40s}; the macros are %s and the click ids of ad networks",
				name, strings.Join(known[:len(known)-len(NetworkParameters())], ", "))
		}
		rest = rest[open+length+1:]
	}
	if strings.ContainsAny(authority(destination), "{}") {
		return errors.New("a macro in the host would let visitors choose where the link leads")
	}
	return nil
}

// authority is the scheme and the host of an address, as far as a macro must not stand in it.
func authority(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, _, _ = strings.Cut(address, ":")
		return scheme
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + rest
}

// ExpandMacros puts values in place of the macros of a destination, escaped so that they can
// change nothing else of it. A macro without a value leaves nothing. It reports false for a
// destination whose host has a macro in it.
func ExpandMacros(destination string, value func(name string) string) (string, bool) {
	if !strings.Contains(destination, "{") {
		return destination, true
	}
	if strings.Contains(authority(destination), "{") {
		return "", false
	}
	var out strings.Builder
	for destination != "" {
		open := strings.IndexByte(destination, '{')
		length := -1
		if open >= 0 {
			length = strings.IndexByte(destination[open:], '}')
		}
		if length < 0 {
			break
		}
		out.WriteString(destination[:open])
		out.WriteString(strings.ReplaceAll(url.QueryEscape(value(destination[open+1:open+length])), "+", "%20"))
		destination = destination[open+length+1:]
	}
	out.WriteString(destination)
	return out.String(), true
}
