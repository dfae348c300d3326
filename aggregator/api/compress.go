package api

import (
	"bytes"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressFrom is the size, in bytes, from which an answer is worth compressing: below it headers weigh more.
const compressFrom = 1 << 10

// packed is a body in the encodings that were asked for, each made once.
type packed struct {
	mu    sync.Mutex
	by    map[string][]byte
	etags string
}

// encodingOf chooses from Accept-Encoding: zstd, else gzip, else nothing. An encoding with q=0 is refused.
func encodingOf(accept string) string {
	best := ""
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		quality := strings.TrimPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		if strings.HasPrefix(parameters, "q=0") || quality != "" && strings.Trim(quality, "0.") == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "zstd":
			return "zstd"
		case "gzip":
			best = "gzip"
		}
	}
	return best
}

// encoded is the body in an encoding.
func (p *packed) encoded(encoding string, body []byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if done := p.by[encoding]; done != nil {
		return done, nil
	}
	var out bytes.Buffer
	if encoding == "zstd" {
		w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	} else {
		w := gzip.NewWriter(&out)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	}
	if p.by == nil {
		p.by = make(map[string][]byte)
	}
	p.by[encoding] = out.Bytes()
	return p.by[encoding], nil
}

// tag is the body's entity tag. It is weak: the same answer has several encodings.
func (p *packed) tag(body []byte) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.etags == "" {
		sum := fnv.New128a()
		_, _ = sum.Write(body) // never fails
		p.etags = `W/"` + strconv.FormatUint(uint64(len(body)), 36) + "-" + hex.EncodeToString(sum.Sum(nil)) + `"`
	}
	return p.etags
}

// same reports whether a client has the answer already.
func same(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// send writes an answer as the client takes it, and returns its status: compressed if it is large, and not
// at all if the client has it.
func (a rawAnswer) send(w http.ResponseWriter, r *http.Request) int {
	header := w.Header()
	if a.packed == nil || r == nil {
		return a.write(w)
	}
	header.Add("Vary", "Accept-Encoding")
	if a.tagged {
		tag := a.packed.tag(a.body)
		header.Set("ETag", tag)
		header.Set("Cache-Control", "private, no-cache")
		if same(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified
		}
	}
	encoding := encodingOf(r.Header.Get("Accept-Encoding"))
	if len(a.body) < compressFrom || encoding == "" {
		return a.write(w)
	}
	body, err := a.packed.encoded(encoding, a.body)
	if err != nil || len(body) >= len(a.body) {
		return a.write(w)
	}
	header.Set("Content-Encoding", encoding)
	return rawAnswer{body: body, kind: a.kind, length: []string{strconv.Itoa(len(body))}}.write(w)
}
