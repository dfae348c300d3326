// Package mcp lets assistants put questions to the console's API, by the Model Context Protocol
// (https://modelcontextprotocol.io/specification). Every tool is one question of the API, asked with the
// caller's own API token: their permissions, and how their view is narrowed, are decided there and
// nowhere here. Nothing can be changed through it.
package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxAnswer bounds an answer to a model, in bytes: more is a question asked too widely.
const maxAnswer = 200 << 10

// maxRequest bounds a request of a client, in bytes.
const maxRequest = 256 << 10

// Question is a request of the console's API that changes nothing.
type Question struct {
	Path  string // below /api/v1/
	Query url.Values
	Body  json.RawMessage // sent by POST if there is one, else the question is a GET
}

// API answers questions. An answer that is no success is an error whose text may be shown.
type API interface {
	Ask(ctx context.Context, q Question) (json.RawMessage, error)
}

// NewServer returns a server with all tools that asks the API.
func NewServer(api API, version string) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "unmogrowp", Title: "UnMoGrowP attribution", Version: version}, &mcp.ServerOptions{Instructions: instructions})
	for _, t := range tools() {
		server.AddTool(t.describe(), t.call(api))
	}
	return server
}

// instructions tell a model about the tools before it calls one.
const instructions = `UnMoGrowP says which clicks, impressions and visits led to installs and purchases.
Begin with list_apps: every other tool wants an app id. Then performance answers most questions
(spend, installs, revenue, ROAS by campaign); compare_models says whether another attribution model would
say otherwise; why explains one row, explain_conversion one conversion.

Words: an install is a new install, and has one winner; organic and unattributed are rows of their own.
A conversion event is one named event, such as "Order Completed"; its credit is shared out by the model
(first_touch, last_touch, linear, time_decay, position_based). Counts and money are decimal texts; null
has no meaning in that row, and notes says why. Times are RFC 3339 or dates; "to" is exclusive. Say the
range, the model and the currency with every figure that you report.`

