package ingest

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
)

// tryScript opens the app, and goes on to the store after 1.2 seconds if the browser is still
// there: whoever has the app has left by then.
const tryScript = `var d=document,b=d.body.dataset,t=setTimeout(function(){if(!d.hidden)location.replace(b.to)},1200);` +
	`function s(){clearTimeout(t)}d.addEventListener("visibilitychange",function(){if(d.hidden)s()});` +
	`addEventListener("pagehide",s);location.href=b.app`

// tryStyle is the style of the page.
const tryStyle = `body{font:16px system-ui,sans-serif;margin:20vh 1em;text-align:center}a{color:#06c;display:inline-block;padding:1em}`

// writeTryPage answers a click with a page of ours that tries the app first. It is below 2 KB but
// for the two addresses, loads nothing, and its policy lets nothing run but its own script.
func writeTryPage(c *call, w way) {
	app, to := html.EscapeString(w.app), html.EscapeString(w.to)
	header := c.w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; script-src '"+fingerprint(tryScript)+"'; style-src '"+fingerprint(tryStyle)+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	c.write(http.StatusOK, "text/html; charset=utf-8", []byte(`<!doctype html><html lang="en"><head><meta charset="utf-8">`+
		`<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex"><title>Opening the app</title>`+
		`<style>`+tryStyle+`</style><noscript><meta http-equiv="refresh" content="0;url=`+to+`"></noscript></head>`+
		`<body data-app="`+app+`" data-to="`+to+`"><a href="`+app+`">Open the app</a><a href="`+to+`">Continue without it</a>`+
		`<script>`+tryScript+`</script></body></html>`))
}

// fingerprint is how a content security policy names a script or a style.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
