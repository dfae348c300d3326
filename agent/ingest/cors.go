package ingest

import (
	"net/http"
	"slices"
	"strings"
)

// allowOrigin lets the page that sent a request read the answer. Write keys are
// public and no cookie is ever read, so any page may, until the key is known and
// its app names the origins it wants.
func allowOrigin(header http.Header, r *http.Request) {
	if r.Header["Origin"] == nil {
		return
	}
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Retry-After, X-Warnings")
}

// checkOrigin refuses a page that the app of the key has not listed. Requests
// that no page sent have no origin and pass: the list keeps other sites from
// using a key they found, it does not authenticate.
func (c *call) checkOrigin() *problem {
	origin := c.r.Header.Get("Origin")
	if origin == "" || len(c.app.Origins) == 0 {
		return nil
	}
	header := c.w.Header()
	header.Add("Vary", "Origin")
	if slices.ContainsFunc(c.app.Origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) }) {
		header.Set("Access-Control-Allow-Origin", origin)
		return nil
	}
	header.Del("Access-Control-Allow-Origin")
	return &problem{status: http.StatusForbidden, code: "origin_not_allowed",
		text: "this app's list of origins does not contain the page's origin; add it in the app's settings"}
}

// preflight answers a browser that asks whether it may send. No key is known
// yet, so it always may; the requested headers are echoed, because each SDK
// sends others.
func preflight(w http.ResponseWriter, r *http.Request, method string) {
	header := w.Header()
	header.Add("Vary", "Origin")
	header.Add("Vary", "Access-Control-Request-Headers")
	methods := "GET, POST, OPTIONS"
	if method != "" {
		methods = method + ", OPTIONS"
	}
	if r.Header.Get("Origin") == "" {
		header.Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", methods)
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}
