package traffic

import (
	"bytes"
	"iter"
	"strconv"
	"time"
)

// perRequest is how many messages a request carries at most, and maxBody how many bytes: SDKs
// stay below 500 KB.
const (
	perRequest = 100
	maxBody    = 400 << 10
)

// Request is the content of one HTTP request to the agent.
type Request struct {
	Lane     Lane
	Messages []Message
}

// Path is where the agent takes the request.
func (r *Request) Path() string {
	if r.Lane == Touches {
		return "/v1/s2s/touch"
	}
	return "/v1/batch"
}

// Body is the body of the request when it is sent at the given time. The agent takes the
// difference to its own clock for the error of the client's, so that the messages keep the time
// at which they happened.
func (r *Request) Body(sent time.Time) []byte {
	var b bytes.Buffer
	list := `{"batch":[`
	if r.Lane == Touches {
		list = `{"touches":[`
	}
	b.WriteString(list)
	for i := range r.Messages {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.Messages[i].Body)
	}
	b.WriteByte(']')
	if r.Lane != Touches {
		b.WriteString(`,"sentAt":` + strconv.Quote(clock(sent)))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Requests packs the messages into requests, in their order within each lane.
func (t *Traffic) Requests() iter.Seq[Request] {
	return func(yield func(Request) bool) {
		var open [lanes]Request
		var size [lanes]int
		for _, m := range t.Messages {
			r := &open[m.Lane]
			if len(r.Messages) == perRequest || size[m.Lane]+len(m.Body) > maxBody {
				if !yield(*r) {
					return
				}
				*r, size[m.Lane] = Request{}, 0
			}
			r.Lane = m.Lane
			r.Messages = append(r.Messages, m)
			size[m.Lane] += len(m.Body) + 1
		}
		for i := range open {
			if len(open[i].Messages) > 0 && !yield(open[i]) {
				return
			}
		}
	}
}
