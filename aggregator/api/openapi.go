package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

func openapi(c *call) (any, error) {
	return newRawAnswer("application/json", c.openapi), nil
}

// Document is the OpenAPI 3.1 description of the console API, as GET openapi.json answers it.
func Document() ([]byte, error) { return document(routes()) }

// object is a JSON object of the document.
type object = map[string]any

// document writes the OpenAPI 3.1 description of the table. It is made from the table that the server
// runs, so it cannot fall behind it.
func document(table []route) ([]byte, error) {
	schemas := newSchemas()
	paths := object{}
	for i := range table {
		r := &table[i]
		path := strings.TrimSuffix(base, "/") + "/" + r.path
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(r.method)] = operation(r, schemas)
	}
	problem := schemas.of(problem{})
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "UnMoGrowP console API", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Times are RFC 3339 in UTC, amounts are decimal strings. Errors are application/problem+json with a request_id.",
		},
		"servers":  []object{{"url": "/"}},
		"security": []object{{"bearer": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": schemas.named,
			"securitySchemes": object{
				"bearer":  object{"type": "http", "scheme": "bearer", "description": "The access_token of auth/login or auth/refresh, or an API token."},
				"refresh": object{"type": "apiKey", "in": "cookie", "name": refreshCookie},
			},
			"responses": object{"Problem": object{
				"description": "Not a success; detail says why.", "content": object{"application/problem+json": object{"schema": problem}},
			}},
		},
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write openapi document: %w", err)
	}
	return text, nil
}

// operation describes one route.
func operation(r *route, schemas *schemas) object {
	success := object{"description": "Success"}
	if r.reply != nil {
		content := object{cmp.Or(r.media, "application/json"): object{"schema": schemas.of(r.reply)}}
		if r.exportable() {
			content["text/csv"] = object{"schema": object{"type": "string"}}
		}
		success["content"] = content
	}
	op := object{
		"operationId": operationID(r),
		"summary":     r.summary,
		"description": "Permission: " + r.rule.String(),
		"tags":        []string{tag(r.path)},
		"responses":   object{strconv.Itoa(r.success()): success, "default": object{"$ref": "#/components/responses/Problem"}},
	}
	if r.rule.public {
		op["security"] = []object{}
		if r.path == "auth/refresh" || r.path == "auth/logout" {
			op["security"] = []object{{"refresh": []string{}}}
		}
	}
	if parameters := parametersOf(r); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if r.body != nil {
		content := object{"application/json": object{"schema": schemas.of(r.body)}}
		if r.text {
			content["text/csv"] = object{"schema": object{"type": "string"}}
		}
		op["requestBody"] = object{"required": true, "content": content}
	}
	return op
}

