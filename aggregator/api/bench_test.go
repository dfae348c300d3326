package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// BenchmarkKeptRead measures the API at an authenticated read whose answer is kept, without the
// HTTP server around it. `make bench` measures it with that server, beside a bare handler.
func BenchmarkKeptRead(b *testing.B) {
	s := newSystem(b)
	c := s.owner()
	path := "/api/v1/apps/" + s.app("Own") + "/reports/overview?from=2026-01-01&to=2026-02-01"
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := &sink{header: http.Header{}, status: 200}
		s.handler.ServeHTTP(w, r)
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}
