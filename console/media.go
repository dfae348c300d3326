package console

import (
	"path"
	"strconv"
	"strings"
)

// contentType answers for the few kinds of file a build contains. It does not
// ask the operating system, whose tables differ between machines and have been
// known to call JavaScript text/plain, which nosniff then forbids to run.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	default:
		return "application/octet-stream"
	}
}

func isText(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || contentType == "image/svg+xml" || contentType == "application/json"
}

// looksLikeFile tells /favicon.ico from /apps/com.example.shop/overview: only
// the last element counts, and only with an extension a build could contain.
func looksLikeFile(name string) bool {
	return contentType(path.Base(name)) != "application/octet-stream"
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3): gzip or *
// with a weight above zero, and an explicit gzip decides over *.
func acceptsGzip(header string) bool {
	wildcard := false
	for _, part := range strings.Split(header, ",") {
		coding, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip":
			return weight(parameters) > 0
		case "*":
			wildcard = weight(parameters) > 0
		}
	}
	return wildcard
}

func weight(parameters string) float64 {
	key, value, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found || strings.TrimSpace(strings.ToLower(key)) != "q" {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}

// matches reads If-None-Match (RFC 9110, 13.1.2), which compares weakly.
func matches(header, etag string) bool {
	for _, candidate := range strings.Split(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}
