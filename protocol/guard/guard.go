// Package guard keeps input from outside from leading a program astray: the
// addresses that people give it, and requests that two servers would read
// differently.
//
// [Destination] decides where a click may lead. [Outgoing] makes requests to
// addresses that a person or another system gave, and reaches nothing inside:
// only https on port 443, no redirects, no proxies, and after every look-up of a
// name only addresses of the public internet. [Framed] refuses requests of
// HTTP/1 whose length or lines are open to two readings.
//
// Nothing here trusts a check of a name: names are looked up again when a
// connection is made, and it is the address found then that is judged.
package guard

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// The reasons for which a destination is refused.
var (
	errCharacters = errors.New("it has spaces, control characters or backslashes")
	errNoURL      = errors.New("it is not a URL such as https://example.com/page")
	errUser       = errors.New("it has a user before the host")
	errWhole      = errors.New("it is not a whole http or https URL")
)

// Destination parses an address to which somebody is sent. It accepts http and
// https with a plain host, and every scheme that other allows; other may be nil.
func Destination(address string, other func(scheme string) bool) (*url.URL, error) {
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return nil, errCharacters
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errNoURL
	case u.User != nil:
		return nil, errUser
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Hostname() == "" || u.Opaque != "" {
			return nil, errWhole
		}
	case other == nil || !other(u.Scheme):
		return nil, errWhole
	}
	return u, nil
}

// AppScheme says whether a scheme may open an app: any but those that a browser
// runs or reads itself.
func AppScheme(scheme string) bool {
	return scheme != "" && !slices.Contains([]string{
		"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem", "http", "https", "ftp", "ws", "wss",
	}, scheme)
}

// StoreScheme says whether a scheme opens a page of an app store.
func StoreScheme(scheme string) bool { return scheme == "market" || scheme == "itms-apps" }
