package system

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// wire stands between an SDK and an agent and keeps the messages that pass: those
// that an SDK has really sent must be stored.
type wire struct {
	URL string

	t     testing.TB
	proxy *httputil.ReverseProxy
	fault func(attempt int) *fault // of the first, second, … time that one body is sent; nil lets it through
	look  func(r *http.Request)    // sees a request without a body before the agent does; nil does not

	mu       sync.Mutex
	attempts []attempt
	tries    map[string]int // of a body, by the id of its first message
	messages []sent
}

// fault is an answer in the agent's place.
type fault struct {
	status     int
	retryAfter string
}

// attempt is a POST.
type attempt struct {
	body   string // the id of its first message
	at     time.Time
	status int
}

// sent is a message that an agent has answered with 200.
type sent struct {
	path     string
	encoding string
	message  map[string]any // as stored: with the fields that the batch gives all its messages
	stamp    time.Time      // the client's
	sentAt   time.Time
}

func (s sent) id() string { return s.text("messageId") }

// text is a field of the message, "" if it has none.
func (s sent) text(name string) string {
	text, _ := s.message[name].(string)
	return text
}

// listenIn puts a wire before an agent.
func listenIn(t testing.TB, agent *Part, fault func(attempt int) *fault) *wire {
	t.Helper()
	target, err := url.Parse(agent.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, fault: fault, tries: map[string]int{}, proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the agent names it in its settings
	}}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		if w.look != nil {
			w.look(r)
		}
		if r.Context().Err() != nil {
			return // it has not waited
		}
		w.proxy.ServeHTTP(rw, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Errorf("read body: %v", err)
		return
	}
	messages := messagesOf(w.t, r, body)
	if len(messages) == 0 {
		w.t.Errorf("%s without a message: %q", r.URL.Path, body)
		return
	}
	first := messages[0].id()
	w.mu.Lock()
	number, try := len(w.attempts), w.tries[first]
	w.attempts = append(w.attempts, attempt{body: first, at: time.Now()})
	w.tries[first]++
	w.mu.Unlock()
	answer := &statusWriter{ResponseWriter: rw}
	if f := w.faultOf(try); f != nil {
		answer.Header().Set("Access-Control-Allow-Origin", "*") // as the agent does, or a page could not read it
		answer.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		if f.retryAfter != "" {
			answer.Header().Set("Retry-After", f.retryAfter)
		}
		answer.WriteHeader(f.status)
	} else {
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.proxy.ServeHTTP(answer, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts[number].status = answer.status
	if answer.status == http.StatusOK {
		w.messages = append(w.messages, messages...)
	}
}

func (w *wire) faultOf(attempt int) *fault {
	if w.fault == nil {
		return nil
	}
	return w.fault(attempt)
}

// delivered returns the messages that the agent has accepted so far, and how they were tried.
func (w *wire) delivered() ([]sent, []attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sent(nil), w.messages...), append([]attempt(nil), w.attempts...)
}

// messagesOf reads a request as the documentation of Segment's API has it.
func messagesOf(t testing.TB, r *http.Request, body []byte) []sent {
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "gzip" {
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Errorf("gzip: %v", err)
			return nil
		}
		if body, err = io.ReadAll(unpacked); err != nil {
			t.Errorf("gzip: %v", err)
			return nil
		}
	}
	root, err := decode(body)
	if err != nil {
		t.Errorf("%s: %v", body, err)
		return nil
	}
	list, isBatch := root["batch"].([]any)
	if !isBatch {
		list = []any{root}
		root = nil
	}
	var all []sent
	for _, item := range list {
		object, _ := item.(map[string]any)
		s := message(t, object, root)
		s.path, s.encoding = r.URL.Path, encoding
		all = append(all, s)
	}
	return all
}

// decode keeps numbers as they are written.
func decode(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	err := decoder.Decode(&object)
	return object, err
}

func message(t testing.TB, own, batch map[string]any) sent {
	s := sent{message: own}
	if s.stamp = moment(t, own["originalTimestamp"]); s.stamp.IsZero() { // RudderStack's SDKs
		s.stamp = moment(t, own["timestamp"])
	}
	if s.sentAt = moment(t, own["sentAt"]); s.sentAt.IsZero() {
		s.sentAt = moment(t, batch["sentAt"])
	}
	for _, name := range []string{"context", "integrations"} {
		shared, ok := batch[name].(map[string]any)
		if !ok {
			continue
		}
		merged := maps.Clone(shared)
		if mine, ok := own[name].(map[string]any); ok {
			maps.Copy(merged, mine)
		}
		own[name] = merged
	}
	delete(own, "sentAt")
	delete(own, "writeKey")
	return s
}

func moment(t testing.TB, v any) time.Time {
	text, ok := v.(string)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Errorf("time: %v", err)
	}
	return at
}

// awaitSent waits until everything that was sent is stored, and checks that it
// is stored as it was sent and that nothing else is there. others are messages
// that were there before.
func (c *Cluster) awaitSent(t testing.TB, messages []sent, others int) []protocol.Event {
	t.Helper()
	var stored []protocol.Event
	Await(t, "the messages in ClickHouse", func() error {
		all, err := c.storedEvents()
		if err != nil {
			return err
		}
		stored = stored[:0]
		for _, s := range messages {
			for _, e := range all {
				if e.ID == s.id() {
					stored = append(stored, e)
				}
			}
		}
		if len(all) != len(messages)+others || len(stored) != len(messages) {
			return fmt.Errorf("%d messages stored, of them %d of the %d sent", len(all), len(stored), len(messages))
		}
		return nil
	})
	for i, e := range stored {
		checkStoredAsSent(t, e, messages[i])
	}
	return stored
}

// checkStoredAsSent compares all that every message has, whatever its kind.
func checkStoredAsSent(t testing.TB, e protocol.Event, s sent) {
	t.Helper()
	payload, err := decode(e.Payload)
	if err != nil || !reflect.DeepEqual(payload, s.message) {
		t.Errorf("%s %s is stored as %s (%v), sent as %v", s.text("type"), s.id(), e.Payload, err, s.message)
	}
	if e.Original != s.stamp.UnixMilli() || e.Time != e.Received-(s.sentAt.UnixMilli()-e.Original) || e.Has(protocol.FlagClamped) {
		t.Errorf("%s: original %d, time %d, received %d, but the client's timestamp is %s and it sent at %s", s.id(), e.Original, e.Time, e.Received, s.stamp, s.sentAt)
	}
	if e.Kind.String() != s.text("type") || e.UserID != s.text("userId") || e.AnonymousID != s.text("anonymousId") ||
		e.GroupID != s.text("groupId") || e.PreviousID != s.text("previousId") {
		t.Errorf("%s is stored as %+v", s.id(), e)
	}
}
