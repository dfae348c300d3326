package event

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// someone is the sender of the requests of the scripts.
type someone struct{ agent string }

func (someone) Address() string       { return "198.51.100.7" }
func (s someone) Agent() string       { return s.agent }
func (someone) Country(string) string { return "" }

// noon is the agent's clock in these tests.
func noon() int64 { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMilli() }

// TestScripts makes the events of testdata/*.txt of messages alone: no request, no server. The
// door goes through the same scripts, with their answers.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, minted := new(Maker), 0
			for _, b := range script.Split(string(data)) {
				m.Begin(Request{App: protocol.App{ID: "app1", Name: "One"}, Trusted: b.Header("Key") == "server", Received: noon(),
					Client: someone{b.Header("User-Agent")}, NewID: func() string { minted++; return fmt.Sprintf("minted-%d", minted) }, EventBytes: 32 << 10,
					Import: strings.HasSuffix(b.Target, "/import"), MayImport: b.Header("Key") == "server",
					Robot: func(agent string) bool { return strings.Contains(strings.ToLower(agent), "bot/") }})
				events, refused := play(t, m, &b)
				if events != b.Events() {
					t.Errorf("%s\ngot:\n%s\nwant:\n%s", b.Text, events, b.Events())
				}
				for _, r := range refused {
					if code := r.Reason.Explain().Code; !strings.Contains(b.Want, code) {
						t.Errorf("%s\nrefused: %s, want:\n%s", b.Text, code, b.Want)
					}
				}
			}
		})
	}
}

// play makes the events of one request.
func play(t *testing.T, m *Maker, b *script.Block) (events string, refused []Rejection) {
	t.Helper()
	_, path, _ := strings.Cut(b.Target, "/v1/")
	kind, depth := protocol.ParseKind(path), 1
	if kind == protocol.KindUnknown {
		depth = 3
	}
	if err := m.Doc.Parse([]byte(b.Body), document.Limits{Depth: 8 + depth - 1, Keys: 200, String: 8 << 10, Nodes: 1 << 19, Shallow: depth}); err != nil {
		t.Fatalf("%s: %v", b.Text, err)
	}
	var out strings.Builder
	keep := func(e *protocol.Event) Reason {
		script.Describe(&out, e)
		return Accepted
	}
	if depth == 1 {
		if r := m.Make(0, 0, kind, keep); r.Reason != Accepted {
			refused = append(refused, r)
		}
		return out.String(), refused
	}
	list := m.Batch()
	for index, item := 0, list+1; item < m.Doc.Next(list); index, item = index+1, m.Doc.Next(item) {
		if r := m.Make(index, item, kind, keep); r.Reason != Accepted {
			refused = append(refused, r)
		}
	}
	return out.String(), refused
}
