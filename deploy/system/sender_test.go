package system

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
)

// sender sends messages with ids of its own and remembers those acknowledged.
type sender struct {
	c     *Cluster
	next  int
	acked map[string]bool
}

func newSender(c *Cluster) *sender { return &sender{c: c, acked: map[string]bool{}} }

// send sends n messages in one request and returns the answer. They count as
// acknowledged if it is 200. Each has so many bytes that do not compress.
func (s *sender) send(at *Part, n, noise int) (int, http.Header) {
	s.c.T.Helper()
	var events []map[string]any
	random := make([]byte, noise)
	for range n {
		s.next++
		_, _ = rand.Read(random)
		events = append(events, map[string]any{"type": "track", "event": "Seen", "userId": "u", "messageId": fmt.Sprintf("m-%d", s.next),
			"properties": map[string]any{"noise": base64.StdEncoding.EncodeToString(random)}})
	}
	status, header, _ := s.c.post(at, s.c.WriteKey, "/v1/batch", jsonBytes(s.c.T, batch(events...)), nil)
	if status == http.StatusOK {
		for _, e := range events {
			s.acked[e["messageId"].(string)] = true
		}
	}
	return status, header
}

// must sends requests of n messages and wants all of them acknowledged.
func (s *sender) must(at *Part, requests, n int) {
	s.c.T.Helper()
	for range requests {
		if status, _ := s.send(at, n, 0); status != http.StatusOK {
			s.c.T.Fatalf("the agent answered %d", status)
		}
	}
}

// awaitStored waits until ClickHouse has exactly the acknowledged messages.
func (s *sender) awaitStored() {
	s.c.T.Helper()
	s.c.Await("every acknowledged message stored once", s.stored)
}

func (s *sender) stored() error {
	events, err := s.c.storedEvents()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e.ID] || !s.acked[e.ID] {
			return fmt.Errorf("%s is stored twice, or was not acknowledged", e.ID)
		}
		seen[e.ID] = true
	}
	if len(seen) != len(s.acked) {
		return fmt.Errorf("%d of %d messages", len(seen), len(s.acked))
	}
	return nil
}

// post sends any body to an agent.
func (c *Cluster) post(at *Part, key, path string, body []byte, header map[string]string) (int, http.Header, string) {
	c.T.Helper()
	status, answered, answer, err := c.tryPost(at, key, path, body, header)
	if err != nil {
		c.T.Fatal(err)
	}
	return status, answered, answer
}

func (c *Cluster) tryPost(at *Part, key, path string, body []byte, header map[string]string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, at.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.SetBasicAuth(key, "")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(answer), err
}

// agentStatus asks an agent for its status.
func (c *Cluster) agentStatus(p *Part) (s agent.Status, err error) {
	resp, err := http.Get(p.Admin + "/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// awaitQueue waits until so many messages wait in an agent's buffer.
func (c *Cluster) awaitQueue(p *Part, want int64) {
	c.T.Helper()
	c.Await(fmt.Sprintf("%d messages queued at %s", want, p.Name), func() error {
		s, err := c.agentStatus(p)
		if err == nil && s.Buffer.QueuedEvents != want {
			err = fmt.Errorf("%d messages", s.Buffer.QueuedEvents)
		}
		return err
	})
}
