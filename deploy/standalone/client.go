package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds the part of an answer that is read.
const maxAnswer = 16 << 20

// client calls the console API as a logged-in person.
type client struct {
	base  string // ends in /api/v1/
	token string
	http  *http.Client

	// cookie is the refresh cookie. A jar would not send it: it is Secure, and
	// only browsers know that localhost needs no TLS.
	cookie *http.Cookie
}

// logIn opens a session with the credentials of dev.env.
func logIn(ctx context.Context, env *environment) (*client, error) {
	if env.get("ADMIN_PASSWORD") == "" || env.get("CONSOLE_URL") == "" {
		return nil, errors.New("no credentials yet: run make start first")
	}
	c := &client{base: strings.TrimSuffix(env.get("CONSOLE_URL"), "/") + "/api/v1/", http: &http.Client{Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	credentials := map[string]string{"email": env.get("ADMIN_EMAIL"), "password": env.get("ADMIN_PASSWORD")}
	if err := c.call(ctx, http.MethodPost, "auth/login", credentials, &session); err != nil {
		return nil, fmt.Errorf("log in to the console: %w", err)
	}
	c.token = session.AccessToken
	return c, nil
}

// call sends one request and decodes its answer into out, unless that is nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	status, body, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	if status >= http.StatusBadRequest {
		return fmt.Errorf("%s %s answered %d: %s", method, path, status, problem(body))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	return nil
}

// send sends one request and returns what came back, whatever the status.
func (c *client) send(ctx context.Context, method, path string, in any) (status int, answer []byte, err error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return 0, nil, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, nil, fmt.Errorf("make %s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.cookie != nil {
		req.AddCookie(&http.Cookie{Name: c.cookie.Name, Value: c.cookie.Value})
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("call %s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		c.cookie = cookie
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	return resp.StatusCode, answer, nil
}

// problem picks the words out of an error answer.
func problem(body []byte) string {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return strings.TrimSpace(string(body))
	}
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}
