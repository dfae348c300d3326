package ingest

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/agent/event/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// addScripts gives the bodies of the scripts to a fuzz target.
func addScripts(f *testing.F) {
	var files []string
	for _, pattern := range [...]string{"testdata/*/*.txt", "../event/testdata/*.txt", "../vendor/testdata/*.txt"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, b := range script.Split(string(data)) {
			if b.Body != "" {
				f.Add([]byte(strings.TrimSpace(b.Body)))
			}
		}
	}
}

// check fails if a stored event is not one that an aggregator may rely on.
func (d *door) check(t *testing.T) {
	t.Helper()
	for _, e := range d.buffer.taken() {
		for _, s := range [...]string{e.ID, e.Name, e.UserID, e.AnonymousID, e.DeviceID, e.GAID, e.IDFA, e.IDFV, e.OAID, e.PreviousID, e.GroupID,
			e.ClickID, e.Referrer, e.MediaSource, e.Medium, e.Campaign, e.AdSet, e.Ad, e.Keyword, e.Currency, e.UserAgent} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || len(s) > event.MaxReferrer {
				t.Errorf("field %q", s)
			}
		}
		if !json.Valid(e.Payload) || !utf8.Valid(e.Payload) || e.Payload[0] != '{' {
			t.Errorf("payload %q", e.Payload)
		}
		if !event.ValidMessageID(e.ID) || e.App != "app1" || e.Received != noon().UnixMilli() {
			t.Errorf("id %q, app %q, received %d", e.ID, e.App, e.Received)
		}
		if !e.Has(protocol.FlagHistorical) && e.Time < e.Received-event.EarliestTime.Milliseconds() || e.Time > e.Received+event.LatestTime.Milliseconds() ||
			e.Original != 0 && (e.Original < 631152000000 || e.Original > 4102444800000) {
			t.Errorf("original %d, time %d", e.Original, e.Time)
		}
		if e.Has(protocol.FlagHasRevenue) && (len(e.Currency) != 3 || e.Revenue > 1_000_000_000_000_000_000 || e.Revenue < -1_000_000_000_000_000_000) {
			t.Errorf("revenue %d %q", e.Revenue, e.Currency)
		}
	}
}

func FuzzJSONBody(f *testing.F) {
	addScripts(f)
	f.Add([]byte(`{"batch":[{"type":"track","event":"\ud83d\ude00","context":{"a":[[],{}]}}],"context":{"a":1}}`))
	d := newDoor(f)
	limits := document.Limits{Depth: 10, Keys: 200, String: 8192, Nodes: maxNodes, Shallow: 3}
	f.Fuzz(func(t *testing.T, body []byte) {
		var doc document.Document
		err := doc.Parse(body, limits)
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