// operationID is like getAppsAppReportsOverview.
func operationID(r *route) string {
	id := strings.ToLower(r.method)
	for part := range strings.FieldsFuncSeq(r.path, func(c rune) bool { return strings.ContainsRune("/{}-.", c) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// tag is the part of the API that a path belongs to.
func tag(path string) string {
	parts := strings.Split(path, "/")
	if parts[0] == "apps" && len(parts) > 2 {
		return parts[2]
	}
	return strings.TrimSuffix(parts[0], ".json")
}

func parametersOf(r *route) []object {
	var list []object
	for part := range strings.SplitSeq(r.path, "/") {
		if strings.HasPrefix(part, "{") {
			list = append(list, object{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, name := range r.query {
		schema, description := queryParameter(name)
		if slices.Contains(repeated(), name) {
			schema = object{"type": "array", "items": schema, "maxItems": maxRepeated}
		}
		list = append(list, object{"name": name, "in": "query", "schema": schema, "description": description})
	}
	return list
}

func queryParameter(name string) (schema object, description string) {
	text := object{"type": "string"}
	switch name {
	case "from":
		return text, "Beginning of the range, a time or a date; default 30 days before its end"
	case "to":
		return text, "End of the range, which is not in it; default now"
	case "tz":
		return text, "IANA time zone of dates and buckets; default the app's"
	case "interval":
		return object{"type": "string", "enum": []string{"hour", "day", "week"}}, "Width of a point"
	case "metric":
		return object{"type": "string", "enum": []string{"events", "clicks", "impressions", "installs", "conversions", "revenue", "retention", "ltv", "roas"}},
			"What to show: the first six over time, retention, revenue, ltv, roas or events of cohorts"
	case "model":
		return object{"type": "string", "enum": report.ModelNames()}, "Attribution model; default last_touch. markov and shapley group by media_source only"
	case "a", "b":
		return object{"type": "string", "enum": report.ModelNames()}, "A model to compare; default first_touch with last_touch"
	case "fraud":
		return object{"type": "string", "enum": []string{"gross", "net"}}, "net leaves out conversions whose install is marked as fraud; default gross"
	case "run":
		return text, "Id of a run of the data-driven models: markov and shapley are what it found, and the range and currency are its own"
	case "group_by":
		return text, "Comma-separated: media_source, campaign, adset, ad, keyword; performance knows up to five of these and sub1 to sub5, link, country, " +
			"platform, app_version, day, week, month. Default media_source"
	case "format":
		return object{"type": "string", "enum": []string{"json", "csv"}}, "csv is for spreadsheets; without it the header Accept decides. Lists are then at " +
			"most 20000 rows, of all pages"
	case "currency":
		return object{"type": "string", "pattern": "^[A-Z]{3}$"}, "ISO 4217 code that revenue is converted to by stored daily rates; without it nothing is " +
			"converted, and of several currencies the app's comes first"
	case "limit":
		return object{"type": "integer", "minimum": 1, "maximum": 1000}, "Length of the page; default 50"
	case "cursor":
		return text, "next_cursor of the page before"
	case "code", "state", "iss", "error":
		return text, "As RFC 6749 and RFC 9207 say"
	}
	return reportParameter(name)
}

// reportParameter describes those of the reports of campaigns.
func reportParameter(name string) (schema object, description string) {
	text := object{"type": "string"}
	switch name {
	case "filter":
		return text, "field:value keeps what has the value, field:!value leaves it out; more values of a field after commas or in a filter each. A " +
			"backslash before a comma, an exclamation mark or a backslash of a value"
	case "metrics":
		return text, "Comma-separated columns: impressions, clicks, ctr, installs, view_through, reinstalls, re_attributions, re_engagements, cvr, events, " +
			"revenue, gross, refunds, untrusted, cost, cpc, cpi, roas, arpu, fraud_share"
	case "event":
		return text, "One conversion event by its name, or * for all except installs; default Order Completed, or the first of the app's list"
	case "models":
		return object{"type": "string", "enum": []string{"all"}}, "all tells each row under the five models, and how far they are apart"
	case "compare":
		return object{"type": "string", "enum": []string{"previous", "year"}}, "Beside it the period of the same length before, or the same dates a year before"
	case "sort":
		return text, "A metric or a dimension, with a - before it for the greatest first; default the first metric, greatest first"
	case "cohort":
		return object{"type": "string", "enum": []string{"day", "week", "month"}}, "Installs of which time are followed together; default day"
	case "days":
		return object{"type": "integer", "minimum": 0, "maximum": 180}, "The last day of age; default 30"
	case "activity":
		return text, "What counts as coming back: any message (any, the default), or an event by its name"
	case "step":
		return text, "An event by its name, or page:name, in order: 2 to 8 of them"
	case "window":
		return text, "How long the steps may take from the first: a number and m, h or d, 1m to 90d; default 7d"
	case "by":
		return text, "Comma-separated: rule and dimensions of the performance report; default rule"
	case "fields":
		return object{"type": "string", "enum": []string{"short"}}, "short leaves out all but what a chooser of apps needs"
	case "q":
		return text, "Events with this among their ids"
	case "as_of":
		return text, "Costs as they were known at that time; default now"
	case "dry_run":
		return object{"type": "boolean"}, "true checks the costs and stores nothing"
	case "media_source":
		return text, "Media source of rows that name none; default the network of the export"
	}
	return text, "Only those with this " + name
}

// methods that the document may hold; a table with another is a mistake that New reports.
func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}
