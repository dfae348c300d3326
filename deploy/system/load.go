package system

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Load makes test traffic: a pure function of its seed and of the moment it
// begins at. People come back with the skew of real ones; touches, logins,
// installs and orders are mixed so that journeys cross devices.
type Load struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	start time.Time
	n     int
}

// Message is one message and the path it is sent to.
type Message struct {
	ID    string
	Touch bool // for /v1/s2s/touch, else for /v1/batch
	Body  map[string]any
	Raw   json.RawMessage // instead of Body
}

// NewLoad returns the traffic of a seed for so many people.
func NewLoad(seed uint64, people int, start time.Time) *Load {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &Load{rng: rng, zipf: rand.NewZipf(rng, 1.1, 20, uint64(people-1)), start: start}
}

// Next returns the next message. One in twenty is late, by up to six days.
func (l *Load) Next() Message {
	l.n++
	person := l.zipf.Uint64()
	device := l.rng.IntN(2)
	at := l.start.Add(-time.Duration(l.rng.IntN(3_600_000)) * time.Millisecond)
	if l.rng.IntN(20) == 0 {
		at = at.Add(-time.Duration(l.rng.IntN(6*24)) * time.Hour)
	}
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	anonymous := fmt.Sprintf("anon-%d-%d", person, device)
	id := fmt.Sprintf("m-%d", l.n)
	roll := l.rng.IntN(100)
	if roll < 15 {
		kinds := []string{"click", "click", "impression"}
		return Message{ID: id, Touch: true, Body: map[string]any{"id": id, "kind": kinds[l.rng.IntN(3)], "time": stamp,
			"media_source": source(l.rng.IntN(8)), "campaign": fmt.Sprintf("c%d", l.rng.IntN(20)),
			"keys": map[string]string{"anonymous_id": anonymous, "gaid": fmt.Sprintf("%08x-0000-4000-8000-%012x", device+1, person+1)}}}
	}
	body := map[string]any{"messageId": id, "anonymousId": anonymous, "timestamp": stamp}
	switch {
	case roll < 25:
		body["type"], body["name"] = "page", "Home"
		body["context"] = map[string]any{"campaign": map[string]string{"source": source(l.rng.IntN(8)), "name": "web"}}
	case roll < 27:
		body["type"], body["userId"] = "identify", fmt.Sprintf("user-%d", person)
	case roll < 29:
		body["type"], body["event"] = "track", "Application Installed"
		body["context"] = map[string]any{"device": map[string]string{"type": "android", "advertisingId": fmt.Sprintf("%08x-0000-4000-8000-%012x", device+1, person+1)}}
	case roll < 34:
		body["type"], body["event"] = "track", "Order Completed"
		currencies := []string{"EUR", "EUR", "USD"}
		body["properties"] = map[string]any{"revenue": fmt.Sprintf("%d.%02d", l.rng.IntN(300), l.rng.IntN(100)), "currency": currencies[l.rng.IntN(3)]}
		if l.rng.IntN(2) == 0 {
			body["userId"] = fmt.Sprintf("user-%d", person)
		}
	default:
		body["type"], body["event"] = "track", "Product Viewed"
		body["properties"] = map[string]any{"product_id": fmt.Sprint(l.rng.IntN(1000)), "category": "shoes", "price": l.rng.IntN(20_000)}
	}
	return Message{ID: id, Body: body}
}

func source(i int) string {
	return []string{"google", "facebook", "tiktok", "newsletter", "affiliate", "podcast", "microsoft", "reddit"}[i]
}
