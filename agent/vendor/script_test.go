package vendor

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/agent/event/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// someone is the sender of the requests of the scripts.
type someone struct{ agent string }

func (someone) Address() string       { return "198.51.100.7" }
func (s someone) Agent() string       { return s.agent }
func (someone) Country(string) string { return "" }

// TestScripts rewrites the requests of testdata/*.txt and makes events of the results. The door
// goes through the same scripts, with their keys and answers.
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
			made := 0
			for _, b := range script.Split(string(data)) {
				if b.Events() == "" { // refused, mostly for a key or a method, which are the door's
					continue
				}
				want := minted.ReplaceAllString(b.Events(), "minted")
				if got := play(t, &b); got != want {
					t.Errorf("%s\ngot:\n%s\nwant:\n%s", b.Text, got, want)
				}
				made++
			}
			if made == 0 {
				t.Error("no request became an event")
			}
		})
	}
}

// minted is an id that the door made, which counts those of refused requests too.
var minted = regexp.MustCompile(`minted-\d+`)

// play makes the events of one request.
func play(t *testing.T, b *script.Block) string {
	t.Helper()
	path, query, _ := strings.Cut(b.Target, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	limits := document.Limits{Depth: 8, Keys: 200, String: 8 << 10, Nodes: 1 << 19, Shallow: 1}
	r, d := &Rewriter{Limits: limits}, new(document.Document)
	request := Request{Doc: d, Parameters: parameters, Path: func(string) string { return path[strings.LastIndexByte(path, '/')+1:] }}
	rewrite, kind := (*Rewriter).AppsFlyer, protocol.KindTrack
	switch {
	case path == "/event":
		rewrite = (*Rewriter).Adjust
		if request.Form, err = url.ParseQuery(strings.Trim(query+"&"+b.Body, "&")); err != nil {
			t.Fatal(err)
		}
	case path == "/mp/collect":
		rewrite, kind = (*Rewriter).GA4, protocol.KindUnknown
		limits.Depth, limits.Shallow = 10, 3
	case strings.Contains(path, "skadnetwork"):
		rewrite, kind = (*Rewriter).SKAdNetwork, protocol.KindUnknown
	case strings.Contains(path, "appattribution"):
		rewrite, kind = (*Rewriter).AttributionKit, protocol.KindUnknown
	}
	if request.Form == nil {
		if err := d.Parse([]byte(b.Body), limits); err != nil {
			t.Fatalf("%s: %v", b.Text, err)
		}
		request.List = d.Member(0, "events")
	}
	if refusal := rewrite(r, &request); refusal != nil {
		t.Fatalf("%s: %v", b.Text, refusal)
	}
	var out strings.Builder
	keep := func(e *protocol.Event) event.Reason {
		script.Describe(&out, e)
		return event.Accepted
	}
	trusted := strings.Contains(b.Text, "SERVER_KEY")
	m := new(event.Maker)
	m.Begin(event.Request{App: protocol.App{ID: "app1"}, Trusted: trusted, Received: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMilli(),
		Client: someone{b.Header("User-Agent")}, NewID: func() string { return "minted" }, EventBytes: 32 << 10,
		Foreign: !strings.Contains(path, ".well-known")})
	if err := m.Doc.Parse(r.Out, limits); err != nil {
		t.Fatalf("%s: %v", r.Out, err)
	}
	list := m.Batch()
	if list == 0 {
		m.Make(0, 0, kind, keep)
	}
	for index, item := 0, list+1; list != 0 && item < m.Doc.Next(list); index, item = index+1, m.Doc.Next(item) {
		m.Make(index, item, kind, keep)
	}
	return out.String()
}
