package attack

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/unmogrowp/unmogrowp/deploy/system"
)

func ingestAttacks() []attack {
	return []attack{
		{id: 44, run: attack44SlowHeaders, full: true}, {id: 45, run: attack45SlowBodies, full: true}, {id: 46, run: attack46Bombs},
		{id: 47, run: attack47Smuggling, note: "codings that nobody knows answer 501"},
		{id: 48, run: attack48HostileJSON}, {id: 49, run: attack49OneBadEvent, note: "in four batches, of which each may hold 2,500"}, {id: 50, run: attack50IDTwice},
		{id: 51, run: attack51IDOfAnotherTenant}, {id: 53, run: attack53Cardinality, note: "no report lists names yet, so there is no `other`; metrics are bounded"},
		{id: 54, run: attack54LogInjection}, {id: 56, run: attack56RevokedKey},
	}
}

// slow opens connections that send the beginnings of requests, in turn, and then
// one byte a second, and returns how long each lived at most.
func (s *suite) slow(at *system.Part, connections int, patience time.Duration, heads ...string) time.Duration {
	s.Helper()
	u, err := url.Parse(at.URL)
	if err != nil {
		s.Fatal(err)
	}
	var mu sync.Mutex
	longest := time.Duration(0)
	var wg sync.WaitGroup
	for i := range connections {
		s.count(1)
		dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 44, byte(i>>7), 1)}}
		began := time.Now()
		conn, err := dialer.DialContext(s.Context(), "tcp", u.Host)
		if err != nil {
			s.Fatal(err)
		}
		wg.Go(func() {
			drip(conn, heads[i%len(heads)], patience)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, time.Since(began))
		})
	}
	wg.Wait()
	return longest
}

// drip sends a byte a second until the server closes.
func drip(conn net.Conn, head string, patience time.Duration) {
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	buffer := make([]byte, 4096)
	for time.Since(began) < patience {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return
		}
		_, err := conn.Read(buffer)
		if timeout, ok := err.(net.Error); err != nil && (!ok || !timeout.Timeout()) {
			return
		}
		if _, err := io.WriteString(conn, "P"); err != nil {
			return
		}
	}
}

// honestEvent sends an event like an SDK, and honestRead asks a question like the console.
func (s *suite) honestEvent(at *system.Part) func() {
	return func() { s.quiet().event(at, s.WriteKey, "/v1/track", `{"event":"Honest","userId":"u"}`).want(200) }
}

func (s *suite) honestRead(at *system.Part) func() {
	return func() { s.quiet().call(at.URL, "GET", "me", s.owner, nil).want(200) }
}

func attack44SlowHeaders(s *suite) {
	const most = 6 * time.Second
	// Also those that have not even begun, and those that could yet become HTTP/2.
	heads := []string{"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Slow: ", "", "P", "POST /v1/tr"}
	s.undisturbed(2, 300, s.honestEvent(s.Agents[0]), func() error { return within(most, s.slow(s.Agents[0], 2000, 2*most, heads...)) })
	s.undisturbed(2, 300, s.honestRead(s.Aggregators[0]), func() error {
		return within(most, s.slow(s.Aggregators[0], 500, 2*most, heads...))
	})
}

// within reports a slow connection that lived too long.
func within(most, lived time.Duration) error {
	if lived > most {
		return fmt.Errorf("a slow connection lived for %v, the limit is %v", lived, most)
	}
	return nil
}

