package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// pool is how many events there are before the same contents come again under other ids. It is
// far more than the agent compresses together, so that no block is smaller than in real life.
const pool = 32_000

// template is a whole HTTP request, in which only the ends of the message ids change.
type template struct {
	bytes  []byte
	ids    []int // where 12 hexadecimal digits go
	events int
}

// fill copies the template over dst and gives every event an id of its own.
func (t *template) fill(dst []byte, next *uint64) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst[:0], t.bytes...)
	for _, at := range t.ids {
		n := *next
		*next++
		for i := at + 11; i >= at; i-- {
			dst[i] = digits[n&15]
			n >>= 4
		}
	}
	return dst
}

// templates makes requests of n events each for a write key, with about pool different events.
func templates(n, pool int, key string, now time.Time) []template {
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 1))
	g := &events{random: random, users: rand.NewZipf(random, 1.1, 20, 200_000), now: now, run: random.Uint32()}
	path := "/v1/batch"
	if n == 1 {
		path = "/v1/track" // identify and page calls go there too; the body says their kind
	}
	list := make([]template, max(pool/n, 1))
	for i := range list {
		list[i] = g.request(n, path, key)
	}
	return list
}

// events makes what visitors of a shop send: a few of them very often, most rarely.
type events struct {
	random *rand.Rand
	users  *rand.Zipf
	now    time.Time
	run    uint32
}

func (g *events) request(n int, path, key string) template {
	var body bytes.Buffer
	var ids []int
	sent := g.now.UTC().Format("2006-01-02T15:04:05.000Z")
	if n == 1 {
		ids = g.event(&body, ids, "track")
		body.Truncate(body.Len() - 1)
		fmt.Fprintf(&body, `,"sentAt":%q}`, sent)
	} else {
		body.WriteString(`{"batch":[`)
		for i := range n {
			if i > 0 {
				body.WriteByte(',')
			}
			ids = g.event(&body, ids, g.kind())
		}
		fmt.Fprintf(&body, `],"sentAt":%q}`, sent)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		path, base64.StdEncoding.EncodeToString([]byte(key+":")), body.Len())
	head := b.Len()
	b.Write(body.Bytes())
	for i := range ids {
		ids[i] += head
	}
	return template{bytes: b.Bytes(), ids: ids, events: n}
}

func (g *events) kind() string {
	switch r := g.random.IntN(10); {
	case r < 6:
		return "track"
	case r < 9:
		return "page"
	}
	return "identify"
}

// event appends one event of 400 to 440 bytes and the place of its id.
func (g *events) event(b *bytes.Buffer, ids []int, kind string) []int {
	user := g.users.Uint64()
	at := g.now.Add(-time.Duration(g.random.Int64N(int64(time.Hour)))).UTC().Format("2006-01-02T15:04:05.000Z")
	fmt.Fprintf(b, `{"type":%q,"messageId":"%08x-%04x-4%03x-8%03x-`, kind, g.run, g.random.IntN(1<<16), g.random.IntN(1<<12), g.random.IntN(1<<12))
	ids = append(ids, b.Len())
	fmt.Fprintf(b, `000000000000","anonymousId":"%08x-5c1e-4d1b-9a57-%012x","userId":"u_%08d","timestamp":%q,`,
		uint32(user*2654435761), user*0x9e3779b97f4a&0xffffffffffff, user, at)
	product := g.random.IntN(5000)
	price := strconv.FormatFloat(float64(g.random.IntN(40_000))/100+1, 'f', 2, 64)
	switch kind {
	case "identify":
		fmt.Fprintf(b, `"traits":{"plan":%q,"country":%q,"language":"de","orders":%d,"newsletter":%t,"segment":"returning"},`,
			g.one("standard", "club", "trial"), g.one("DE", "FR", "GB", "US", "CH"), g.random.IntN(40), g.random.IntN(2) == 0)
	case "page":
		fmt.Fprintf(b, `"name":"Product","properties":{"path":"/p/%d","title":"Product %d","referrer":"https://www.%s.example/"},`,
			product, product, g.one("google", "bing", "news", "fernweh"))
	default:
		fmt.Fprintf(b, `"event":%q,"properties":{"product_id":"sku-%05d","price":%s,"currency":"EUR","quantity":%d,"position":%d},`,
			g.one("Product Viewed", "Product Added", "Product Clicked", "Wishlist Opened"), product, price, 1+g.random.IntN(3), g.random.IntN(60))
	}
	fmt.Fprintf(b, `"context":{"library":{"name":"analytics.js","version":"2.1.0"},"locale":%q,"page":{"path":"/p/%d"}}}`,
		g.one("de-DE", "fr-FR", "en-GB", "en-US"), product)
	return ids
}

func (g *events) one(list ...string) string { return list[g.random.IntN(len(list))] }
