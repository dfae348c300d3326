package api

import "net/http"

// secure sets the headers that every answer carries, of the API and of the console. The console's
// own content security policy takes the place of this one.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	// Browsers heed this on https only.
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
}

// apiHeaders sets what answers of the API carry besides: nobody keeps them, and they show nothing
// even if a browser takes one for a page.
func apiHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
}
