package ingest

import (
	"testing"
	"time"
)

func TestFloodOfOneAppDoesNotTouchOthers(t *testing.T) {
	now := noon()
	d := newDoor(t, func(o *Options) {
		o.EventsPerSecond = 1000
		o.Buffer = sink{} // what is stored does not matter here
		o.Now = func() time.Time { return now }
	})
	flood := string(sampleBatch(1000))
	answers := map[int]int{}
	for range 30 {
		w := d.send("POST", "/v1/batch", flood)
		answers[w.Code]++
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if answers[200] != 16 || answers[429] != 14 { // the burst is a block's worth
		t.Errorf("answers %v", answers)
	}
	if w := d.send("POST", "/v1/track", track, "Authorization: Bearer "+restrictedKey); w.Code != 200 {
		t.Errorf("another app: %d %s", w.Code, w.Body)
	}
	now = now.Add(time.Second)
	if w := d.send("POST", "/v1/batch", flood); w.Code != 200 {
		t.Errorf("a second later: %d", w.Code)
	}
	if w := d.send("POST", "/v1/batch", flood); w.Code != 429 {
		t.Errorf("at once again: %d", w.Code)
	}
}
