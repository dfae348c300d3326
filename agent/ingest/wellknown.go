package ingest

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// What systems ask a link host for, to let an app open its links by itself. Such links do not
// reach an agent where the app is; the app's opening then names them.

// linkHost is the app whose link host a request came to.
func linkHost(c *call) (protocol.App, bool) {
	_, host := origin(c)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return c.h.Directory.Host(strings.ToLower(strings.TrimSuffix(host, ".")))
}

// serveAppleAssociation serves apple-app-site-association: the apps of Apple's systems that open
// the links of this host. See "Supporting associated domains" in Apple's documentation.
func serveAppleAssociation(c *call) *problem {
	app, ok := linkHost(c)
	if !ok || len(app.AppleAppIDs) == 0 {
		return noLinkHost(c)
	}
	type component struct {
		Path string `json:"/"`
	}
	type detail struct {
		AppIDs     []string    `json:"appIDs"`
		Components []component `json:"components"`
	}
	details := []detail{{AppIDs: app.AppleAppIDs, Components: []component{{Path: "/c/*"}}}}
	return writeAssociation(c, map[string]any{"applinks": map[string]any{"details": details}})
}

// serveAssetLinks serves assetlinks.json, the same for Android. See "Verify Android App Links".
func serveAssetLinks(c *call) *problem {
	app, ok := linkHost(c)
	if !ok || len(app.AndroidApps) == 0 {
		return noLinkHost(c)
	}
	type target struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	}
	type statement struct {
		Relation []string `json:"relation"`
		Target   target   `json:"target"`
	}
	var all []statement
	for _, a := range app.AndroidApps {
		all = append(all, statement{Relation: []string{"delegate_permission/common.handle_all_urls"},
			Target: target{Namespace: "android_app", Package: a.Package, Fingerprints: a.Fingerprints}})
	}
	return writeAssociation(c, all)
}

func writeAssociation(c *call, association any) *problem {
	body, err := json.Marshal(association)
	if err != nil {
		return &problem{status: http.StatusInternalServerError, code: "internal", text: "internal error"}
	}
	c.w.Header().Set("Cache-Control", "public, max-age=3600")
	c.write(http.StatusOK, "application/json", body)
	return nil
}

func noLinkHost(c *call) *problem {
	if !c.h.Directory.Fresh() {
		return cutOffProblem()
	}
	return &problem{status: http.StatusNotFound, code: "no_link_host",
		text: "no app has this host as a link host, or none of its apps is named; set them in the app's settings"}
}
