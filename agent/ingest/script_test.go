package ingest

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/unmogrowp/unmogrowp/agent/event/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestScripts sends the requests of the scripts and compares answers and stored events with what
// stands under "----" after each. The body is compressed as the request's Content-Encoding says.
// Lines that start with # are comments; "Key: client" or "Key: server" stands for Basic
// authorization with that key. The scripts of the pure packages go through here too.
func TestScripts(t *testing.T) {
	var files []string
	for _, pattern := range [...]string{"testdata/*/*.txt", "../event/testdata/*.txt", "../vendor/testdata/*.txt"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("no scripts in %s: %v", pattern, err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.ToSlash(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, func(o *Options) {
		o.TrustedProxies, o.AppleApps = proxies("10.0.0.0/8"), map[string]string{"525463029": "app1", "10738027756": "app1", "8": "app2", "9": "app3"}
	})
	for _, l := range scriptLinks() {
		d.book.links[l.Slug] = l
	}
	var out strings.Builder
	for _, b := range script.Split(string(data)) {
		got := d.play(t, &b)
		if got != b.Want && !*update {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", b.Text, got, b.Want)
		}
		fmt.Fprintf(&out, "%s----\n%s\n", b.Text, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// play sends one request of a script and describes what came of it.
func (d *door) play(t *testing.T, b *script.Block) string {
	t.Helper()
	var headers []string
	for _, line := range b.Headers {
		if name, value, _ := strings.Cut(line, ": "); name == "Key" {
			line = basic(map[string]string{"client": clientKey, "server": serverKey}[value])
		}
		headers = append(headers, line)
	}
	body := b.Body
	if text, ok := strings.CutPrefix(body, "base64 "); ok {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		body = string(decoded)
	}
	w := d.send(b.Method, b.Target, string(compress(t, b.Header("Content-Encoding"), []byte(body))), headers...)
	var out strings.Builder
	describeAnswer(&out, w)
	for _, e := range d.buffer.taken() {
		script.Describe(&out, &e)
	}
	return out.String()
}

func compress(t testing.TB, encoding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w interface {
		Write([]byte) (int, error)
		Close() error
	}
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return body
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func describeAnswer(out *strings.Builder, w *answer) {
	body := strings.TrimSpace(w.Body.String())
	if w.Header().Get("Content-Type") == "image/gif" {
		body = "GIF"
	}
	out.WriteString(strings.TrimRight(fmt.Sprintf("%d %s", w.Code, body), " ") + "\n")
	for _, name := range [...]string{"Location", "Retry-After", "Allow", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "X-Refused", "X-Warnings"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(out, "%s: %s\n", name, v)
		}
	}
}

func scriptLinks() []protocol.Link {
	return []protocol.Link{
		{ID: "link1", Slug: "spring", App: "app1", MediaSource: "newsletter", Campaign: "spring", AdSet: "set", Ad: "banner",
			DeepLinks: map[string]string{"ios": "shop://sale?click={click_id}"},
			Redirects: map[string]string{"web": "https://shop.example.com/sale?utm_source=newsletter"},
			Stores:    map[string]string{"android": "https://play.google.com/store/apps/details?id=com.example.app"},
			Fallback:  "https://shop.example.com/"},
		{ID: "link5", Slug: "weblink", App: "app1", MediaSource: "weblink", Fallback: "https://shop.example.com/?click_id={click_id}"},
		{ID: "link6", Slug: "app", App: "app1", MediaSource: "app", Retargeting: true,
			DeepLinks: map[string]string{"ios": "shop://sale?click_id={click_id}&c={campaign}", "android": "shop://sale?a=\"&click_id={click_id}"},
			Stores:    map[string]string{"android": "https://play.google.com/store/apps/details?id=com.example.app", "ios": "https://apps.apple.com/app/id1?mt=8"},
			Redirects: map[string]string{"android/DE": "https://shop.example.com/de"}, Fallback: "https://shop.example.com/?a=b#c"},
		{ID: "link7", Slug: "store", App: "app1", MediaSource: "app", Open: protocol.OpenStore, Fallback: "https://shop.example.com/",
			DeepLinks: map[string]string{"android": "shop://sale"}, Stores: map[string]string{"android": "market://details?id=com.example.app"}},
		{ID: "link8", Slug: "open", App: "app1", MediaSource: "app", Open: protocol.OpenApp, Fallback: "https://shop.example.com/",
			DeepLinks: map[string]string{"android": "shop://sale?{sub1}"}, Stores: map[string]string{"android": "market://details?id=com.example.app"}},
		{ID: "link9", Slug: "try", App: "app1", MediaSource: "app", Open: protocol.OpenTry, Fallback: "https://shop.example.com/", DeepLinks: map[string]string{"ios": "shop://sale"}},
		{ID: "link10", Slug: "macros", App: "app1", MediaSource: "net", Campaign: "own",
			Fallback: "https://shop.example.com/{campaign}?s={sub1}&g={gaid}&n={gclid}&c={click_id}&k={keyword}&m={media_source}&p={platform}"},
		{ID: "link11", Slug: "host", App: "app1", MediaSource: "net", Redirects: map[string]string{"web": "https://{sub1}/"}, Fallback: "https://shop.example.com/"},
		{ID: "link12", Slug: "nameless", App: "app1", Fallback: "https://shop.example.com/"},
		{ID: "link2", Slug: "plain", App: "app1", MediaSource: "affiliate", Retargeting: true, Fallback: "https://shop.example.com/"},
		{ID: "link3", Slug: "bad", App: "app1", MediaSource: "x", Redirects: map[string]string{"web": "javascript:alert(1)"}, Fallback: "//evil.example"},
		{ID: "link4", Slug: "blocked", App: "app3", MediaSource: "x", Fallback: "https://shop.example.com/"},
	}
}

var _ http.Handler = (*Handler)(nil)
