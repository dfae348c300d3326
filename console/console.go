// Package console carries the web console: a single-page application that is
// built by Vite into dist and embedded into the aggregator's binary, and the
// handler that serves it.
//
// The handler keeps these rules:
//
//   - Only files that were embedded are served, each from memory; there is no
//     directory listing and no path leads outside of the embedded tree.
//   - Files under /assets/ carry a content hash in their name, so a browser may
//     keep them for ever. Everything else is revalidated with its ETag.
//   - A path that names no file is a page of the application (/apps/x/overview)
//     and answers index.html. A path that looks like a file but is none is 404,
//     so that a stale script never turns into a page of HTML.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// ContentSecurityPolicy allows the needs of the console and nothing more. Svelte
// makes its templates through the one named trusted-types policy.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; " +
	"base-uri 'none'; form-action 'self'; " +
	"require-trusted-types-for 'script'; trusted-types svelte-trusted-html"

const (
	hashedPrefix     = "assets/"
	indexName        = "index.html"
	placeholderName  = "placeholder.html"
	minCompressBytes = 512
)

// Handler serves the embedded console.
func Handler() http.Handler {
	handler, err := newHandler(Files())
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "The embedded console cannot be read; build the program again.", http.StatusInternalServerError)
		})
	}
	return handler
}

// file is one embedded file, ready to be sent.
type file struct {
	plain       []byte
	gzipped     []byte // nil where compression does not pay
	etag        string
	contentType string
	immutable   bool
}

// site answers from a map that never changes after newHandler.
type site struct {
	files map[string]file
}

func newHandler(files fs.FS) (http.Handler, error) {
	s := &site{files: make(map[string]file)}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		loaded, err := load(name, body)
		if err != nil {
			return err
		}
		s.files[name] = loaded
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load console: %w", err)
	}
	return s, nil
}

func load(name string, body []byte) (file, error) {
	sum := sha256.Sum256(body)
	f := file{
		plain:       body,
		etag:        `"` + hex.EncodeToString(sum[:12]) + `"`,
		contentType: contentType(name),
		immutable:   strings.HasPrefix(name, hashedPrefix),
	}
	if len(body) < minCompressBytes || !isText(f.contentType) {
		return f, nil
	}
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return file{}, fmt.Errorf("compress %s: %w", name, err)
	}
	if _, err := writer.Write(body); err != nil {
		return file{}, fmt.Errorf("compress %s: %w", name, err)
	}
	if err := writer.Close(); err != nil {
		return file{}, fmt.Errorf("compress %s: %w", name, err)
	}
	if packed.Len() < len(body) {
		f.gzipped = packed.Bytes()
	}
	return f, nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are answered here.", http.StatusMethodNotAllowed)
		return
	}
	f, status := s.find(r.URL.Path)
	if status == http.StatusNotFound {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file in the console.", http.StatusNotFound)
		return
	}
	send(w, r, f, status)
}

// find resolves a request path to a file and the status it is sent with.
func (s *site) find(requested string) (file, int) {
	name := strings.TrimPrefix(requested, "/")
	if name == "" {
		return s.page()
	}
	// The map holds clean names only, so a traversal can never match; it is
	// refused here so that it does not fall back to the application either.
	if strings.ContainsFunc(name, strange) || path.Clean("/"+name) != strings.TrimSuffix("/"+name, "/") {
		return file{}, http.StatusNotFound
	}
	if f, ok := s.files[name]; ok && name != placeholderName {
		return f, http.StatusOK
	}
	if strings.HasPrefix(name+"/", hashedPrefix) || looksLikeFile(name) {
		return file{}, http.StatusNotFound
	}
	return s.page()
}

// strange says that no page and no file of the console has such a character in
// its path: an address that has one is a traversal in some encoding, or a mistake.
func strange(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/._~-", c))
}

// page is the application, or, where it was never built, the page that says
// how to build it.
func (s *site) page() (file, int) {
	if f, ok := s.files[indexName]; ok {
		return f, http.StatusOK
	}
	if f, ok := s.files[placeholderName]; ok {
		return f, http.StatusServiceUnavailable
	}
	return file{}, http.StatusNotFound
}

func send(w http.ResponseWriter, r *http.Request, f file, status int) {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if header.Get("Content-Security-Policy") == "" {
		header.Set("Content-Security-Policy", ContentSecurityPolicy)
	}
	switch {
	case status != http.StatusOK:
		header.Set("Cache-Control", "no-store")
	case f.immutable:
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		header.Set("Cache-Control", "no-cache")
	}
	body, etag := f.plain, f.etag
	if f.gzipped != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
			body, etag = f.gzipped, strings.TrimSuffix(f.etag, `"`)+`-gzip"`
		}
	}
	if status == http.StatusOK {
		header.Set("ETag", etag)
		if matches(r.Header.Get("If-None-Match"), etag) {
			header.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the only error is a browser that went away
	}
}
