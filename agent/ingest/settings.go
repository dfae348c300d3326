package ingest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// serveSettings serves GET /v1/projects/{key}/settings. Segment's SDKs send their
// events to the apiHost that it names, which is us, and hang without
// integrations.
func serveSettings(c *call) *problem {
	key := c.r.PathValue("key")
	protocolName, host := origin(c)
	type object = map[string]any
	everything := object{"__default": object{"enabled": true, "integrations": object{}}}
	return writeConfig(c, object{
		"integrations": object{"Segment.io": object{
			"apiKey": key, "apiHost": host + "/v1", "protocol": protocolName,
			"unbundledIntegrations": []string{}, "bundledConfigIds": []string{}, "addBundledMetadata": true, "maybeBundledConfigIds": object{},
			"versionSettings": object{"version": "4.4.7", "componentTypes": []string{"browser"}},
		}},
		"plan":         object{"track": everything, "identify": everything, "group": everything},
		"edgeFunction": object{}, "enabledMiddleware": object{}, "middlewareSettings": object{}, "remotePlugins": []string{},
		"analyticsNextEnabled": true, "legacyVideoPluginsEnabled": false,
		"metrics": object{"sampleRate": 0}, // else SDKs report on themselves to Segment
	})
}

// serveSourceConfig serves RudderStack's SDKs: a source without destinations, so that
// everything comes to the data plane that the SDK was given.
func serveSourceConfig(c *call) *problem {
	key := cmp.Or(headerKey(c.r), c.r.URL.Query().Get("writeKey"))
	type object = map[string]any
	off := object{"enabled": false}
	return writeConfig(c, object{
		"source": object{
			"id": c.app.ID, "name": c.app.Name, "writeKey": key, "enabled": true, "workspaceId": "unmogrowp",
			"config":       object{"statsCollection": object{"errors": off, "metrics": off}},
			"destinations": []string{}, "connections": []string{}, "updatedAt": "2026-01-01T00:00:00.000Z",
		},
		"updatedAt": "2026-01-01T00:00:00.000Z", "consentManagementMetadata": object{"providers": []string{}},
	})
}

// serveClusterInfo tells RudderStack's server SDKs that there is nothing to shard by.
func serveClusterInfo(c *call) *problem {
	c.write(http.StatusOK, "application/json", []byte(`{"nodeCount":1}`))
	return nil
}

func writeConfig(c *call, config map[string]any) *problem {
	body, err := json.Marshal(config)
	if err != nil {
		return &problem{status: http.StatusInternalServerError, code: "internal", text: "internal error"}
	}
	c.w.Header().Set("Cache-Control", "public, max-age=60")
	c.write(http.StatusOK, "application/json", body)
	return nil
}

// origin is the protocol and the host under which the client reached us.
func origin(c *call) (protocolName, host string) {
	protocolName, host = "http", c.r.Host
	if c.r.TLS != nil {
		protocolName = "https"
	}
	if h := c.forwarded("X-Forwarded-Host"); h != "" {
		host = h
	}
	switch p := strings.ToLower(c.forwarded("X-Forwarded-Proto")); p {
	case "http", "https":
		protocolName = p
	}
	return protocolName, host
}
