package ingest

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// addScripts gives the bodies of the scripts to a fuzz target.
func addScripts(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, b := range splitScript(string(data)) {
			if _, body, ok := strings.Cut(b.request, "\n\n"); ok {
				f.Add([]byte(strings.TrimSpace(body)))
			}
		}
	}
}

// check fails if what was stored is not what an aggregator may rely on.
func (d *door) check(t *testing.T) {
	t.Helper()
	for _, e := range d.buffer.taken() {
		for _, s := range [...]string{e.ID, e.Name, e.UserID, e.AnonymousID, e.DeviceID, e.GAID, e.IDFA, e.IDFV, e.OAID, e.PreviousID, e.GroupID,
			e.ClickID, e.Referrer, e.MediaSource, e.Medium, e.Campaign, e.AdSet, e.Ad, e.Keyword, e.Currency, e.UserAgent} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || len(s) > maxReferrer {
				t.Errorf("field %q", s)
			}
		}
		if !json.Valid(e.Payload) || !utf8.Valid(e.Payload) || e.Payload[0] != '{' {
			t.Errorf("payload %q", e.Payload)
		}
		if !validMessageID(e.ID) || e.App != "app1" || e.Received != noon().UnixMilli() {
			t.Errorf("id %q, app %q, received %d", e.ID, e.App, e.Received)
		}
		if e.Time < e.Received-earliestTime.Milliseconds() || e.Time > e.Received+latestTime.Milliseconds() ||
			e.Original != 0 && (e.Original < saneFrom || e.Original > saneTo) {
			t.Errorf("original %d, time %d", e.Original, e.Time)
		}
		if e.Has(protocol.FlagHasRevenue) && (len(e.Currency) != 3 || e.Revenue > maxMicros || e.Revenue < -maxMicros) {
			t.Errorf("revenue %d %q", e.Revenue, e.Currency)
		}
	}
}

func FuzzJSONBody(f *testing.F) {
	addScripts(f)
	f.Add([]byte(`{"batch":[{"type":"track","event":"\ud83d\ude00","context":{"a":[[],{}]}}],"context":{"a":1}}`))
	d := newDoor(f)
	limits := documentLimits{Depth: 10, Keys: 200, String: 8192, Nodes: maxNodes, Shallow: 3}
	f.Fuzz(func(t *testing.T, body []byte) {
		var doc document
		err := doc.parse(body, limits)
		if valid := json.Valid(body); valid != (err == nil) && !strings.Contains(string(body), strings.Repeat("[", 50)) && strings.Count(string(body), "{") < 100 {
			t.Fatalf("encoding/json says valid: %v, we say %v", valid, err)
		}
		for _, path := range [...]string{"/v1/batch", "/v1/track", "/v1/page", "/v1/identify", "/v1/s2s/touch"} {
			w := d.send("POST", path, string(body), basic(serverKey))
			if w.Code != 200 && w.Code != 400 && w.Code != 413 {
				t.Errorf("%s answers %d %s", path, w.Code, w.Body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s answers %q", path, w.Body)
			}
			d.check(t)
		}
	})
}

func FuzzMsgpackBody(f *testing.F) {
	f.Add([]byte("\x81\xa5batch\x91\x84\xa4type\xa5track\xa5event\xa1E\xa9messageId\xa2m1\xaaproperties\x81\xa7revenue\xcb\x40\x29\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\xde\x00\x01\xa1x\xdc\x00\x02\xc4\x01\xff\xd9\x01\xff"))
	f.Add([]byte("\xdf\xff\xff\xff\xff"))
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := d.send("POST", "/v1/batch", string(body), basic(clientKey), "Content-Type: application/msgpack")
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
		d.check(t)
	})
}

func FuzzPixel(f *testing.F) {
	f.Add("track", "eyJldmVudCI6IkUifQ")
	f.Add("page", "e30=")
	f.Add("%2e%2e", " -_")
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, kind, data string) {
		for _, data := range [...]string{data, base64.StdEncoding.EncodeToString([]byte(data))} {
			w := d.send("GET", "/v1/pixel/"+url.PathEscape(kind)+"?data="+url.QueryEscape(data), "", basic(clientKey))
			if w.Code >= 500 {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
			d.check(t)
		}
	})
}

