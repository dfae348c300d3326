package postback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Headers that every request carries.
const (
	HeaderDelivery  = "X-Unmogrowp-Delivery"  // stable over all tries of a delivery
	HeaderSignature = "X-Unmogrowp-Signature" // t=UNIX SECONDS,v1=HEX
)

// Request is an HTTP request to a receiver.
type Request struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body,omitempty"`
}

// Masked stands for a secret in a request that people are shown.
const Masked = "•••"

// Shown is Render with every secret masked, for logs and previews.
func (d *Definition) Shown(f *Fact, secrets map[string]string) (Request, error) {
	masked := make(map[string]string, len(secrets))
	for name := range secrets {
		masked[name] = Masked
	}
	r, err := d.Render(f, masked)
	r.URL = strings.ReplaceAll(r.URL, url.QueryEscape(Masked), Masked)
	return r, err
}

// Render fills a definition in with a fact and the values of {secret.NAME}. The definition must
// have passed Check.
func (d *Definition) Render(fact *Fact, secrets map[string]string) (Request, error) {
	c, err := d.compile()
	if err != nil {
		return Request{}, err
	}
	filled := *fact
	filled.secrets = secrets
	f := &filled
	r := Request{Method: d.Method, Header: map[string]string{}}
	r.URL = fillURL(c.url, f)
	for name, parts := range c.headers {
		r.Header[name] = strings.Map(printable, fill(parts, func(m *Macro) string { return m.value(f) }))
	}
	switch d.Format {
	case FormatForm:
		r.Body = fill(c.body, func(m *Macro) string { return url.QueryEscape(m.value(f)) })
		r.Header["Content-Type"] = "application/x-www-form-urlencoded"
	case FormatJSON:
		r.Body = renderJSON(c.body, f)
		r.Header["Content-Type"] = "application/json"
	}
	return r, nil
}

// fillURL escapes values for the path until the query begins, and for the query from there on.
func fillURL(parts []part, f *Fact) string {
	var b strings.Builder
	escape := url.PathEscape
	for _, p := range parts {
		if p.macro != nil {
			b.WriteString(escape(p.macro.value(f)))
			continue
		}
		if strings.Contains(p.text, "?") {
			escape = url.QueryEscape
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// printable drops what must not stand in a header's value.
func printable(r rune) rune {
	if control(r) {
		return -1
	}
	return r
}

// Digest names the content of a request: two that are equal need not both be sent.
func (r *Request) Digest() string {
	sum := sha256.New()
	for _, s := range []string{r.Method, r.URL, r.Body} {
		sum.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Sign adds the delivery's id and, with a secret, the signature: HMAC-SHA256 with the secret over
//
//	UNIX SECONDS "." DELIVERY ID "." METHOD " " URL "." BODY
//
// A receiver recomputes it, and refuses times that are more than five minutes away.
func (r *Request) Sign(delivery string, secret []byte, now time.Time) {
	r.Header[HeaderDelivery] = delivery
	r.Header["Idempotency-Key"] = delivery
	if len(secret) == 0 {
		return
	}
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "." + delivery + "." + r.Method + " " + r.URL + "." + r.Body))
	r.Header[HeaderSignature] = "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
