package ingest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// refusal is the answer to a request that was refused as a whole.
func refusal(t *testing.T, w *answer) (code string, offset *int) {
	t.Helper()
	var body struct {
		Success bool `json:"success"`
		Error   struct {
			Code, Message string
			Offset        *int
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Success || body.Error.Message == "" {
		t.Fatalf("answer %d %q is no refusal: %v", w.Code, w.Body, err)
	}
	return body.Error.Code, body.Error.Offset
}

func tracked(properties string) string {
	return `{"type":"track","event":"E","messageId":"m","properties":{` + properties + `}}`
}

func batchOf(events ...string) string { return `{"batch":[` + strings.Join(events, ",") + `]}` }

func repeatKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func pad(text string, size int) string {
	return strings.Replace(text, "PAD", strings.Repeat("x", size-len(text)+len("PAD")), 1)
}

// manyStrings is an event of about so many bytes, in strings that are allowed.
func manyStrings(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size-5000; i++ {
		fmt.Fprintf(&b, `"s%d":"%s",`, i, strings.Repeat("x", 4000))
	}
	return pad(tracked(b.String()+`"last":"PAD"`), size)
}

func TestLimitsOfAnEvent(t *testing.T) {
	for name, c := range map[string]struct {
		event, code string
		single      int
	}{
		"8 levels":           {tracked(`"x":` + strings.Repeat("[", 6) + strings.Repeat("]", 6)), "", 200},
		"9 levels":           {tracked(`"x":` + strings.Repeat("[", 7) + strings.Repeat("]", 7)), "too_deep", 400},
		"200 keys":           {tracked(repeatKeys(200)), "", 200},
		"201 keys":           {tracked(repeatKeys(201)), "too_many_keys", 400},
		"string of 8192":     {tracked(`"x":"` + strings.Repeat("s", 8192) + `"`), "", 200},
		"string of 8193":     {tracked(`"x":"` + strings.Repeat("s", 8193) + `"`), "string_too_long", 400},
		"key of 8193":        {tracked(`"` + strings.Repeat("s", 8193) + `":1`), "string_too_long", 400},
		"32768 bytes":        {manyStrings(32768), "", 200},
		"32769 bytes":        {manyStrings(32769), "event_too_large", 413},
		"a 17th key twice":   {tracked(repeatKeys(20) + `,"k3":2`), "duplicate_key", 400},
		"a number too large": {tracked(`"x":` + strings.Repeat("9", 400)), "number_out_of_range", 400},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			w := d.send("POST", "/v1/track", c.event, basic(clientKey))
			if w.Code != c.single {
				t.Fatalf("alone: %d %s, want %d", w.Code, w.Body, c.single)
			}
			if c.code != "" {
				if code, offset := refusal(t, w); code != c.code || offset == nil {
					t.Errorf("alone: code %q, offset %v, want %q", code, offset, c.code)
				}
			}
			d.buffer.taken()
			w = d.send("POST", "/v1/batch", batchOf(tracked(""), c.event, tracked("")), basic(clientKey))
			if got := len(d.buffer.taken()); w.Code != 200 || got != map[bool]int{true: 3, false: 2}[c.code == ""] {
				t.Errorf("in a batch: %d %.300s, %d stored", w.Code, w.Body, got)
			}
			if c.code != "" && !strings.Contains(w.Body.String(), `"index":1,"code":"`+c.code+`"`) {
				t.Errorf("in a batch: %.300s, want %s at index 1", w.Body, c.code)
			}
		})
	}
}

