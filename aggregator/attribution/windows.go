package attribution

import (
	"net/netip"
	"strings"
)

// maxProbable is the longest window of probabilistic matching.
const maxProbable = 7 * Day

// window returns how long t counts for an install, found by a key of the person
// or only by fingerprint.
func (s *Settings) window(t *Touch, probable bool) int64 {
	w := pickWindow(t, probable, s.ClickWindow, s.ImpressionWindow, s.ProbabilisticClick, s.ProbabilisticImpression)
	link := false
	for i := range s.Overrides {
		o := &s.Overrides[i]
		own := pickWindow(t, probable, o.ClickWindow, o.ImpressionWindow, o.ProbabilisticClick, o.ProbabilisticImpression)
		switch {
		case own == 0:
		case o.LinkID != "" && o.LinkID == t.LinkID:
			w, link = own, true
		case !link && o.MediaSource != "" && o.MediaSource == t.MediaSource:
			w = own
		}
	}
	return w
}

func pickWindow(t *Touch, probable bool, click, impression, probableClick, probableImpression int64) int64 {
	switch {
	case probable && t.Kind == Impression:
		return probableImpression
	case probable:
		return probableClick
	case t.Kind == Impression:
		return impression
	}
	return click
}

// A touch after an install is still shown as one that came too late to have caused it:
// any touch of the person for installAfter, a click that the install names for NamedAfter.
const (
	installAfter = Day
	// NamedAfter is in milliseconds, like every duration here.
	NamedAfter = 7 * Day
)

// Span returns how far a touch may lie before and after a conversion and still
// be among its inputs: a touch at T is an input of a conversion at C only if
// C-before < T <= C+after. For an install it reaches one day beyond the longest
// window, so that a touch that has just expired is shown as such; for an in-app
// event so far that what led to a re-engagement is found.
func (s *Settings) Span(install bool) (before, after int64) {
	if !install {
		return max(s.Lookback, s.returning()), 0
	}
	return max(s.Lookback, s.longest()) + Day, NamedAfter
}

// OpeningSpan returns how far before an in-app event an opening of the app may
// lie and still be among its inputs.
func (s *Settings) OpeningSpan() int64 { return s.Reengagement + s.Inactivity }

// returning is how far before an in-app event a retargeting touch may lie.
func (s *Settings) returning() int64 { return s.Reengagement + s.longest() }

// longest is the longest deterministic window.
func (s *Settings) longest() int64 {
	w := max(s.ClickWindow, s.ImpressionWindow)
	for i := range s.Overrides {
		w = max(w, s.Overrides[i].ClickWindow, s.Overrides[i].ImpressionWindow)
	}
	return w
}

// longestProbable is the longest window of probabilistic matching.
func (s *Settings) longestProbable() int64 {
	w := max(s.ProbabilisticClick, s.ProbabilisticImpression)
	for i := range s.Overrides {
		w = max(w, s.Overrides[i].ProbabilisticClick, s.Overrides[i].ProbabilisticImpression)
	}
	return w
}

// Range is an address or a range of addresses, such as 192.0.2.0/24.
type Range string

func (r Range) prefix() (netip.Prefix, bool) {
	if !strings.Contains(string(r), "/") {
		a, err := netip.ParseAddr(string(r))
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), err == nil && a.Zone() == ""
	}
	p, err := netip.ParsePrefix(string(r))
	return p, err == nil
}

func (r Range) valid() bool {
	_, ok := r.prefix()
	return ok
}

func (r Range) contains(a netip.Addr) bool {
	p, ok := r.prefix()
	return ok && p.Contains(a)
}