func attack45SlowBodies(s *suite) {
	const most = 16 * time.Second
	s.undisturbed(2, 300, s.honestEvent(s.Agents[0]), func() error {
		var agent, console error
		var wg sync.WaitGroup
		wg.Go(func() {
			agent = within(most, s.slow(s.Agents[0], 2000, 2*most, "POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.WriteKey+"\r\nContent-Length: 100000\r\n\r\n{"))
		})
		wg.Go(func() {
			console = within(most, s.slow(s.Aggregators[0], 500, 2*most, "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"))
		})
		wg.Wait()
		return errors.Join(agent, console)
	})
}

// gzipped is a gzip stream of that many bytes, made of members of a mebibyte.
func (s *suite) gzipped(unit []byte, members int) []byte {
	s.Helper()
	var one, all bytes.Buffer
	w, err := gzip.NewWriterLevel(&one, gzip.BestCompression)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := w.Write(unit); err != nil {
		s.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	for range members {
		all.Write(one.Bytes())
	}
	return all.Bytes()
}

func attack46Bombs(s *suite) {
	zeros := make([]byte, 16<<20)
	deep := s.gzipped(zeros, 64) // 1 GiB, which has to pass as a body of 1 MiB
	if len(deep) > 1<<20 {
		s.Fatalf("the bomb has %d bytes", len(deep))
	}
	var br bytes.Buffer
	w := brotli.NewWriterLevel(&br, 5)
	for range 16 {
		if _, err := w.Write(zeros); err != nil {
			s.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		s.Fatal(err)
	}
	zs := encoder.EncodeAll(make([]byte, 256<<20), nil)
	const brackets = 8 << 20
	for _, bomb := range []struct {
		encoding string
		body     []byte
		want     int
	}{
		{"gzip", deep, 413}, {"x-gzip", deep, 413}, {"br", br.Bytes(), 413}, {"zstd", zs, 413}, {"gzip", s.gzipped(bytes.Repeat(deep, 16), 1), 413}, {"gzip", s.gzipped(deep, 1), 400}, {"gzip", s.gzipped(bytes.Repeat([]byte("["), brackets), 1), 413},
		{"gzip, gzip", deep, 415}, {"gzip,br", deep, 415}, {"deflate", deep, 415}, {"compress", deep, 415}, {"zstd", zs[:len(zs)/2], 413}, {"gzip", deep[:len(deep)/2], 413}, {"gzip", deep[1:], 400}, {"br", deep, 413}, {"zstd", deep, 400},
		{"", make([]byte, 1<<20+1), 413}, {"identity", make([]byte, 2<<20), 413},
	} {
		for _, path := range []string{"/v1/track", "/v1/batch", "/v1/s2s/touch"} {
			least := uint64(1 << 62)
			for range 2 { // other parts of the process allocate as well
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got := s.with("Content-Encoding", bomb.encoding).event(s.Agents[0], s.ServerKey, path, bomb.body)
				if got.status != bomb.want {
					s.Errorf("%s of %d bytes at %s: status %d, want %d", bomb.encoding, len(bomb.body), path, got.status, bomb.want)
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if least > 16<<20 {
				s.Errorf("%s of %d bytes at %s: %d MiB were allocated", bomb.encoding, len(bomb.body), path, least>>20)
			}
		}
	}
}

func attack47Smuggling(s *suite) {
	authorization := "Authorization: Bearer " + s.WriteKey + "\r\n"
	refused := map[string]string{
		"two lengths":           "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"list of lengths":       "Content-Length: 2, 3\r\n\r\n{}x",
		"negative length":       "Content-Length: -2\r\n\r\n{}",
		"plus length":           "Content-Length: +2\r\n\r\n{}",
		"hex length":            "Content-Length: 0x2\r\n\r\n{}",
		"folded header":         "X-Fold: a\r\n b\r\n\r\n",
		"tab fold":              "X-Fold: a\r\n\tb\r\n\r\n",
		"LF in a header":        "X: a\nContent-Length: 2\r\n\r\n{}",
		"LF after the head":     "Content-Length: 2\r\n\n{}",
		"the same length twice": "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"length and chunks":     "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"chunks and length":     "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"two lines of codings":  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"space before colon":    "Content-Length : 2\r\n\r\n{}",
		"no colon":              "Content-Length 2\r\n\r\n{}",
		"unknown coding":        "Transfer-Encoding: cow\r\n\r\n{}",
		"chunked twice":         "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"two codings":           "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"coding tab":            "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
		"identity and chunked":  "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
		"CR in a value":         "X: a\rb\r\n\r\n",
		"NUL in a value":        "X: a\x00b\r\n\r\n",
		"two hosts":             "Host: y\r\nContent-Length: 2\r\n\r\n{}",
		"bad chunk size":        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"huge chunk size":       "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
		"chunk without its end": "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
		"LF in chunk lines":     "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
	}
	bases := map[string]string{s.Agents[0].URL: "POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorization, s.Aggregators[0].URL: "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"}
	for base, head := range bases {
		for name, rest := range refused {
			statuses, _ := s.raw(base, head+rest)
			// Of a coding that it does not know a server says 501, RFC 9112, section 6.1.
			unknown := strings.Contains(rest, "Transfer-Encoding") && len(statuses) == 1 && statuses[0] == 501
			if !unknown && !slices.Equal(statuses, []int{400}) {
				s.Errorf("%s at %s: answered %v", name, base, statuses)
			}
		}
	}
	// Lines that end in LF alone, from the first one on.
	for base, head := range bases {
		if statuses, _ := s.raw(base, strings.ReplaceAll(head, "\r\n", "\n")+"\n"); !slices.Equal(statuses, []int{400}) {
			s.Errorf("bare line feeds at %s: answered %v", base, statuses)
		}
	}
	// Nothing that comes behind may be taken for a request of its own, not even
	// after one that was served.
	for base, head := range bases {
		smuggled := "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\nGET /cluster-info HTTP/1.1\r\nHost: x\r\n\r\n"
		for name, rest := range map[string]string{
			"length beside chunked": fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", 5+len(smuggled), smuggled),
			"chunked beside length": fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n%s", 5+len(smuggled), smuggled),
			"short length":          fmt.Sprintf("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n%s", smuggled),
			"chunks alone":          "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + smuggled,
		} {
			if statuses, closed := s.raw(base, head+rest); len(statuses) != 1 || !closed || name != "chunks alone" && statuses[0] != 400 {
				s.Errorf("%s at %s: answered %v, closed: %v", name, base, statuses, closed)
			}
			honest := "GET /cluster-info HTTP/1.1\r\nHost: x\r\n\r\n"
			if statuses, closed := s.raw(base, honest+head+rest); len(statuses) != 2 || !closed {
				s.Errorf("%s at %s after another request: answered %v, closed: %v", name, base, statuses, closed)
			}
		}
	}
}

// hostile are documents that cannot be events.
func hostile() map[string]string {
	track := func(properties string) string {
		return `{"event":"x","userId":"u","properties":` + properties + `}`
	}
	keys := &strings.Builder{}
	for i := range 50_000 {
		fmt.Fprintf(keys, `"k%d":1,`, i)
	}
	return map[string]string{
		"depth": strings.Repeat("[", 1_000_000), "depth closed": strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000), "objects": strings.Repeat(`{"a":`, 150_000),
		"deep property": track(strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)), "keys": track("{" + keys.String() + `"z":1}`), "long string": track(`{"s":"` + strings.Repeat("x", 9000) + `"}`),
		"1e400": track(`{"n":1e400}`), "-1e999999": track(`{"n":-1e999999}`), "digits": track(`{"n":` + strings.Repeat("9", 5000) + `}`), "NaN": track(`{"n":NaN}`), "Infinity": track(`{"n":Infinity}`),
		"leading zero": track(`{"n":01}`), "plus": track(`{"n":+1}`), "dot": track(`{"n":1.}`), "hex": track(`{"n":0x1}`), "bad escape": track(`{"s":"\q"}`), "short escape": track(`{"s":"\u12"}`),
		"high surrogate": track(`{"s":"\ud800"}`), "low surrogate": track(`{"s":"\udc00"}`), "swapped surrogates": track(`{"s":"\udc00\ud800"}`), "NUL": track(`{"s":"\u0000"}`), "raw NUL": track("{\"s\":\"\x00\"}"),
		"control": track("{\"s\":\"\x01\"}"), "newline": track("{\"s\":\"\n\"}"), "utf-8": track("{\"s\":\"\xff\xfe\"}"), "overlong": track("{\"s\":\"\xc0\xaf\"}"), "surrogate bytes": track("{\"s\":\"\xed\xa0\x80\"}"), "truncated utf-8": track("{\"s\":\"\xe2\x82\"}"),
		"duplicate key": track(`{"a":1,"a":2}`), "duplicate event": `{"event":"x","event":"y","userId":"u"}`, "duplicate escaped": track(`{"a":1,"\u0061":2}`),
		"comment": `{"event":"x",/**/"userId":"u"}`, "trailing comma": `{"event":"x","userId":"u",}`, "single quotes": `{'event':'x'}`, "two documents": `{"event":"x","userId":"u"}{}`, "garbage after": `{"event":"x","userId":"u"} x`,
		"BOM": "\xef\xbb\xbf" + `{"event":"x","userId":"u"}`, "UTF-16": "\xff\xfe{\x00", "list": `[{"event":"x"}]`, "text": `"x"`, "number": "1", "null": "null", "empty": "", "space": "   ", "cut": `{"event":"x","userId":"u`, "bracket": "}", "xml": "<x/>",
		"event is a list": `{"event":["x"],"userId":"u"}`, "event is an object": `{"event":{},"userId":"u"}`, "long id": `{"event":"x","userId":"` + strings.Repeat("u", 300) + `"}`, "id is an object": `{"event":"x","userId":{}}`, "no event": `{"userId":"u"}`,
		"long event": `{"event":"` + strings.Repeat("e", 300) + `","userId":"u"}`, "too large": track(`{"l":[` + strings.Repeat(`"xxxxxxxxxxxxxxxxxxxx",`, 2000) + `1]}`),
	}
}

func attack48HostileJSON(s *suite) {
	for name, body := range hostile() {
		for i, key := range []string{s.WriteKey, s.ServerKey} {
			got := s.as("").event(s.Agents[i], key, "/v1/track", body)
			if got.status != 400 && got.status != 413 || !bytes.Contains(got.body, []byte(`"success":false`)) {
				s.Errorf("%s: status %d: %.200s", name, got.status, got.body)
			}
		}
		if strings.HasPrefix(body, `{"event"`) && json.Valid([]byte(body)) { // one bad event of a batch is told by itself
			got := s.as("").event(s.Agents[0], s.WriteKey, "/v1/batch", `{"batch":[{"type":"track",`+body[1:]+`]}`)
			if got.status != 200 && got.status != 400 && got.status != 413 || got.status == 200 && !bytes.Contains(got.body, []byte(`"rejected":[`)) {
				s.Errorf("%s in a batch: status %d: %.200s", name, got.status, got.body)
			}
		}
	}
	// A fault of the money costs the money, not the event, and is told.
	for code, properties := range map[string]string{"money_unread": `{"revenue":"1e3x"}`, "money_unread ": `{"revenue":1e300}`, "currency_unknown": `{"revenue":1,"currency":"'--"}`} {
		got := s.as("").event(s.Agents[0], s.WriteKey, "/v1/track", `{"event":"Order Completed","userId":"u","properties":`+properties+`}`).want(200)
		if !bytes.Contains(got.body, []byte(`"code":"`+strings.TrimSpace(code)+`"`)) {
			s.Errorf("%s: %.200s", properties, got.body)
		}
	}
	for _, path := range []string{"/v1/batch", "/v1/identify", "/v1/group", "/v1/alias", "/v1/s2s/touch", "/v1/import"} {
		for _, body := range []string{"{", "[]", "null", `{"batch":{}}`, `{"touches":1}`, strings.Repeat("[", 100_000), `{"batch":[` + strings.Repeat("{},", 2500) + `{}]}`} {
			if got := s.as("").event(s.Agents[1], s.ServerKey, path, body); path == "/v1/batch" || body[0] != '{' || body == "{" {
				got.want(400, 413)
			}
		}
	}
	s.as("").event(s.Agents[0], s.WriteKey, "/v1/track", strings.Repeat(" ", 100<<20)).want(413)
}

func attack49OneBadEvent(s *suite) {
	app, client, _ := s.app("Ten thousand")
	for part := range 4 {
		var events []map[string]any
		for i := range 2500 {
			events = append(events, map[string]any{"type": "track", "event": "Seen", "userId": fmt.Sprint(i % 50), "messageId": fmt.Sprintf("tt-%d-%d", part, i)})
		}
		if part == 2 {
			events[1234]["event"] = ""
		}
		got := s.as("").event(s.Agents[part%2], client, "/v1/batch", map[string]any{"batch": events}).want(200)
		if rejected := bytes.Contains(got.body, []byte(`"rejected":[{"index":1234,"code":"missing_event"`)); rejected != (part == 2) {
			s.Errorf("part %d: %.200s", part, got.body)
		}
	}
	s.stored(app, 9999)
}

func attack50IDTwice(s *suite) {
	app, _, server := s.app("Twice")
	order := func(id string, revenue int) map[string]any {
		return map[string]any{"event": "Order Completed", "userId": "u", "messageId": id, "timestamp": "2026-11-01T10:00:00Z", "properties": map[string]any{"revenue": revenue, "currency": "EUR"}}
	}
	winner := func(id string) string {
		var c struct{ Revenue string }
		s.Await("conversion "+id, func() error {
			got := s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+app+"/conversions/"+id, s.owner, nil)
			if got.status != 200 {
				return fmt.Errorf("status %d", got.status)
			}
			got.decode(&c)
			return nil
		})
		return c.Revenue
	}
	for i := range 3 {
		id := fmt.Sprintf("twice-%d", i)
		for revenue := 1; revenue <= 4; revenue++ { // through both agents, in turn
			s.as("").event(s.Agents[revenue%2], server, "/v1/track?sync=true", order(id, revenue*10)).want(200)
		}
		first := winner(id)
		s.as("").event(s.Agents[0], server, "/v1/track?sync=true", order(id, 999)).want(200)
		if again := winner(id); again != first || first != "10.000000" {
			s.Errorf("%s was worth %s and is worth %s", id, first, again)
		}
	}
	s.stored(app, 3)
}

func attack51IDOfAnotherTenant(s *suite) {
	n := s.tenants()
	mine, client, server := s.app("Copycat")
	read := func() string {
		return string(s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+n.theirs+"/conversions/"+n.conversion, s.owner, nil).want(200).body)
	}
	before := read()
	for i, key := range []string{client, server} {
		for _, body := range []map[string]any{
			{"event": "Order Completed", "userId": "u", "messageId": n.conversion, "properties": map[string]any{"revenue": 9999, "currency": "EUR"}},
			{"event": "Application Installed", "userId": "u", "messageId": n.conversion}, {"event": "Refund", "userId": "u", "messageId": n.conversion},
		} {
			s.as("").event(s.Agents[i], key, "/v1/track?sync=true", body).want(200)
		}
	}
	s.as("").event(s.Agents[0], server, "/v1/s2s/touch?sync=true", map[string]any{"id": n.conversion, "kind": "click", "media_source": "copycat", "keys": map[string]string{"user_id": "u"}}).want(200)
	s.stored(mine, 1)
	if after := read(); after != before {
		s.Errorf("the other tenant's conversion was\n%s and is\n%s", before, after)
	}
	if got := s.events(n.theirs); got != 1 {
		s.Errorf("the other tenant has %d messages", got)
	}
}

// series is how many time series an admin page shows.
func (s *suite) series(p *system.Part) int {
	s.Helper()
	got := s.quiet().call(p.Admin, "GET", "/metrics", "", nil).want(200)
	return bytes.Count(got.body, []byte("\n"))
}

func attack53Cardinality(s *suite) {
	app, client, _ := s.app("Many names")
	before := s.series(s.Agents[0]) + s.series(s.Aggregators[0]) + s.series(s.Aggregators[1])
	for part := range 4 {
		var events []map[string]any
		for i := range 1000 {
			n := part*1000 + i
			events = append(events, map[string]any{"type": "track", "event": fmt.Sprintf("Name %d", n), "userId": fmt.Sprint(n), "messageId": fmt.Sprintf("name-%d", n), "properties": map[string]any{fmt.Sprintf("property %d", n): n},
				"context": map[string]any{"campaign": map[string]string{"source": fmt.Sprintf("source %d", n)}}})
		}
		s.as("").event(s.Agents[0], client, "/v1/batch", map[string]any{"batch": events}).want(200)
	}
	for i := range 200 {
		s.as("").event(s.Agents[0], fmt.Sprintf("wk_%d", i), fmt.Sprintf("/v1/%d", i), "{}").want(401, 404)
		s.as("").call(s.Aggregators[0].URL, "GET", fmt.Sprintf("unknown/%d", i), s.owner, nil).want(404)
		s.as("").call(s.Agents[0].URL, "GET", fmt.Sprintf("/c/unknown%d", i), "", nil).want(404)
	}
	s.stored(app, 4000)
	if grown := s.series(s.Agents[0]) + s.series(s.Aggregators[0]) + s.series(s.Aggregators[1]) - before; grown > 200 {
		s.Errorf("%d new time series", grown)
	}
}

func attack54LogInjection(s *suite) {
	marks := []string{"\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}", "\n{\"level\":\"ERROR\",\"msg\":\"forged\"}", "\u2028{\"msg\":\"forged\"}", "\x1b[31mforged", "%0d%0a{\"msg\":\"forged\"}"}
	for _, mark := range marks {
		s.as("").call(s.Agents[0].URL, "GET", "/"+url.PathEscape(mark), "", nil).want(404)
		s.as("").call(s.Aggregators[0].URL, "GET", "apps/"+url.PathEscape(mark)+"/reports/overview", s.owner, nil).want(404, 400)
		s.as("").call(s.Aggregators[0].URL, "GET", "audit?actor="+url.QueryEscape(mark), s.owner, nil).want(200)
		s.try("127.0.54.1", mark+"@example.com", mark+" a long password").want(401, 400)
		s.as("").event(s.Agents[0], s.WriteKey, "/v1/track", map[string]any{"event": mark, "userId": mark, "messageId": mark, "context": map[string]any{"userAgent": mark}}).want(200, 400)
		s.as("").event(s.Agents[0], mark, "/v1/track", "{}").want(401)
		s.with("X-Request-Id", url.QueryEscape(mark), "X-Forwarded-For", url.QueryEscape(mark), "User-Agent", url.QueryEscape(mark)).call(s.Aggregators[0].URL, "GET", "users", "x", nil).want(401)
		s.console("POST", "agents/enrollment-tokens", s.owner, map[string]any{"name": mark, "region": mark}).want(400, 201)
		for _, base := range []string{s.Agents[0].URL, s.Aggregators[0].URL} {
			s.raw(base, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: "+mark+"\r\n\r\n")
			s.raw(base, mark+" HTTP/1.1\r\n\r\n")
		}
	}
	lines := strings.Split(strings.TrimRight(s.log.String(), "\n"), "\n")
	for _, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			s.Fatalf("a log line is not one JSON object: %.200q", line)
		}
		if entry["msg"] == "forged" || entry["part"] == nil {
			s.Errorf("a forged log line: %.200q", line)
		}
	}
	if len(lines) < 100 {
		s.Errorf("only %d log lines were looked at", len(lines))
	}
}

func attack56RevokedKey(s *suite) {
	app, client, server := s.app("Revoked")
	keys, err := s.Accounts.Apps.Keys(s.Context(), app)
	if err != nil {
		s.Fatal(err)
	}
	began := time.Now()
	for _, key := range keys {
		s.console("DELETE", "apps/"+app+"/keys/"+key.ID, s.owner, nil).want(204)
	}
	for _, at := range s.Agents {
		for _, key := range []string{client, server} {
			s.Await("the key is refused", func() error {
				if got := s.quiet().event(at, key, "/v1/batch", `{"batch":[]}`); got.status != 401 {
					return fmt.Errorf("status %d", got.status)
				}
				return nil
			})
			for _, path := range []string{"/v1/track", "/v1/batch", "/v1/identify", "/v1/page", "/v1/import"} {
				s.as("").event(at, key, path, `{"event":"x","userId":"u","batch":[]}`).want(401)
			}
			s.as("").call(at.URL, "GET", "/v1/projects/"+key+"/settings", "", nil).want(401)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		s.Errorf("the keys were refused after %v", took)
	}
}
