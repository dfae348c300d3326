package ingest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

const track = `{"type":"track","event":"E","messageId":"m1","userId":"u","timestamp":"2026-11-22T11:59:00Z"}`

func TestKeyForms(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	inBody := strings.Replace(track, "{", `{"writeKey":"`+clientKey+`",`, 1)
	for name, c := range map[string]struct {
		path, header, body string
		want               int
	}{
		"basic":               {"/v1/track", "Authorization: Basic " + encode(clientKey+":"), track, 200},
		"basic without colon": {"/v1/track", "Authorization: Basic " + encode(clientKey), track, 200},
		"basic with password": {"/v1/track", "Authorization: Basic " + encode(clientKey+":x"), track, 200},
		"basic, lower case":   {"/v1/track", "Authorization: basic " + encode(clientKey+":"), track, 200},
		"bearer":              {"/v1/track", "Authorization: Bearer " + clientKey, track, 200},
		"body":                {"/v1/track", "X: y", inBody, 200},
		"body of a batch":     {"/v1/batch", "X: y", `{"batch":[` + track + `],"writeKey":"` + clientKey + `"}`, 200},
		"none":                {"/v1/track", "X: y", track, 401},
		"unknown":             {"/v1/track", "Authorization: Bearer nobody", track, 401},
		"unknown in body":     {"/v1/track", "X: y", strings.Replace(inBody, clientKey, "nobody", 1), 401},
		"header wins":         {"/v1/track", "Authorization: Bearer nobody", inBody, 401},
		"blocked app":         {"/v1/track", "Authorization: Bearer " + blockedKey, track, 401},
		"broken base64":       {"/v1/track", "Authorization: Basic %%%", track, 401},
		"huge":                {"/v1/track", "Authorization: Bearer " + strings.Repeat("k", 10_000), track, 401},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			w := d.send("POST", c.path, c.body, c.header)
			if w.Code != c.want {
				t.Fatalf("answer %d %s, want %d", w.Code, w.Body, c.want)
			}
			if n := len(d.buffer.taken()); (n == 1) != (c.want == 200) {
				t.Errorf("%d events stored", n)
			}
		})
	}
}

func TestUnknownKeyIsToldToComeAgainWhileCutOff(t *testing.T) {
	d := newDoor(t)
	d.book.stale = true
	w := d.send("POST", "/v1/track", track, "Authorization: Bearer new-app")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := d.send("POST", "/v1/track", track, basic(clientKey)); w.Code != 200 {
		t.Errorf("a known key while cut off: %d %s", w.Code, w.Body)
	}
}
