package event

import (
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Whatever times a sender claims, it chooses among the months of one year.
func TestClaimsFarFromNowAreNoPartOfTheKey(t *testing.T) {
	const day = int64(24 * time.Hour / time.Millisecond)
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		at   int64
		kept bool
	}{
		{now, true}, {now - 360*day, true}, {now - 360*day - 1, false}, {now + day, true}, {now + day + 1, false},
		{saneFrom, false}, {saneTo, false},
	} {
		var e protocol.Event
		stamp(&e, claim{given: true, at: c.at}, claim{}, now)
		if c.kept != (e.Original == c.at) || !c.kept && e.Original != 0 {
			t.Errorf("claimed %d: original %d, kept %t", c.at, e.Original, c.kept)
		}
	}
	months := map[string]bool{}
	for at := int64(saneFrom); at < saneTo; at += 10 * day {
		var e protocol.Event
		stamp(&e, claim{given: true, at: at}, claim{}, now)
		months[time.UnixMilli(e.Original).UTC().Format("2006-01")] = true
	}
	if len(months) > 14 { // 13 of a year, and the one of messages without a time
		t.Errorf("one sender reaches %d months", len(months))
	}
}

// A wrong clock is corrected all the same.
func TestClockOfAnotherCenturyIsCorrected(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC).UnixMilli()
	wrong := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	var e protocol.Event
	stamp(&e, claim{given: true, at: wrong - 5000}, claim{at: wrong}, now)
	if e.Original != 0 || e.Time != now-5000 || e.Has(protocol.FlagClamped) {
		t.Errorf("original %d, time %d ms before now, flags %d", e.Original, now-e.Time, e.Flags)
	}
}
