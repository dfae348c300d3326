package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// asked is an API that remembers its questions.
type asked struct {
	questions []Question
	answer    string
	err       error
}

func (a *asked) Ask(_ context.Context, q Question) (json.RawMessage, error) {
	a.questions = append(a.questions, q)
	return json.RawMessage(a.answer), a.err
}

// client connects the SDK's own client to a server of the API.
func client(t *testing.T, api API) *mcp.ClientSession {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	if _, err := NewServer(api, "test").Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func call(t *testing.T, session *mcp.ClientSession, name string, arguments map[string]any) (text string, failed bool) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return result.Content[0].(*mcp.TextContent).Text, result.IsError
}

func november() map[string]any {
	return map[string]any{"app": "a/1", "from": "2026-11-01", "to": "2026-12-01"}
}

func TestToolsAskTheAPI(t *testing.T) {
	cases := []struct {
		tool      string
		arguments map[string]any
		path      string // and query
	}{
		{"list_apps", nil, "apps"},
		{"performance", map[string]any{"group_by": []any{"media_source", "campaign"}, "metrics": []any{"installs"}, "filter": []any{"country:DE,AT", "media_source:!x"}, "limit": 5},
			"apps/a%2F1/reports/performance?filter=country:DE,AT&filter=media_source:!x&from=2026-11-01&group_by=media_source,campaign&limit=5&metrics=installs&to=2026-12-01"},
		{"compare_models", nil, "apps/a%2F1/reports/performance?from=2026-11-01&metrics=events,revenue&models=all&to=2026-12-01"},
		{"funnel", map[string]any{"step": []any{"A", "B"}}, "apps/a%2F1/reports/funnel?from=2026-11-01&step=A&step=B&to=2026-12-01"},
		{"explain_conversion", map[string]any{"id": "../users", "from": nil, "to": nil}, "apps/a%2F1/conversions/..%2Fusers"},
		{"health", nil, "cluster"},
	}
	for _, c := range cases {
		api := &asked{answer: `{"ok":true}`}
		arguments := c.arguments
		if strings.Contains(c.path, "a%2F1") {
			arguments = november()
			for name, value := range c.arguments {
				if arguments[name] = value; value == nil {
					delete(arguments, name)
				}
			}
		}
		text, failed := call(t, client(t, api), c.tool, arguments)
		if failed || text != `{"ok":true}` {
			t.Fatalf("%s: %s", c.tool, text)
		}
		q := api.questions[0]
		got := q.Path
		if len(q.Query) > 0 {
			decoded, err := url.QueryUnescape(q.Query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			got += "?" + decoded
		}
		if got != c.path || q.Body != nil {
			t.Errorf("%s asks\n%s, want\n%s", c.tool, got, c.path)
		}
	}
}

func TestWhatIfIsAPost(t *testing.T) {
	api := &asked{answer: `{}`}
	arguments := november()
	arguments["settings"] = map[string]any{"click_window_ms": 1}
	if text, failed := call(t, client(t, api), "what_if", arguments); failed {
		t.Fatal(text)
	}
	if got := string(api.questions[0].Body); got != `{"from":"2026-11-01","settings":{"click_window_ms":1},"to":"2026-12-01"}` {
		t.Error(got)
	}
}

// TestBadArgumentsAreTold holds that a model hears what to mend, and that the API is not asked.
func TestBadArgumentsAreTold(t *testing.T) {
	for want, arguments := range map[string]map[string]any{
		"needs from":            {"app": "a", "to": "2026-12-01"},
		"takes no argument":     {"app": "a", "from": "x", "to": "y", "grop_by": "campaign"},
		"must be one of":        {"app": "a", "from": "x", "to": "y", "model": "shapley2"},
		"must be a whole":       {"app": "a", "from": "x", "to": "y", "limit": 1.5},
		"takes one value":       {"app": []any{"a", "b"}, "from": "x", "to": "y"},
		"must be a list of":     {"app": "a", "from": "x", "to": "y", "group_by": []any{1}},
		"is of a wrong type":    {"app": "a", "from": "x", "to": "y", "tz": map[string]any{}},
		"must be one of gross,": {"app": "a", "from": "x", "to": "y", "fraud": "none"},
	} {
		api := &asked{answer: "{}"}
		text, failed := call(t, client(t, api), "performance", arguments)
		if !failed || !strings.Contains(text, want) || len(api.questions) > 0 {
			t.Errorf("%v: %q, want %q", arguments, text, want)
		}
	}
}

func TestFaultsOfTheAPIAreTold(t *testing.T) {
	api := &asked{err: errors.New("You may not see this app. (403, request r1)")}
	if text, failed := call(t, client(t, api), "health", nil); !failed || !strings.Contains(text, "403") {
		t.Error(text)
	}
	api = &asked{answer: `"` + strings.Repeat("x", maxAnswer) + `"`}
	if text, failed := call(t, client(t, api), "health", nil); !failed || !strings.Contains(text, "shorter range") {
		t.Error(text[:100])
	}
}

// TestEveryToolSaysEnough holds that each tool can be used without another manual.
func TestEveryToolSaysEnough(t *testing.T) {
	listed, err := client(t, &asked{}).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.Tools) != len(tools()) {
		t.Errorf("%d tools of %d", len(listed.Tools), len(tools()))
	}
	for _, tool := range listed.Tools {
		if len(tool.Description) < 40 || tool.Title == "" || !tool.Annotations.ReadOnlyHint {
			t.Errorf("%s: %q", tool.Name, tool.Description)
		}
		schema, ok := tool.InputSchema.(map[string]any)
		if !ok {
			t.Fatalf("%s: schema is %T", tool.Name, tool.InputSchema)
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			if about, _ := property.(map[string]any)["description"].(string); about == "" {
				t.Errorf("%s: %s is not described", tool.Name, name)
			}
		}
	}
}

