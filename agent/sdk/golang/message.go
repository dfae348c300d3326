package unmogrowp

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// maxMessage is how large a message the agent takes.
const maxMessage = 32 << 10

// The paths that messages go to.
const (
	pathBatch = "/v1/batch"
	pathTouch = "/v1/s2s/touch"
)

// Message is the content of a call. UserID or AnonymousID names the person.
type Message struct {
	ID          string    // counts once, however often it is sent; a UUID is made if it is empty
	Time        time.Time // when it happened; now if it is zero
	UserID      string
	AnonymousID string
	Properties  map[string]any // of Track, Page and Screen
	Traits      map[string]any // of Identify and Group
	Context     map[string]any // device, campaign, ip, …
	Consent     Consent        // the answers that are not Unasked
}

// Answer is a person's answer to a purpose.
type Answer uint8

// The answers. Unasked says nothing.
const (
	Unasked Answer = iota
	Granted
	Denied
)

// Consent holds the answers of a person, by purpose.
type Consent struct{ Attribution, Analytics, Ads Answer }

func (c Consent) or(fallback Consent) Consent {
	for _, a := range [...]struct {
		own      *Answer
		fallback Answer
	}{{&c.Attribution, fallback.Attribution}, {&c.Analytics, fallback.Analytics}, {&c.Ads, fallback.Ads}} {
		if *a.own == Unasked {
			*a.own = a.fallback
		}
	}
	return c
}

func (c Consent) answers() map[string]bool {
	answers := map[string]bool{}
	for purpose, answer := range map[string]Answer{"attribution": c.Attribution, "analytics": c.Analytics, "ads": c.Ads} {
		if answer != Unasked {
			answers[purpose] = answer == Granted
		}
	}
	return answers
}

// call is a message as it is sent.
type call struct {
	Type        string         `json:"type"`
	MessageID   string         `json:"messageId"`
	Timestamp   string         `json:"timestamp"`
	UserID      string         `json:"userId,omitempty"`
	AnonymousID string         `json:"anonymousId,omitempty"`
	Event       string         `json:"event,omitempty"`
	Name        string         `json:"name,omitempty"`
	GroupID     string         `json:"groupId,omitempty"`
	PreviousID  string         `json:"previousId,omitempty"`
	Properties  map[string]any `json:"properties,omitempty"`
	Traits      map[string]any `json:"traits,omitempty"`
	Context     map[string]any `json:"context,omitempty"`
}

// Track says that something happened. The properties revenue and currency are
// the amount of an order.
func (c *Client) Track(event string, m Message) error {
	return c.say(call{Type: "track", Event: event}, m)
}

// Identify says who a person is.
func (c *Client) Identify(m Message) error { return c.say(call{Type: "identify"}, m) }

// Page says that a person saw a page.
func (c *Client) Page(name string, m Message) error { return c.say(call{Type: "page", Name: name}, m) }

// Screen says that a person saw a screen of an app.
func (c *Client) Screen(name string, m Message) error {
	return c.say(call{Type: "screen", Name: name}, m)
}

// Group says to what company or team a person belongs.
func (c *Client) Group(groupID string, m Message) error {
	return c.say(call{Type: "group", GroupID: groupID}, m)
}

// Alias says that the person was known under another id before.
func (c *Client) Alias(previousID string, m Message) error {
	return c.say(call{Type: "alias", PreviousID: previousID}, m)
}

// say encodes a message and queues it.
func (c *Client) say(w call, m Message) error {
	consent := m.Consent.or(c.options.Consent)
	if consent == (Consent{Denied, Denied, Denied}) {
		return ErrNoConsent
	}
	w.MessageID, w.Timestamp = idOf(m.ID), timeOf(m.Time)
	w.UserID, w.AnonymousID, w.Properties, w.Traits, w.Context = m.UserID, m.AnonymousID, m.Properties, m.Traits, m.Context
	if answers := consent.answers(); len(answers) > 0 {
		w.Context = map[string]any{"consent": answers}
		for name, value := range m.Context {
			w.Context[name] = value
		}
	}
	return c.enqueue(pathBatch, w)
}

func (c *Client) enqueue(path string, v any) error {
	encoded, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(encoded) > maxMessage {
		return ErrTooLarge
	}
	return c.queue.add(message{path: path, json: encoded})
}

func idOf(id string) string {
	if id != "" {
		return id
	}
	return uuid.NewString()
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Kind is the kind of a touch.
type Kind string

// The kinds of touches.
const (
	Click      Kind = "click"
	Impression Kind = "impression"
	Visit      Kind = "visit"
)

// Touch is a contact with an advertisement that a server knows of. Kind,
// MediaSource and one of the Keys are required.
type Touch struct {
	ID           string // counts once; a UUID is made if it is empty
	Kind         Kind
	Time         time.Time // now if it is zero
	MediaSource  string
	Medium       string
	Campaign     string
	AdSet        string
	Ad           string
	Keyword      string
	Sub          [5]string
	ClickID      string
	Cost         string // a decimal, as "0.25"
	CostCurrency string // ISO 4217
	Retargeting  bool
	Keys         Keys
}

// Keys are the ids by which a later event finds a touch.
type Keys struct {
	GAID        string `json:"gaid,omitempty"`
	IDFA        string `json:"idfa,omitempty"`
	IDFV        string `json:"idfv,omitempty"`
	OAID        string `json:"oaid,omitempty"`
	DeviceID    string `json:"device_id,omitempty"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	UserID      string `json:"user_id,omitempty"`
}

// Touch reports a touch. The client needs a server key.
func (c *Client) Touch(t Touch) error {
	sent := map[string]any{"id": idOf(t.ID), "kind": t.Kind, "time": timeOf(t.Time), "keys": t.Keys}
	fields := map[string]string{"media_source": t.MediaSource, "medium": t.Medium, "campaign": t.Campaign, "adset": t.AdSet, "ad": t.Ad,
		"keyword": t.Keyword, "click_id": t.ClickID, "cost": t.Cost, "cost_currency": t.CostCurrency}
	for i, sub := range t.Sub {
		fields[fmt.Sprintf("sub%d", i+1)] = sub
	}
	for name, value := range fields {
		if value != "" {
			sent[name] = value
		}
	}
	if t.Retargeting {
		sent["retargeting"] = true
	}
	return c.enqueue(pathTouch, sent)
}
