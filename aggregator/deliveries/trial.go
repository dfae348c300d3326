package deliveries

import (
	"context"
	"crypto/rand"

	"github.com/unmogrowp/unmogrowp/aggregator/postback"
)

// Tested is what came of a test.
type Tested struct {
	Request postback.Request `json:"request"` // with secrets masked
	Status  int              `json:"status"`  // 0 without an answer
	Latency int64            `json:"latency_ms"`
	Answer  string           `json:"answer,omitempty"` // the first KiB
	Fault   string           `json:"fault,omitempty"`
}

// Test sends a made-up conversion to the receiver of a postback, once and at once. Nothing of it is
// kept. Its delivery id begins with "test-".
func (c *Courier) Test(ctx context.Context, p Postback) (Tested, error) {
	sample := postback.Sample(p.App, c.o.Now())
	var t Tested
	request, err := p.Definition.Render(&sample, p.Secrets.Named)
	if err == nil {
		t.Request, err = p.Definition.Shown(&sample, p.Secrets.Named)
	}
	if err != nil {
		return t, err
	}
	request.Sign("test-"+rand.Text(), []byte(p.Secrets.Signing), c.o.Now())
	for _, name := range []string{postback.HeaderDelivery, postback.HeaderSignature, "Idempotency-Key"} {
		if value := request.Header[name]; value != "" {
			t.Request.Header[name] = value
		}
	}
	begun := c.o.Now()
	var o Outcome
	status, _, answer, err := c.exchange(ctx, request)
	t.Status, t.Answer, t.Latency = status, answer, c.o.Now().Sub(begun).Milliseconds()
	if err != nil {
		c.blame(&o, err)
		t.Fault = o.Fault
	}
	return t, nil
}
