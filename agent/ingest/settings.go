package ingest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// settings serves GET /v1/projects/{key}/settings. Segment's SDKs send their
// events to the apiHost that it names, which is us, and hang without
// integrations.
func (c *call) settings() *problem {
	key := c.r.PathValue("key")
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.checkOrigin(); p != nil {
		return p
	}
	protocolName, host := c.origin()
	type object = map[string]any
	everything := object{"__default": object{"enabled": true, "integrations": object{}}}
	return c.writeConfig(object{
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

// sourceConfig serves RudderStack's SDKs: a source without destinations, so that
// everything comes to the data plane that the SDK was given.
func (c *call) sourceConfig() *problem {
	key := headerKey(c.r)
	if key == "" {
		key = c.r.URL.Query().Get("writeKey")
	}
	if p := c.authorize(key); p != nil {
		return p
	}
	if p := c.checkOrigin(); p != nil {
		return p
	}
	type object = map[string]any
	off := object{"enabled": false}
	return c.writeConfig(object{
		"source": object{
			"id": c.app.ID, "name": c.app.Name, "writeKey": key, "enabled": true, "workspaceId": "unmogrowp",
			"config":       object{"statsCollection": object{"errors": off, "metrics": off}},
			"destinations": []string{}, "connections": []string{}, "updatedAt": "2026-01-01T00:00:00.000Z",
		},
		"updatedAt": "2026-01-01T00:00:00.000Z", "consentManagementMetadata": object{"providers": []string{}},
	})
}

// clusterInfo tells RudderStack's server SDKs that there is nothing to shard by.
func (c *call) clusterInfo() *problem {
	c.write(http.StatusOK, "application/json", []byte(`{"nodeCount":1}`))
	return nil
}

func (c *call) writeConfig(config map[string]any) *problem {
	body, err := json.Marshal(config)
	if err != nil {
		return &problem{status: http.StatusInternalServerError, code: "internal", text: "internal error"}
	}
	c.w.Header().Set("Cache-Control", "public, max-age=60")
	c.write(http.StatusOK, "application/json", body)
	return nil
}

// origin is the protocol and the host under which the client reached us.
func (c *call) origin() (protocolName, host string) {
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
