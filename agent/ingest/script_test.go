package ingest

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/unmogrowp/unmogrowp/protocol"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestScripts sends the requests of testdata/*/*.txt and compares answers and
// stored events with what stands under "----" after each. The body is compressed
// as the request's Content-Encoding says. Lines that start with # are comments;
// "Key: client" or "Key: server" stands for Basic authorization with that key.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runScript(t, file)
		})
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
	for _, block := range splitScript(string(data)) {
		got := d.play(t, block.request)
		if got != block.want && !*update {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", block.request, got, block.want)
		}
		fmt.Fprintf(&out, "%s----\n%s\n", block.request, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type block struct{ request, want string }

// splitScript cuts a script into requests and what should come of them, which
// ends at an empty line.
func splitScript(s string) []block {
	var blocks []block
	for s != "" {
		request, rest, _ := strings.Cut(s, "----\n")
		if strings.TrimSpace(request) == "" {
			break
		}
		want, rest, found := strings.Cut(rest, "\n\n")
		if found {
			want += "\n"
		}
		blocks = append(blocks, block{request: strings.TrimLeft(request, "\n"), want: want})
		s = rest
	}
	return blocks
}

// play sends one request of a script and describes what came of it.
func (d *door) play(t *testing.T, request string) string {
	t.Helper()
	for strings.HasPrefix(request, "#") {
		_, request, _ = strings.Cut(request, "\n")
	}
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	encoding := ""
	var headers []string
	for _, line := range lines[1:] {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "Key":
			line = basic(map[string]string{"client": clientKey, "server": serverKey}[value])
		case "Content-Encoding":
			encoding = value
		}
		headers = append(headers, line)
	}
	body = strings.TrimSuffix(body, "\n")
	if text, ok := strings.CutPrefix(body, "base64 "); ok {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		body = string(decoded)
	}
	w := d.send(method, target, string(compress(t, encoding, []byte(body))), headers...)
	var out strings.Builder
	describeAnswer(&out, w)
	for _, e := range d.buffer.taken() {
		describeEvent(&out, &e)
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

func describeAnswer(out *strings.Builder, w *httptest.ResponseRecorder) {
	body := strings.TrimSpace(w.Body.String())
	if w.Header().Get("Content-Type") == "image/gif" {
		body = "GIF"
	}
	out.WriteString(strings.TrimRight(fmt.Sprintf("%d %s", w.Code, body), " ") + "\n")
	for _, name := range [...]string{"Location", "Retry-After", "Allow", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "X-Refused"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(out, "%s: %s\n", name, v)
		}
	}
}

func describeEvent(out *strings.Builder, e *protocol.Event) {
	fmt.Fprintf(out, "event %s %q id=%s app=%s\n", e.Kind, e.Name, e.ID, e.App)
	fmt.Fprintf(out, "  original=%s time=%s received=%s\n", instant(e.Original), instant(e.Time), instant(e.Received))
	line(out, "user", e.UserID, "anonymous", e.AnonymousID, "previous", e.PreviousID, "group", e.GroupID)
	line(out, "device", e.DeviceID, "gaid", e.GAID, "idfa", e.IDFA, "idfv", e.IDFV, "oaid", e.OAID)
	line(out, "source", e.MediaSource, "medium", e.Medium, "campaign", e.Campaign, "adset", e.AdSet, "ad", e.Ad, "keyword", e.Keyword,
		"sub1", e.Sub[0], "sub2", e.Sub[1], "sub5", e.Sub[4], "link", e.LinkID)
	line(out, "click", e.ClickID, "referrer", e.Referrer)
	if e.Has(protocol.FlagHasRevenue) {
		line(out, "revenue", fmt.Sprint(e.Revenue), "currency", e.Currency)
	}
	if e.CostCurrency != "" {
		line(out, "cost", fmt.Sprint(e.Cost), "currency", e.CostCurrency)
	}
	for flag, name := range map[protocol.Flags]string{protocol.FlagTrusted: "trusted"} {
		if e.Has(flag) {
			line(out, "flag", name)
		}
	}
	for _, f := range [...]struct {
		flag protocol.Flags
		name string
	}{{protocol.FlagRetargeting, "retargeting"}, {protocol.FlagBot, "bot"}, {protocol.FlagClamped, "clamped"}, {protocol.FlagCrowd, "crowd"}} {
		if e.Has(f.flag) {
			line(out, "flag", f.name)
		}
	}
	if e.Consent != 0 {
		answers := [...]string{"unknown", "granted", "denied"}
		line(out, "attribution", answers[e.Consent.Get(protocol.PurposeAttribution)], "analytics", answers[e.Consent.Get(protocol.PurposeAnalytics)],
			"ads", answers[e.Consent.Get(protocol.PurposeAds)])
	}
	line(out, "ip", e.IP, "agent", e.UserAgent)
	fmt.Fprintf(out, "  %s\n", e.Payload)
}

// line writes the pairs whose value is not empty.
func line(out *strings.Builder, pairs ...string) {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, " %s=%s", pairs[i], pairs[i+1])
		}
	}
	if b.Len() > 0 {
		out.WriteString(" " + b.String() + "\n")
	}
}

func instant(ms int64) string {
	if ms == 0 {
		return "none"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func scriptLinks() []protocol.Link {
	return []protocol.Link{
		{ID: "link1", Slug: "spring", App: "app1", MediaSource: "newsletter", Campaign: "spring", AdSet: "set", Ad: "banner",
			DeepLinks: map[string]string{"ios": "shop://sale?click={click_id}"},
			Redirects: map[string]string{"web": "https://shop.example.com/sale?utm_source=newsletter"},
			Stores:    map[string]string{"android": "https://play.google.com/store/apps/details?id=com.example.app"},
			Fallback:  "https://shop.example.com/"},
		{ID: "link2", Slug: "plain", App: "app1", MediaSource: "affiliate", Retargeting: true, Fallback: "https://shop.example.com/"},
		{ID: "link3", Slug: "bad", App: "app1", MediaSource: "x", Redirects: map[string]string{"web": "javascript:alert(1)"}, Fallback: "//evil.example"},
		{ID: "link4", Slug: "blocked", App: "app3", MediaSource: "x", Fallback: "https://shop.example.com/"},
	}
}

var _ http.Handler = (*Handler)(nil)
