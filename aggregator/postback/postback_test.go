package postback

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// order is a purchase whose values try to break out of every place that they are written to.
func order() Fact {
	return Fact{
		App: "app-1", ConversionID: "order-1", Event: "Order Completed", Time: time.Date(2026, 11, 28, 8, 32, 16, 0, time.UTC),
		Revenue: "19.99", Currency: "EUR", OrderID: `A"1`, Country: "DE", Platform: "web",
		MediaSource: "tiktok", Campaign: "50%off & more\r\nX-Evil: 1", Sub: [5]string{"s1"}, ClickID: "c/1?#", TouchID: "t-1",
		ClickTime: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), Match: "click_id",
		UserID: "ada", GAID: "38400000-8cf0-11bd-b23e-10b96e40000d", Email: " Ada@Example.com ", Phone: "+49 (30) 123-45", AdsConsent: true,
		Params: map[string]string{"ttclid": "T\"1", "placement": "a b"},
	}
}

// TestScripts runs testdata/*.txt. A script holds cases of a definition as JSON, then ---- and the request
// rendered from it, or why it is refused. Words after "fact:" change the fact.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n====\n") {
				input, _, _ := strings.Cut(block, "\n----")
				if got.Len() > 0 {
					got.WriteString("\n====\n")
				}
				got.WriteString(input + "\n----\n" + strings.TrimSpace(outcome(t, input)))
			}
			got.WriteString("\n")
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(text) {
				t.Errorf("%s: run with -update and read the difference; got:\n%s", file, got.String())
			}
		})
	}
}

func outcome(t *testing.T, input string) string {
	t.Helper()
	fact := order()
	var lines []string
	for line := range strings.Lines(input) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "fact: "):
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "fact: ")), &fact); err != nil {
				t.Fatal(line, err)
			}
		default:
			lines = append(lines, line)
		}
	}
	d := Definition{Name: "Test", Enabled: true, Method: "GET", Format: FormatNone}
	if err := json.Unmarshal([]byte(strings.Join(lines, "")), &d); err != nil {
		t.Fatalf("%s: %v", input, err)
	}
	if err := d.Check(); err != nil {
		var bad *InvalidError
		if !errors.As(err, &bad) {
			t.Errorf("%v is no InvalidError", err)
		}
		return "refused: " + err.Error()
	}
	if wants, why := d.Wants(&fact); !wants {
		return "not sent: " + why
	}
	r, err := d.Render(&fact, map[string]string{"token": "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Format == FormatJSON && !json.Valid([]byte(r.Body)) {
		t.Errorf("no JSON: %s", r.Body)
	}
	out := fmt.Sprintf("%s %s\n", r.Method, r.URL)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		out += fmt.Sprintf("%s: %s\n", name, r.Header[name])
	}
	return out + r.Body
}

// TestReadyMadeAreGood holds that every ready-made definition renders once its angle brackets are filled in.
func TestReadyMadeAreGood(t *testing.T) {
	seen := map[string]bool{}
	for _, ready := range ReadyMade() {
		if seen[ready.ID] || ready.ID != ready.Definition.Template || ready.Title == "" || ready.About == "" {
			t.Errorf("%s: twice, or not named in its definition, or without words", ready.ID)
		}
		seen[ready.ID] = true
		d := ready.Definition
		d.URL = withoutBrackets(d.URL)
		d.Body = withoutBrackets(d.Body)
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", ready.ID, err)
		}
		secrets := map[string]string{}
		for _, name := range ready.Secrets {
			secrets[name] = "very-secret"
		}
		fact := order()
		sent, err := d.Render(&fact, secrets)
		if err != nil {
			t.Fatalf("%s: %v", ready.ID, err)
		}
		shown, err := d.Shown(&fact, secrets)
		if err != nil {
			t.Fatalf("%s: %v", ready.ID, err)
		}
		text := func(r Request) string { return fmt.Sprint(r.URL, r.Header, r.Body) }
		if len(ready.Secrets) > 0 && !strings.Contains(text(sent), "very-secret") {
			t.Errorf("%s: does not use its secrets", ready.ID)
		}
		if strings.Contains(text(shown), "very-secret") {
			t.Errorf("%s: shows its secret", ready.ID)
		}
		empty, err := d.Render(&Fact{}, nil)
		if err != nil || d.Format == FormatJSON && !json.Valid([]byte(empty.Body)) {
			t.Errorf("%s: %v, empty: %s", ready.ID, err, empty.Body)
		}
	}
}