func FuzzMoney(f *testing.F) {
	for _, s := range [...]string{"0", "12.5", "-3", "1.25e2", "0.30000000000000004", "1e999", "NaN", "1e-999", "999999999999.999999", "1000000000000", "1000000000000.0000005",
		"0.0000005", "0.0000004999", "9e11", "00012", ".5", "5.", "1_0", "0x10", "+7", "--1", "1e", "1e+", "", " 1 ", "1e12", "-0.0000015", "10000000000000", "1000000000000.1", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseMoney(s)
		want, expected := exactMoney(s)
		if ok != expected || got != want {
			t.Errorf("%q is %d, %v; exactly %d, %v", s, got, ok, want, expected)
		}
	})
}

// exactMoney does with rational numbers what parseMoney does with digits.
func exactMoney(s string) (int64, bool) {
	s = strings.Trim(s, " \t")
	if strings.Trim(strings.TrimLeft(s, "+-"), "0123456789.eE+-") != "" || len(s) > 40 {
		return parseMoney(s) // beyond what big.Rat is meant for here
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if len(strings.TrimLeft(exponent, "+-0")) > 3 || strings.HasSuffix(mantissa, ".") {
		return parseMoney(s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(micros, 1))
	half := big.NewRat(1, 2)
	if r.Sign() < 0 {
		half.Neg(half)
	}
	r.Add(r, half)
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if new(big.Int).Abs(n).Cmp(big.NewInt(maxMicros)) > 0 {
		return 0, false
	}
	return n.Int64(), true
}

func FuzzURLCampaign(f *testing.F) {
	f.Add("https://shop.example.com/?utm_source=a&utm_medium=b+c&gclid=1#x")
	f.Add("?utm_source=%zz&utm_source=b&click_id=")
	f.Add("utm_source%3Da%26click_id%3D1")
	f.Add("utm_source%3D%ff%26click_id%3D%00")
	f.Fuzz(func(t *testing.T, address string) {
		var q query
		q.read(address)
		for _, s := range [...]string{q.source, q.medium, q.campaign, q.term, q.adName, q.clickID, q.networkID} {
			if len(s) > maxShort || utf8.ValidString(address) && !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("%q gives %q", address, s)
			}
		}
		if _, parameters, ok := strings.Cut(address, "?"); ok && utf8.ValidString(address) {
			parameters, _, _ = strings.Cut(parameters, "#")
			values, err := url.ParseQuery(parameters)
			want := values.Get("utm_source")
			if err == nil && want != "" && utf8.ValidString(want) && want == short(want) && !strings.ContainsAny(want, "\x00") && q.source != want {
				t.Errorf("%q: source %q, want %q", address, q.source, want)
			}
		}
		var r query
		r.readReferrer(address)
		for _, s := range [...]string{r.source, r.campaign, r.clickID} {
			if utf8.ValidString(address) && !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("referrer %q gives %q", address, s)
			}
		}
	})
}

// Whatever another vendor's SDK may send is refused or becomes a sound event.
func FuzzVendors(f *testing.F) {
	addScripts(f)
	f.Add([]byte(`{"eventName":"a","eventValue":"{\"af_revenue\":\"1\",\"\\u0000\":1}","eventTime":"x"}`))
	f.Add([]byte("event_token=a&callback_params=%7B%22a%22:1%7D&created_at_unix=1795348744.5."))
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range [...]string{"/inappevent/a", "/event", "/mp/collect",
			"/.well-known/skadnetwork/report-attribution/", "/.well-known/appattribution/report-attribution/"} {
			w := d.send("POST", path, string(body), basic(serverKey), "Authentication: "+serverKey)
			if w.Code != 200 && w.Code != 204 && w.Code != 400 && w.Code != 413 {
				t.Errorf("%s answers %d %s", path, w.Code, w.Body)
			}
			d.check(t)
		}
		w := d.send("GET", "/event?"+url.QueryEscape(string(body)), "", basic(serverKey))
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("answers %d %s", w.Code, w.Body)
		}
		d.check(t)
	})
}
