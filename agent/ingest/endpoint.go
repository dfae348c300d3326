package ingest

import (
	"net/http"

	"github.com/unmogrowp/unmogrowp/agent/vendor"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// endpoint is one line of the table of paths: how it reads requests, and how it answers. A line
// either takes messages, in the order of its fields, or serves something else.
type endpoint struct {
	paths  []string
	method string // "GET", "POST" or "GET, POST"; GET also answers HEAD; "" any

	keys    []keyPlace // where the write key may be: the first place that holds one counts
	keyless bool       // none is needed: app finds out whose the messages are
	limit   int        // bytes of a body uncompressed; 0 is Limits.BodyBytes
	depth   int        // at which events lie: 1 a lone event, 3 the events of a batch
	kind    protocol.Kind
	read    func(*call) *problem           // reads the request; nil: the body, as JSON
	list    string                         // name of the list of events in another vendor's body
	app     appNumber                      // whose a postback is, where it has no key
	rewrite rewriting                      // makes messages of another vendor's request
	take    func(*call) *problem           // makes events of messages; nil: of one, or of a batch, by depth
	answer  func(*call, *problem) *problem // answers, also a refusal; nil: as the Segment API does

	serve func(*call) *problem // what takes no messages
}

type (
	rewriting = func(*vendor.Rewriter, *vendor.Request) *vendor.Refusal
	appNumber = func(*vendor.Rewriter, *vendor.Request) (string, *vendor.Refusal)
)

// maxForeign bounds a batch in another vendor's format, uncompressed.
const maxForeign = 256 << 10

// endpoints are all that an agent serves. Another vendor's endpoint is a line here, a rewriting in
// agent/vendor, and a script in its testdata.
func endpoints(l *Limits) []endpoint {
	segment := []keyPlace{inHeader, inBody}
	list := []endpoint{
		{paths: []string{"/v1/batch", "/v1/b", "/v1/import", "/v1/m"}, method: http.MethodPost, keys: segment, depth: 3},
		{paths: []string{"/v1/s2s/touch"}, method: http.MethodPost, keys: segment, depth: 3, take: takeTouches, answer: answerTouches},
		{paths: []string{"/v1/pixel/{type}"}, method: http.MethodGet,
			keys: []keyPlace{inHeader, inBody, inQuery("writeKey")}, depth: 1, read: readPixel, answer: answerPixel},

		{paths: []string{"/inappevent/{app_id}"}, method: http.MethodPost,
			keys: []keyPlace{inHeaderNamed("Authentication"), inHeader}, limit: l.EventBytes, depth: 1, rewrite: (*vendor.Rewriter).AppsFlyer},
		{paths: []string{"/event"}, method: "GET, POST", keys: []keyPlace{inHeader, inForm("app_token")},
			limit: l.EventBytes, depth: 1, read: readForm, rewrite: (*vendor.Rewriter).Adjust, answer: answerAdjust},
		{paths: []string{"/mp/collect"}, method: http.MethodPost, keys: []keyPlace{inQuery("api_secret"), inHeader},
			limit: maxForeign, depth: 3, list: "events", rewrite: (*vendor.Rewriter).GA4, answer: answerGA4},
		{paths: orSlash("/.well-known/skadnetwork/report-attribution"), method: http.MethodPost, keys: []keyPlace{inQuery("key"), inHeader}, keyless: true,
			limit: vendor.MaxPostback, depth: 1, app: (*vendor.Rewriter).SKAdNetworkApp, rewrite: (*vendor.Rewriter).SKAdNetwork},
		{paths: orSlash("/.well-known/appattribution/report-attribution"), method: http.MethodPost, keys: []keyPlace{inQuery("key"), inHeader}, keyless: true,
			limit: vendor.MaxPostback, depth: 1, app: (*vendor.Rewriter).AttributionKitApp, rewrite: (*vendor.Rewriter).AttributionKit},

		{paths: []string{"/v1/projects/{key}/settings"}, method: http.MethodGet, keys: []keyPlace{inPath("key")}, serve: serveSettings},
		{paths: orSlash("/sourceConfig"), method: http.MethodGet, keys: []keyPlace{inHeader, inQuery("writeKey")}, serve: serveSourceConfig},
		{paths: []string{"/v1/deeplink"}, method: http.MethodGet, keys: []keyPlace{inHeader, inQuery("writeKey")}, serve: serveDeepLink},
		{paths: []string{"/cluster-info"}, method: http.MethodGet, keyless: true, serve: serveClusterInfo},
		{paths: []string{"/v1/edges"}, method: http.MethodGet, keyless: true, serve: serveEdges},
		{paths: []string{"/c/{slug}"}, method: http.MethodGet, keyless: true, serve: serveClick},
		{paths: []string{"/i/{slug}"}, method: http.MethodGet, keyless: true, serve: serveImpression},
		{paths: []string{"/.well-known/apple-app-site-association", "/apple-app-site-association"}, method: http.MethodGet,
			keyless: true, serve: serveAppleAssociation},
		{paths: []string{"/.well-known/assetlinks.json"}, method: http.MethodGet, keyless: true, serve: serveAssetLinks},
		{paths: []string{"/"}, keyless: true, serve: serveNotFound},
	}
	for _, k := range [...]protocol.Kind{protocol.KindTrack, protocol.KindIdentify, protocol.KindPage,
		protocol.KindScreen, protocol.KindGroup, protocol.KindAlias} {
		name := k.String()
		list = append(list, endpoint{paths: []string{"/v1/" + name, "/v1/" + name[:1]}, method: http.MethodPost, keys: segment, depth: 1, kind: k})
	}
	return list
}

// orSlash is a path with and without a slash at its end.
func orSlash(path string) []string { return []string{path, path + "/{$}"} }

func serveNotFound(*call) *problem {
	return &problem{status: http.StatusNotFound, code: "not_found",
		text: "no such path; events go to POST /v1/batch, /v1/track, /v1/identify, /v1/page, /v1/screen, /v1/group or /v1/alias"}
}
