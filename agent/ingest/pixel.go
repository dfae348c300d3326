package ingest

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// pixel serves GET /v1/pixel/{type}?data=…: one call of the API as base64 in
// the address of an image, for e-mails and pages without scripts.
func (c *call) pixel() *problem {
	if c.r.Method == http.MethodHead {
		c.writeGIF()
		return nil
	}
	kind := protocol.ParseKind(c.r.PathValue("type"))
	if kind == protocol.KindUnknown || kind.Touch() {
		return &problem{status: http.StatusNotFound, code: "not_found", text: "a pixel is one of track, identify, page, screen, group and alias"}
	}
	query := c.r.URL.Query()
	data, ok := decodePixel(query.Get("data"))
	if !ok {
		return &problem{status: http.StatusBadRequest, code: "malformed_data", text: `the parameter "data" must be a JSON object in base64`}
	}
	c.compute()
	c.body = append(c.body[:0], data...)
	if p := c.parse(1); p != nil {
		return p
	}
	key := headerKey(c.r)
	if key == "" {
		key = c.doc.str(c.doc.member(0, "writeKey"))
	}
	if key == "" {
		key = query.Get("writeKey")
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.checkOrigin(); p != nil {
		return p
	}
	if p := c.one(kind); p != nil {
		return p
	}
	if p := c.persist(); p != nil {
		return p
	}
	c.writeGIF()
	return nil
}

// decodePixel reads base64 of either alphabet, padded or not, also where a plus
// sign was read as a space.
func decodePixel(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(strings.TrimRight(s, "="))
	data, err := base64.RawStdEncoding.DecodeString(s)
	return data, err == nil && len(data) > 0
}
