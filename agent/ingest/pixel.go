package ingest

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// readPixel reads one call of the API that stands as base64 in the address of an image, for
// e-mails and pages without scripts.
func readPixel(c *call) *problem {
	if c.kind = protocol.ParseKind(c.r.PathValue("type")); c.kind == protocol.KindUnknown || c.kind.Touch() {
		return &problem{status: http.StatusNotFound, code: "not_found", text: "a pixel is one of track, identify, page, screen, group and alias"}
	}
	data, ok := decodePixel(c.r.URL.Query().Get("data"))
	if !ok {
		return &problem{status: http.StatusBadRequest, code: "malformed_data", text: `the parameter "data" must be a JSON object in base64`}
	}
	c.compute()
	c.body = append(c.body[:0], data...)
	return nil
}

func answerPixel(c *call, p *problem) *problem {
	if p == nil {
		warnInHeader(c.w.Header(), c.warned)
		writeGIF(c)
	}
	return p
}

// decodePixel reads base64 of either alphabet, padded or not, also where a plus
// sign was read as a space.
func decodePixel(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(strings.TrimRight(s, "="))
	data, err := base64.RawStdEncoding.DecodeString(s)
	return data, err == nil && len(data) > 0
}