func withoutBrackets(text string) string {
	for {
		open := strings.IndexByte(text, '<')
		end := strings.IndexByte(text, '>')
		if open < 0 || end < open {
			return text
		}
		text = text[:open] + "x" + text[end+1:]
	}
}

func TestSignatureCoversWhatIsSent(t *testing.T) {
	now := time.Unix(1_764_400_000, 0)
	base := func() Request {
		return Request{Method: "POST", URL: "https://example.com/a", Body: "{}", Header: map[string]string{}}
	}
	signed := func(change func(*Request), delivery, secret string, at time.Time) string {
		r := base()
		change(&r)
		r.Sign(delivery, []byte(secret), at)
		return r.Header[HeaderSignature]
	}
	same := func(*Request) {}
	want := signed(same, "d1", "k", now)
	if !strings.HasPrefix(want, "t=1764400000,v1=") {
		t.Error(want)
	}
	if signed(same, "d1", "k", now) != want {
		t.Error("the same is signed differently")
	}
	for name, other := range map[string]string{
		"delivery": signed(same, "d2", "k", now), "secret": signed(same, "d1", "l", now), "time": signed(same, "d1", "k", now.Add(time.Second)),
		"body": signed(func(r *Request) { r.Body = "[]" }, "d1", "k", now), "address": signed(func(r *Request) { r.URL += "b" }, "d1", "k", now),
	} {
		if other == want {
			t.Errorf("another %s is signed the same", name)
		}
	}
	r := base()
	r.Sign("d1", nil, now)
	if r.Header[HeaderSignature] != "" || r.Header[HeaderDelivery] != "d1" || r.Header["Idempotency-Key"] != "d1" {
		t.Error("without a secret", r.Header)
	}
}

func TestWaitsGrowAndObey(t *testing.T) {
	sum := time.Duration(0)
	for try := 1; sum < Patience; try++ {
		wait := Wait("delivery", try, 0)
		most := min(firstWait<<min(try-1, 12), maxWait)
		if wait < most*3/4 || wait > most*5/4 {
			t.Fatalf("try %d waits %v", try, wait)
		}
		if sum += wait; try > 200 {
			t.Fatal("too many tries in a day")
		}
	}
	if got := Wait("d", 1, 5*time.Minute); got != 5*time.Minute {
		t.Errorf("Retry-After of five minutes: %v", got)
	}
	if got := Wait("d", 1, 100*time.Hour); got != maxWait {
		t.Errorf("a Retry-After of days: %v", got)
	}
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-1": 0, "x": 0, "99999999999": 0, "100000": Patience,
		now.Add(time.Minute).Format("Mon, 02 Jan 2006 15:04:05 GMT"): time.Minute, now.Add(-time.Minute).Format("Mon, 02 Jan 2006 15:04:05 GMT"): 0,
	} {
		if got := RetryAfter(header, now); got != want && header != "99999999999" {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	for status, want := range map[int]Verdict{200: Delivered, 204: Delivered, 301: Refused, 400: Refused, 404: Refused, 408: Again, 410: Refused, 425: Again, 429: Again, 500: Again, 503: Again} {
		if got := Judge(status); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

func TestMillionths(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "0.000001", 19_990_000: "19.99", -50_000_000: "-50", -1: "-0.000001", -1 << 63: "-9223372036854.775808"} {
		if got := Millionths(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// FuzzRender holds that no value of a fact leaves the place of its macro.
func FuzzRender(f *testing.F) {
	f.Add("a\"b\\c\n", "\r\nX: y", "ü&=#")
	f.Fuzz(func(t *testing.T, campaign, click, param string) {
		fact := order()
		fact.Campaign, fact.ClickID, fact.Params = campaign, click, map[string]string{"p": param}
		d := Definition{Name: "n", Enabled: true, Method: "POST", Format: FormatJSON, URL: "https://example.com/{campaign}?a={click_id}&b={param.p}",
			Headers: map[string]string{"X-Campaign": "{campaign}"}, Body: `{"a": "x{campaign}", "b": {click_id}, "{param.p}": 1}`}
		r, err := d.Render(&fact, nil)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Fatalf("%v: %s", err, r.Body)
		}
		u, err := url.Parse(r.URL)
		if err != nil || u.Host != "example.com" || len(u.Query()) != 2 {
			t.Fatalf("%v: %s", err, r.URL)
		}
		if strings.ContainsAny(r.Header["X-Campaign"], "\r\n") {
			t.Fatal("a header breaks out")
		}
	})
}