// TestStreamable holds that a client over HTTP asks in its own name, and that nobody asks in none.
func TestStreamable(t *testing.T) {
	var seen []string
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") == "Bearer narrow" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"title":"Forbidden","detail":"You may not do this.","request_id":"r1"}`))
			return
		}
		_, _ = w.Write([]byte(`{"data":[]}`))
	})
	server := httptest.NewServer(Handler(api, "test"))
	defer server.Close()
	connect := func(token string) (*mcp.ClientSession, error) {
		transport := &mcp.StreamableClientTransport{Endpoint: server.URL, HTTPClient: &http.Client{Transport: withToken(token)}, MaxRetries: -1, DisableStandaloneSSE: true}
		return mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), transport, nil)
	}
	if _, err := connect(""); err == nil {
		t.Error("a client without a token was let in")
	}
	for token, want := range map[string]string{"whole": `{"data":[]}`, "narrow": "Forbidden: You may not do this. (403, request r1)"} {
		session, err := connect(token)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := call(t, session, "list_apps", nil); text != want {
			t.Errorf("%s: %s", token, text)
		}
		_ = session.Close()
	}
	if len(seen) != 2 || !strings.HasPrefix(seen[0], "GET /api/v1/apps Bearer ") {
		t.Error(seen)
	}
}

type withToken string

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if w != "" {
		r.Header.Set("Authorization", "Bearer "+string(w))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestRemote(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Error(r.Header)
		}
		_, _ = w.Write([]byte(`{"path":"` + r.URL.Path + `"}`))
	}))
	defer server.Close()
	for address, token := range map[string]string{"console.example.com": "x", "https://": "x", server.URL: ""} {
		if _, err := NewRemote(address, token, http.DefaultClient); err == nil {
			t.Errorf("%q with token %q is taken", address, token)
		}
	}
	remote, err := NewRemote(server.URL+"/", "secret", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	if text, failed := call(t, client(t, remote), "health", nil); failed || text != `{"path":"/api/v1/cluster"}` {
		t.Error(text)
	}
}
