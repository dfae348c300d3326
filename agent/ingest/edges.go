package ingest

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// serveEdges serves GET /v1/edges: the agents that SDKs can reach, those of this agent's region first. It
// needs no key. Who answers fastest is near; an SDK finds that out with a request to each.
func serveEdges(c *call) *problem {
	list := slices.Clone(c.h.Directory.Edges())
	slices.SortStableFunc(list, func(a, b protocol.Edge) int { return c.h.far(a) - c.h.far(b) })
	body, err := json.Marshal(struct {
		Region string          `json:"region"`
		Zone   string          `json:"zone,omitempty"`
		Edges  []protocol.Edge `json:"edges"`
	}{c.h.Region, c.h.Zone, append([]protocol.Edge{}, list...)})
	if err != nil {
		return &problem{status: http.StatusInternalServerError, code: "internal", text: "internal error"}
	}
	c.w.Header().Set("Cache-Control", "public, max-age=60")
	c.write(http.StatusOK, "application/json", body)
	return nil
}

// far is how far an edge is from this agent: the same zone, the same region, elsewhere.
func (h *Handler) far(e protocol.Edge) int {
	switch {
	case e.Region != h.Region:
		return 2
	case e.Zone != h.Zone:
		return 1
	}
	return 0
}
