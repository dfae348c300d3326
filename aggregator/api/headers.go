package api

import (
	"maps"
	"net/http"
)

// headers are those that are alike on every answer. They are made once and copied: each value is a
// slice without room, so that nobody who adds to a copy changes the others.
type headers struct {
	all http.Header // of the API and of the console, whose own content security policy takes the place of ours
	api http.Header // of the API: nobody keeps an answer, and it shows nothing even if a browser takes it for a page
}

func newHeaders() headers {
	return headers{all: http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Permissions-Policy":           {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
		"Strict-Transport-Security":    {"max-age=31536000; includeSubDomains"}, // browsers heed it on https only
	}, api: http.Header{
		"Cache-Control":           {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
	}}
}

func (h *headers) secure(to http.Header) { maps.Copy(to, h.all) }

func (h *headers) forAPI(to http.Header) { maps.Copy(to, h.api) }
