package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

// TestAnswersAreCompressedAndKept reads a long list in each encoding, and again by its tag.
func TestAnswersAreCompressedAndKept(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	for range 20 {
		s.app(strings.Repeat("Shop ", 10))
	}
	c.http.Transport = &http.Transport{DisableCompression: true}
	plain := c.get("apps?fields=short").want(200)
	tag := plain.header.Get("ETag")
	if plain.header.Get("Content-Encoding") != "" || tag == "" || plain.header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%v", plain.header)
	}
	for accept, want := range map[string]string{"gzip, br": "gzip", "gzip;q=0.5, zstd": "zstd", "br": "", "gzip;q=0": "", "identity": ""} {
		got := c.send("GET", "apps?fields=short", nil, map[string]string{"Accept-Encoding": accept}).want(200)
		var reader io.Reader = strings.NewReader(string(got.body))
		var err error
		switch want {
		case "gzip":
			reader, err = gzip.NewReader(reader)
		case "zstd":
			reader, err = zstd.NewReader(reader)
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || string(text) != string(plain.body) || got.header.Get("Content-Encoding") != want || got.header.Get("ETag") != tag {
			t.Errorf("%s: %v %v", accept, got.header, err)
		}
		if want != "" && len(got.body)*3 > len(plain.body) {
			t.Errorf("%s: %d of %d bytes", accept, len(got.body), len(plain.body))
		}
	}
	if again := c.send("GET", "apps?fields=short", nil, map[string]string{"If-None-Match": tag}).want(304); len(again.body) != 0 {
		t.Errorf("%s", again.body)
	}
	s.app("One more")
	c.send("GET", "apps?fields=short", nil, map[string]string{"If-None-Match": tag}).want(200)
	// A token is never in a compressed answer, whatever it is beside.
	got := c.send("POST", "auth/login", map[string]any{"email": "owner@example.com", "password": testPassword},
		map[string]string{"Accept-Encoding": "gzip", "Content-Type": "application/json"})
	if got.status == 200 && got.header.Get("Content-Encoding") != "" {
		t.Error("a login is compressed")
	}
	var list struct{ Data []map[string]any }
	if err := json.Unmarshal(plain.body, &list); err != nil || len(list.Data) != 20 {
		t.Errorf("%v %d", err, len(list.Data))
	}
}

// TestTheLiveViewTellsAndEnds reads a stream's first lines.
func TestTheLiveViewTellsAndEnds(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	app := s.app("Shop")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/apps/"+app+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	begin := make([]byte, len(": watching\n\n"))
	if _, err := io.ReadFull(response.Body, begin); err != nil || string(begin) != ": watching\n\n" {
		t.Errorf("%q %v", begin, err)
	}
	s.user("m@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}})
	s.login("m@example.com").get("apps/" + app + "/events/stream").want(403)
}
