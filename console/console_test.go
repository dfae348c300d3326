package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	index  = "<!doctype html><title>app</title>"
	script = "assets/index-abc123.js"
)

func built() fstest.MapFS {
	return fstest.MapFS{
		"index.html":              {Data: []byte(index)},
		"placeholder.html":        {Data: []byte("not built")},
		script:                    {Data: []byte(strings.Repeat("export const a = 1;\n", 100))},
		"assets/index-abc123.css": {Data: []byte("a{}")},
		"assets/mark-abc123.svg":  {Data: []byte("<svg/>")},
	}
}

func get(t *testing.T, files fstest.MapFS, target string, headers ...string) *http.Response {
	t.Helper()
	handler, err := newHandler(files)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "http://console.test/", nil)
	request.URL.Path = target
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPagesOfTheApplicationAnswerIndex(t *testing.T) {
	for _, target := range []string{"/", "/login", "/apps/shop/overview", "/apps/com.example.shop", "/apps/x/conversions/0192-a.b"} {
		response := get(t, built(), target)
		if got := body(t, response); response.StatusCode != http.StatusOK || got != index {
			t.Errorf("%s: status %d, body %q", target, response.StatusCode, got)
		}
		if got := response.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
		if got := response.Header.Get("Content-Security-Policy"); got != ContentSecurityPolicy {
			t.Errorf("%s: Content-Security-Policy %q", target, got)
		}
	}
}

func TestHashedAssetsAreKeptForEver(t *testing.T) {
	types := map[string]string{
		"/" + script:               "text/javascript; charset=utf-8",
		"/assets/index-abc123.css": "text/css; charset=utf-8",
		"/assets/mark-abc123.svg":  "image/svg+xml",
	}
	for target, want := range types {
		response := get(t, built(), target)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: status %d, type %q, want %q", target, response.StatusCode, got, want)
		}
		if got := response.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
		if got := response.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options %q", target, got)
		}
	}
}

func TestNothingButFilesIsServedAndNothingOutside(t *testing.T) {
	for _, target := range []string{"/..;/..;/etc/passwd", "/%252e%252e%252fetc/passwd", "/..%c0%af..%c0%afetc/passwd", "/assets", "/assets/", "/assets/missing.js", "/favicon.ico", "/robots.txt", "/apps/old-chunk.js", "/placeholder.html",
		"/../console.go", "/assets/../index.html", "/assets/../../go.mod", "/..", "//assets", "/a//b", "/./index.html",
		`/..\console.go`, "/index.html\x00.js", "/apps/../../etc/passwd",
	} {
		response := get(t, built(), target)
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%q: status %d, want 404", target, response.StatusCode)
		}
		if got := response.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%q: Cache-Control %q", target, got)
		}
	}
}

func TestGzipIsSentOnlyToThoseWhoAcceptIt(t *testing.T) {
	plain := string(built()[script].Data)
	for header, compressed := range map[string]bool{
		"gzip, br": true, "GZIP;q=0.5": true, "*": true, "": false, "br": false, "gzip;q=0": false, "*;q=1, gzip;q=0": false, "gzip;q=x": false,
	} {
		response := get(t, built(), "/"+script, "Accept-Encoding", header)
		if got := response.Header.Get("Content-Encoding") == "gzip"; got != compressed {
			t.Errorf("%q: compressed %v, want %v", header, got, compressed)
			continue
		}
		if response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary is missing", header)
		}
		text := body(t, response)
		if compressed {
			reader, err := gzip.NewReader(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			unpacked, err := io.ReadAll(reader)
			if err != nil {
				t.Fatal(err)
			}
			text = string(unpacked)
		}
		if text != plain {
			t.Errorf("%q: the body differs", header)
		}
	}
}

func TestUnchangedFilesAnswer304(t *testing.T) {
	first := get(t, built(), "/", "Accept-Encoding", "gzip")
	etag := first.Header.Get("ETag")
	for _, header := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		response := get(t, built(), "/", "If-None-Match", header, "Accept-Encoding", "gzip")
		if response.StatusCode != http.StatusNotModified || body(t, response) != "" {
			t.Errorf("%s: status %d", header, response.StatusCode)
		}
	}
	if response := get(t, built(), "/", "If-None-Match", `"other"`); response.StatusCode != http.StatusOK {
		t.Errorf("another ETag: status %d", response.StatusCode)
	}
	packed := get(t, built(), "/"+script, "Accept-Encoding", "gzip").Header.Get("ETag")
	if plain := get(t, built(), "/"+script).Header.Get("ETag"); packed == plain {
		t.Error("the compressed and the plain body share an ETag")
	}
}

func TestOnlyReadingMethodsAreAnswered(t *testing.T) {
	handler, err := newHandler(built())
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(method, "/", nil))
		if recorder.Code != want {
			t.Errorf("%s: status %d, want %d", method, recorder.Code, want)
		}
		if method == http.MethodHead && recorder.Body.Len() != 0 {
			t.Error("HEAD: a body was sent")
		}
	}
}

func TestAnUnbuiltConsoleSaysHowToBuildIt(t *testing.T) {
	files := fstest.MapFS{"placeholder.html": {Data: []byte("run make console")}}
	response := get(t, files, "/apps/shop/overview")
	if got := body(t, response); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got, "make console") {
		t.Errorf("status %d, body %q", response.StatusCode, got)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q: the placeholder must not outlive the build", got)
	}
}

func TestThePolicyOfTheCallerIsKept(t *testing.T) {
	handler, err := newHandler(built())
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Security-Policy", "default-src 'none'")
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := recorder.Header().Values("Content-Security-Policy"); len(got) != 1 || got[0] != "default-src 'none'" {
		t.Errorf("Content-Security-Policy %q", got)
	}
}

func TestTheEmbeddedTreeAlwaysHasThePlaceholder(t *testing.T) {
	page, err := Files().Open(placeholderName)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	recorder := httptest.NewRecorder()
	Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := recorder.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
}
