package api

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// secureJar keeps Secure cookies for a server on a loopback address, as browsers do: Chromium and
// Firefox take http://127.0.0.1 for trustworthy, Go's jar does not.
type secureJar struct{ *cookiejar.Jar }

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.Jar.SetCookies(asHTTPS(u), cookies)
}

func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.Jar.Cookies(asHTTPS(u)) }

func asHTTPS(u *url.URL) *url.URL {
	secure := *u
	secure.Scheme = "https"
	return &secure
}