// Handler serves the tools by streamable HTTP, in front of the API's own handler. Each request carries
// an API token as "Authorization: Bearer …" and is answered in its name; nothing is kept between requests.
func Handler(api http.Handler, version string) http.Handler {
	serve := func(r *http.Request) *mcp.Server {
		return NewServer(&Local{API: api, Bearer: bearer(r), Remote: r.RemoteAddr, Header: r.Header}, version)
	}
	inner := mcp.NewStreamableHTTPHandler(serve, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxRequest})
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bearer(r) == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="unmogrowp"`)
			http.Error(w, "send an API token of the console as Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
}

// bearer is the token that a request carries, empty for none.
func bearer(r *http.Request) string {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return ""
	}
	return strings.TrimSpace(token)
}

// tool is one question: a route, and which of its parameters a model may give.
type tool struct {
	name, title, about string
	path               string // below /api/v1/; {app} and {id} are filled in from the arguments
	params             []param
	fixed              url.Values // parameters that are always sent
	post               bool       // arguments go as a JSON object in the body of a POST
}

// param is an argument of a tool.
type param struct {
	name, about string
	required    bool
	list        bool     // several values: sent comma-separated, or repeated if repeat
	repeat      bool     // one query parameter for each value
	number      bool     // a whole number
	object      bool     // a JSON object, of a question that is a POST
	choice      []string // the only values; empty for any
}

func (t *tool) describe() *mcp.Tool {
	schema := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
	for _, p := range t.params {
		one := &jsonschema.Schema{Type: "string", Description: p.about}
		if p.number {
			one = &jsonschema.Schema{Type: "integer", Description: p.about}
		}
		if p.object {
			one = &jsonschema.Schema{Type: "object", Description: p.about}
		}
		for _, c := range p.choice {
			one.Enum = append(one.Enum, c)
		}
		if p.list {
			one.Description = ""
			one = &jsonschema.Schema{Type: "array", Items: one, Description: p.about}
		}
		schema.Properties[p.name] = one
		if p.required {
			schema.Required = append(schema.Required, p.name)
		}
	}
	closed := false
	return &mcp.Tool{
		Name: t.name, Title: t.title, Description: t.about, InputSchema: schema,
		Annotations: &mcp.ToolAnnotations{Title: t.title, ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &closed},
	}
}

// call asks the API. What went wrong is told to the model, which may ask otherwise.
func (t *tool) call(api API) mcp.ToolHandler {
	return func(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, err := t.ask(ctx, api, request.Params.Arguments)
		if err != nil {
			return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: err.Error()}}}, nil
		}
		result := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(answer)}}}
		if len(answer) > 0 && answer[0] == '{' {
			result.StructuredContent = answer
		}
		return result, nil
	}
}

func (t *tool) ask(ctx context.Context, api API, arguments json.RawMessage) (json.RawMessage, error) {
	given := map[string]any{}
	if len(arguments) > 0 {
		if err := json.Unmarshal(arguments, &given); err != nil {
			return nil, fmt.Errorf("the arguments are no JSON object: %w", err)
		}
	}
	question, err := t.question(given)
	if err != nil {
		return nil, err
	}
	answer, err := api.Ask(ctx, question)
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer has %d bytes, at most %d fit: ask for a shorter range, fewer dimensions, or a smaller limit", len(answer), maxAnswer)
	}
	return answer, nil
}

// question turns arguments into a request.
func (t *tool) question(given map[string]any) (Question, error) {
	q, body := Question{Path: t.path, Query: url.Values{}}, map[string]any{}
	for name, values := range t.fixed {
		q.Query[name] = values
	}
	for name := range given {
		if !slices.ContainsFunc(t.params, func(p param) bool { return p.name == name }) {
			return q, fmt.Errorf("%s takes no argument %q, it takes %s", t.name, name, strings.Join(t.names(), ", "))
		}
	}
	for _, p := range t.params {
		hole, value := "{"+p.name+"}", given[p.name]
		if p.object && value != nil {
			if _, ok := value.(map[string]any); !ok {
				return q, fmt.Errorf("%s must be a JSON object", p.name)
			}
			body[p.name] = value
			continue
		}
		values, err := p.texts(value)
		switch {
		case err != nil:
			return q, err
		case len(values) == 0 && p.required:
			return q, fmt.Errorf("%s needs %s: %s", t.name, p.name, p.about)
		case len(values) == 0:
		case strings.Contains(q.Path, hole):
			q.Path = strings.ReplaceAll(q.Path, hole, url.PathEscape(values[0]))
		case t.post:
			body[p.name] = value
		case p.list && !p.repeat:
			q.Query[p.name] = []string{strings.Join(values, ",")}
		default:
			q.Query[p.name] = values
		}
	}
	if !t.post {
		return q, nil
	}
	var err error
	q.Body, err = json.Marshal(body)
	return q, err
}

func (t *tool) names() []string {
	var names []string
	for _, p := range t.params {
		names = append(names, p.name)
	}
	return names
}

// texts reads an argument, a single value also where a list is meant.
func (p *param) texts(value any) ([]string, error) {
	var values []string
	switch v := value.(type) {
	case nil:
	case string:
		if v != "" {
			values = []string{v}
		}
	case float64:
		if v != float64(int64(v)) {
			return nil, fmt.Errorf("%s must be a whole number", p.name)
		}
		values = []string{fmt.Sprint(int64(v))}
	case []any:
		if !p.list {
			return nil, fmt.Errorf("%s takes one value, not a list", p.name)
		}
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%s must be a list of texts", p.name)
			}
			values = append(values, text)
		}
	default:
		return nil, fmt.Errorf("%s is of a wrong type", p.name)
	}
	for _, v := range values {
		if len(p.choice) > 0 && !slices.Contains(p.choice, v) {
			return nil, fmt.Errorf("%s must be one of %s, not %q", p.name, strings.Join(p.choice, ", "), v)
		}
	}
	return values, nil
}