func TestLimitsOfABody(t *testing.T) {
	events := func(n int) string {
		return batchOf(strings.Split(strings.Repeat(tracked("")+"\n", n-1)+tracked(""), "\n")...)
	}
	zeros := strings.Repeat("\x00", 16<<20)
	for name, c := range map[string]struct {
		body, encoding string
		status         int
		code           string
	}{
		"2500 events":                  {events(2500), "gzip", 200, ""},
		"2501 events":                  {events(2501), "gzip", 413, "too_many_events"},
		"1 MiB and a byte":             {strings.Repeat(" ", 1<<20) + "{", "", 413, "body_too_large"},
		"gzip bomb":                    {zeros, "gzip", 413, "body_too_large"},
		"gzip bomb that claims less":   {zeros, "claims 1000", 413, "body_too_large"},
		"gzip that claims too much":    {"{}", "claims 4000000000", 400, "unreadable_body"},
		"gzip bomb without its start":  {zeros, "headless", 400, "unreadable_body"},
		"two gzip streams":             {`{"batch":[` + strings.Repeat(" ", 300<<10) + `]}`, "two", 200, ""},
		"zstd bomb":                    {zeros, "zstd", 413, "body_too_large"},
		"brotli bomb":                  {zeros, "br", 413, "body_too_large"},
		"grows more than 100-fold":     {`{"batch":[` + strings.Repeat(" ", 3<<20) + `]}`, "gzip", 413, "body_too_large"},
		"repetitive but below 1 MiB":   {`{"batch":[` + strings.Repeat(" ", 900<<10) + `]}`, "gzip", 200, ""},
		"a million levels":             {strings.Repeat("[", 1_000_000), "", 400, "malformed_json"},
		"a million levels of objects":  {strings.Repeat(`{"a":`, 180_000), "", 400, "malformed_json"},
		"100,000 keys":                 {`{"batch":[],` + repeatKeys(100_000) + `}`, "", 413, "body_too_large"},
		"60,000 keys":                  {`{"batch":[],` + repeatKeys(60_000) + `}`, "", 400, "too_many_keys"},
		"too many values":              {`{"batch":[[` + strings.Repeat("1,", 600_000) + `1]]}`, "zstd", 413, "body_too_large"},
		"a long string of a batch":     {`{"batch":[],"x":"` + strings.Repeat("s", 9000) + `"}`, "", 400, "string_too_long"},
		"half a gzip stream":           {"", "half", 400, "unreadable_body"},
		"text under the name of gzip":  {"{}", "none", 400, "unreadable_body"},
		"bytes after the end of gzip":  {"", "tail", 400, "unreadable_body"},
		"gzip of nothing is no object": {"", "gzip", 400, "malformed_json"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			encoding, body := c.encoding, []byte(c.body)
			switch c.encoding {
			case "half":
				encoding, body = "gzip", compress(t, "gzip", []byte(events(100)))
				body = body[:len(body)/2]
			case "tail":
				encoding, body = "gzip", append(compress(t, "gzip", []byte(events(1))), "garbage that is no second stream"...)
			case "none":
				encoding = "gzip"
			case "claims 1000", "claims 4000000000":
				var size uint32
				if _, err := fmt.Sscanf(c.encoding, "claims %d", &size); err != nil {
					t.Fatal(err)
				}
				encoding, body = "gzip", compress(t, "gzip", body)
				binary.LittleEndian.PutUint32(body[len(body)-4:], size)
			case "headless":
				encoding, body = "gzip", compress(t, "gzip", body)[1:]
			case "two":
				encoding, body = "gzip", append(compress(t, "gzip", body[:len(body)-3]), compress(t, "gzip", body[len(body)-3:])...)
			default:
				body = compress(t, c.encoding, body)
			}
			before := allocated()
			w := d.send("POST", "/v1/batch", string(body), basic(clientKey), "Content-Encoding: "+encoding)
			grown := allocated() - before
			if w.Code != c.status {
				t.Fatalf("answer %d %.300s, want %d", w.Code, w.Body, c.status)
			}
			if c.code != "" {
				if code, _ := refusal(t, w); code != c.code {
					t.Errorf("code %q, want %q", code, c.code)
				}
				if n := len(d.buffer.taken()); n != 0 {
					t.Errorf("%d events stored of a refused body", n)
				}
			}
			if c.status == 413 && grown > 16<<20 {
				t.Errorf("%d MiB allocated", grown>>20)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestBodyWithoutLengthIsLimitedToo(t *testing.T) {
	d := newDoor(t)
	r := request("POST", "/v1/batch", io.MultiReader(strings.NewReader(`{"batch":[`), bytes.NewReader(make([]byte, 2<<20))))
	r.SetBasicAuth(clientKey, "")
	w := newAnswer()
	d.ServeHTTP(w, r)
	if r.ContentLength != -1 || w.Code != 413 {
		t.Errorf("length %d, answer %d", r.ContentLength, w.Code)
	}
}

func TestWideBrotliWindowIsRefused(t *testing.T) {
	var b bytes.Buffer
	w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 5, LGWin: 24})
	if _, err := w.Write(bytes.Repeat([]byte(tracked("")), 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d := newDoor(t)
	if got := d.send("POST", "/v1/batch", b.String(), basic(clientKey), "Content-Encoding: br"); got.Code != 413 {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
}

func TestMsgpackThatGrowsInJSONIsRefused(t *testing.T) {
	body := append([]byte{0x81, 0xa1, 'x', 0xdb, 0x00, 0x20, 0x00, 0x00}, bytes.Repeat([]byte{1}, 2<<20)...) // 6 bytes each in JSON
	d := newDoor(t)
	w := d.send("POST", "/v1/batch", string(compress(t, "zstd", append(body[:8:8], noise(2<<20)...))), basic(clientKey),
		"Content-Encoding: zstd", "Content-Type: application/msgpack")
	if w.Code != 413 {
		t.Errorf("answer %d %.200s", w.Code, w.Body)
	}
}

// noise is control characters that do not compress better than 100 to 1.
func noise(n int) []byte {
	b := make([]byte, n)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state>>24)&1 + 1
	}
	return b
}

func TestManyLargeBodiesAtOnceAreToldToWait(t *testing.T) {
	d := newDoor(t, func(o *Options) { o.Limits.DecodingSize = 256 << 10 })
	body := `{"batch":[` + strings.Repeat(" ", 300<<10) + `]}`
	w := d.send("POST", "/v1/batch", body, basic(clientKey))
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("answer %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if using := d.using.Load(); using != 0 {
		t.Errorf("%d bytes still counted", using)
	}
	if w := d.send("POST", "/v1/track", track, basic(clientKey)); w.Code != 200 {
		t.Errorf("a small body: %d", w.Code)
	}
}
