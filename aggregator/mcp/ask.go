package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// apiPath is where the API lives on its host.
const apiPath = "/api/v1/"

// Remote asks the API of a console by HTTP, for a client that runs on somebody's own machine.
type Remote struct {
	console *url.URL
	token   string
	client  *http.Client
}

// NewRemote returns what asks a console, such as https://console.example.com, with an API token.
func NewRemote(console, token string, client *http.Client) (*Remote, error) {
	u, err := url.Parse(strings.TrimSuffix(console, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the console's address: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("the console's address %q must begin with https:// and name a host", console)
	case token == "":
		return nil, errors.New("an API token is missing: make one in the console under Account, or for a service account under People & roles")
	}
	return &Remote{u, token, client}, nil
}

// Ask makes Remote an API.
func (r *Remote) Ask(ctx context.Context, q Question) (json.RawMessage, error) {
	req, err := request(ctx, r.console.String(), r.token, q)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the console: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the console's answer: %w", err)
	}
	return judge(resp.StatusCode, body)
}

func request(ctx context.Context, host, token string, q Question) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if q.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.Body)
	}
	address := host + apiPath + q.Path
	if len(q.Query) > 0 {
		address += "?" + q.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	if q.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// judge returns the answer of a success, and the problem's own words of anything else.
func judge(status int, body []byte) (json.RawMessage, error) {
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes: ask for a shorter range, fewer dimensions, or a smaller limit", maxAnswer)
	}
	if status >= 200 && status < 300 {
		return body, nil
	}
	var problem struct {
		Title     string `json:"title"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Title == "" {
		return nil, fmt.Errorf("the console answers %d", status)
	}
	text := problem.Title
	if problem.Detail != "" {
		text += ": " + problem.Detail
	}
	return nil, fmt.Errorf("%s (%d, request %s)", text, status, problem.RequestID)
}

// Local asks an API in this process, in the name of the client that a request came from.
type Local struct {
	API    http.Handler
	Bearer string
	Remote string // address of the client, as in http.Request
	Header http.Header
}

// Ask makes Local an API.
func (l *Local) Ask(ctx context.Context, q Question) (json.RawMessage, error) {
	req, err := request(ctx, "", l.Bearer, q)
	if err != nil {
		return nil, err
	}
	req.RemoteAddr, req.RequestURI = l.Remote, req.URL.RequestURI()
	if forwarded := l.Header.Values("X-Forwarded-For"); forwarded != nil {
		req.Header["X-Forwarded-For"] = forwarded
	}
	w := &recorder{header: http.Header{}}
	l.API.ServeHTTP(w, req)
	return judge(w.status, w.body.Bytes())
}

// recorder keeps an answer, up to the limit and a byte.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if room := maxAnswer + 1 - r.body.Len(); room > 0 {
		r.body.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
