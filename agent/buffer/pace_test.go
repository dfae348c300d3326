package buffer

import (
	"testing"
	"time"
)

func TestPaceChoosesTheCodec(t *testing.T) {
	p := pace{above: 1000}
	at := time.Unix(1_760_000_000, 0)
	for i, step := range []struct {
		after time.Duration
		bytes int
		took  time.Duration // the compression before
		fast  bool
	}{
		{0, 600, 0, false}, {100 * time.Millisecond, 600, 0, true}, // the first second is busy from here on
		{time.Second, 10, 0, true}, {time.Second, 10, 0, false}, // and the next one, which is not
		{time.Second, 2000, 0, true}, {time.Hour, 10, 0, false}, {-time.Hour, 10, 0, false},
		// Little that takes long: the machine has no time for it.
		{time.Millisecond, 10, 60 * time.Millisecond, false}, {time.Millisecond, 10, 60 * time.Millisecond, true},
		{time.Second, 10, 0, true}, {time.Second, 10, 0, false},
	} {
		at = at.Add(step.after)
		p.took(step.took)
		if got := p.fast(at, step.bytes); got != step.fast {
			t.Errorf("step %d: fast is %v", i, got)
		}
	}
}
