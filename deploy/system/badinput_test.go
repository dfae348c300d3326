package system

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// Every kind of bad request has its documented answer, and good messages beside
// it are kept.
func TestBadInputIsRefused(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	to := c.Agents[0]
	message := func(id, padding string) map[string]any {
		return map[string]any{"type": "track", "event": "Seen", "userId": "u", "messageId": id, "properties": map[string]any{"padding": strings.Split(padding, " ")}}
	}
	good := jsonBytes(t, message("good", ""))
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(append([]byte(`{"padding":"`), bytes.Repeat([]byte{'0'}, 64<<20)...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		name, key, path string
		body            []byte
		header          string // a name and a value
		want            int
	}{
		{"malformed", c.WriteKey, "/v1/track", []byte(`{"event":"Seen","userId":`), "", http.StatusBadRequest},
		{"no event", c.WriteKey, "/v1/track", []byte(`{"userId":"u"}`), "", http.StatusBadRequest},
		{"no batch", c.WriteKey, "/v1/batch", good, "", http.StatusBadRequest},
		{"not gzip", c.WriteKey, "/v1/track", good, "Content-Encoding gzip", http.StatusBadRequest},
		{"unknown key", "wk_nobody", "/v1/track", good, "", http.StatusUnauthorized},
		{"no key", "", "/v1/track", good, "", http.StatusUnauthorized},
		{"event too large", c.WriteKey, "/v1/track", jsonBytes(t, message("large", strings.Repeat("x ", 20<<10))), "", http.StatusRequestEntityTooLarge},
		{"body too large", c.WriteKey, "/v1/batch", bytes.Repeat([]byte{' '}, 1<<20+1), "", http.StatusRequestEntityTooLarge},
		{"too many events", c.WriteKey, "/v1/batch", []byte(`{"batch":[` + strings.Repeat(`{},`, 2500) + `{}]}`), "", http.StatusRequestEntityTooLarge},
		{"gzip bomb", c.WriteKey, "/v1/track", bomb.Bytes(), "Content-Encoding gzip", http.StatusRequestEntityTooLarge},
		{"msgpack bomb", c.WriteKey, "/v1/batch", []byte("\x81\xa5batch\xdd\xff\xff\xff\xff"), "Content-Type application/msgpack", http.StatusBadRequest},
		{"touch with a client key", c.WriteKey, "/v1/s2s/touch", []byte(`{"id":"click"}`), "", http.StatusForbidden},
	} {
		header := map[string]string{}
		if name, value, ok := strings.Cut(bad.header, " "); ok {
			header[name] = value
		}
		status, answered, answer := c.post(to, bad.key, bad.path, bad.body, header)
		if status != bad.want || answered.Get("Content-Type") != "application/json" || !strings.Contains(answer, `"success":false`) {
			t.Errorf("%s: answered %d: %s, want %d", bad.name, status, answer, bad.want)
		}
	}
	mixed := jsonBytes(t, batch(message("good-1", ""), map[string]any{"type": "track", "userId": "u"}, message("good-2", "")))
	status, _, answer := c.post(to, c.WriteKey, "/v1/batch", mixed, nil)
	if status != http.StatusOK || !strings.Contains(answer, `"rejected":[{"index":1,`) {
		t.Errorf("a batch with a bad message: answered %d: %s", status, answer)
	}
	s := newSender(c)
	s.acked = map[string]bool{"good-1": true, "good-2": true}
	s.must(to, 1, 1)
	s.awaitStored()
}
