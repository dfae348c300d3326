package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// IdentityLink says that two keys are of one person, as far as a conversion goes.
type IdentityLink struct {
	A        string    `json:"a"`
	B        string    `json:"b"`
	Received time.Time `json:"received"`
	Late     bool      `json:"late"` // arrived after the lateness limit, and was not followed
}

// OtherTouch is a touch of the same person that has no share of a conversion.
type OtherTouch struct {
	TouchID     string    `json:"touch_id"`
	Kind        string    `json:"kind"`
	Time        time.Time `json:"time"`
	Received    time.Time `json:"received"`
	MediaSource string    `json:"media_source"`
	Campaign    string    `json:"campaign"`
	// Reason is late, late_link, consent_withheld, after_conversion, window_expired,
	// impression or not_on_path.
	Reason string `json:"reason"`
}

// Surroundings are the known facts around a conversion that were not credited: who the
// person is, and the other touches that they met.
type Surroundings struct {
	Keys         []string       `json:"keys"` // of the conversion itself
	Links        []IdentityLink `json:"links"`
	OtherTouches []OtherTouch   `json:"other_touches"`
	More         bool           `json:"more,omitempty"` // there are further touches than are told
}

// maxOtherTouches bounds the touches that are told beside a conversion.
const maxOtherTouches = 200

// Surround tells what there is around a conversion: links are all of the keys that
// can be reached, touches those of these keys; also what arrived too late.
func Surround(row *attribution.Row, c *attribution.Conversion, links []attribution.Link, touches []attribution.Touch, s *attribution.Settings) Surroundings {
	around := Surroundings{Keys: append([]string{}, c.Keys...), Links: []IdentityLink{}, OtherTouches: []OtherTouch{}}
	deadline := c.Received + s.Lateness
	onTime := slices.DeleteFunc(slices.Clone(links), func(l attribution.Link) bool { return l.Received > deadline })
	person := make(map[string]bool)
	for _, k := range attribution.Reach(c.Keys, onTime, 0) {
		person[k] = true
	}
	for _, k := range attribution.ClaimKeys(c.Keys) {
		person[k] = true
	}
	for _, l := range onTime { // the clicks that the person named
		for _, ends := range [...][2]string{{l.A, l.B}, {l.B, l.A}} {
			if attribution.Personal(ends[0]) && person[ends[0]] && !attribution.Personal(ends[1]) {
				person[ends[1]] = true
			}
		}
	}
	for _, l := range links {
		if person[l.A] || person[l.B] {
			around.Links = append(around.Links, IdentityLink{l.A, l.B, time.UnixMilli(l.Received).UTC(), l.Received > deadline})
		}
	}
	slices.SortFunc(around.Links, func(a, b IdentityLink) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	around.Links = slices.Compact(around.Links)
	credited := make(map[string]bool)
	for i := range row.Result.Touches {
		credited[row.Result.Touches[i].Touch.ID] = true
	}
	for i := range touches {
		t := &touches[i]
		if credited[t.ID] {
			continue
		}
		credited[t.ID] = true // once, whatever its keys
		around.OtherTouches = append(around.OtherTouches, OtherTouch{
			TouchID: t.ID, Kind: t.Kind.String(), Time: time.UnixMilli(t.Time).UTC(), Received: time.UnixMilli(t.Received).UTC(),
			MediaSource: t.MediaSource, Campaign: t.Campaign, Reason: uncredited(t, c, s, person),
		})
	}
	slices.SortFunc(around.OtherTouches, func(a, b OtherTouch) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.TouchID, b.TouchID)) })
	if around.More = len(around.OtherTouches) > maxOtherTouches; around.More {
		around.OtherTouches = around.OtherTouches[:maxOtherTouches]
	}
	return around
}

// uncredited says why a touch has no share.
func uncredited(t *attribution.Touch, c *attribution.Conversion, s *attribution.Settings, person map[string]bool) string {
	switch {
	case t.Received > c.Received+s.Lateness:
		return "late"
	case !slices.ContainsFunc(t.Keys, func(k string) bool { return person[k] }):
		return "late_link"
	case t.Withheld || c.Withheld:
		return string(attribution.ConsentWithheld)
	case t.Time > c.Time:
		return string(attribution.AfterConversion)
	case t.Time <= c.Time-s.Lookback:
		return string(attribution.WindowExpired)
	case t.Kind == attribution.Impression && !s.ImpressionsInMTA:
		return "impression"
	}
	return "not_on_path"
}

// Conflict is a message id that was used for several contents.
type Conflict struct {
	ID       string            `json:"id"`
	Variants []ConflictVariant `json:"variants"` // the first counts
}

// ConflictVariant is one of the contents.
type ConflictVariant struct {
	Digest   string    `json:"digest"` // 16 hexadecimal digits
	Received time.Time `json:"received"`
}

// ConflictsResult is a page of the conflicts of an app, by id.
type ConflictsResult struct {
	Data       []Conflict `json:"data"`
	NextCursor *string    `json:"next_cursor"`
}

// ConflictsOf groups variants, which come by id and may be cut off after read of
// them, and makes a page of at most limit ids.
func ConflictsOf(variants []attribution.Variant, read, limit int) ConflictsResult {
	result := ConflictsResult{Data: []Conflict{}}
	for _, v := range variants {
		if n := len(result.Data); n == 0 || result.Data[n-1].ID != v.ID {
			result.Data = append(result.Data, Conflict{ID: v.ID})
		}
		last := &result.Data[len(result.Data)-1]
		last.Variants = append(last.Variants, ConflictVariant{fmt.Sprintf("%016x", v.Digest), time.UnixMilli(v.Received).UTC()})
	}
	if n := len(result.Data); len(variants) >= read && n > 1 {
		result.Data = result.Data[:n-1] // the last may have more variants
	}
	if whole := len(variants) < read && len(result.Data) <= limit; !whole {
		result.Data = result.Data[:min(limit, len(result.Data))]
		if n := len(result.Data); n > 0 {
			result.NextCursor = &result.Data[n-1].ID
		}
	}
	return result
}
