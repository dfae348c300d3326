package attribution

import (
	"fmt"
	"slices"
)

// Units of the settings: durations in milliseconds, weights and credits in
// millionths.
const (
	Second = int64(1000)
	Minute = 60 * Second
	Hour   = 60 * Minute
	Day    = 24 * Hour

	Million = int64(1_000_000)
)

// Transform says what happens to a path before the models see it.
type Transform string

// The transforms. CollapseRepeats makes adjacent touches of one media source
// one, the last. IgnoreDirect drops direct touches unless nothing else is left.
const (
	TransformNone   Transform = "none"
	CollapseRepeats Transform = "collapse_repeats"
	IgnoreDirect    Transform = "ignore_direct"
)

// Override replaces the windows of touches of one link or one media source; a
// link's override beats a media source's. A window of 0 is not replaced.
type Override struct {
	LinkID           string `json:"link_id,omitempty"`
	MediaSource      string `json:"media_source,omitempty"`
	ClickWindow      int64  `json:"click_window_ms,omitempty"`
	ImpressionWindow int64  `json:"impression_window_ms,omitempty"`
}

// Settings are one version of an app's attribution settings.
type Settings struct {
	Generation uint64 `json:"generation"` // grows with every change and erasure

	ClickWindow      int64      `json:"click_window_ms"`
	ImpressionWindow int64      `json:"impression_window_ms"`
	Overrides        []Override `json:"overrides,omitempty"`
	Reattribution    int64      `json:"reattribution_window_ms"`
	Lateness         int64      `json:"lateness_ms"`

	Lookback         int64     `json:"lookback_ms"` // multi-touch
	HalfLife         int64     `json:"half_life_ms"`
	PositionFirst    int64     `json:"position_first"` // millionths; the three add up to one million
	PositionMiddle   int64     `json:"position_middle"`
	PositionLast     int64     `json:"position_last"`
	Transform        Transform `json:"transform"`
	ImpressionsInMTA bool      `json:"impressions_in_mta"`

	ConversionEvents []string `json:"conversion_events"` // besides the install event
}

// InstallEvent is the event that is an install in every app.
const InstallEvent = "Application Installed"

// MaxConversionEvents and MaxOverrides bound the lists of the settings.
const (
	MaxConversionEvents = 200
	MaxOverrides        = 1000
)

// Default returns the settings of a new app, the field's own defaults:
// a click counts 7 days, an impression 24 hours, a path reaches back 30 days
// and time decay halves every 7 days.
func Default() Settings {
	return Settings{
		Generation:       1,
		ClickWindow:      7 * Day,
		ImpressionWindow: Day,
		Reattribution:    90 * Day,
		Lateness:         7 * Day,
		Lookback:         30 * Day,
		HalfLife:         7 * Day,
		PositionFirst:    400_000,
		PositionMiddle:   200_000,
		PositionLast:     400_000,
		Transform:        TransformNone,
		ConversionEvents: []string{"Order Completed"},
	}
}

// Validate returns every fault of the settings at once, none if they can be
// used.
func (s *Settings) Validate() []error {
	var faults []error
	within := func(name string, v, low, high int64) {
		if v < low || v > high {
			faults = append(faults, fmt.Errorf("%s is %d, must be %d to %d", name, v, low, high))
		}
	}
	if s.Generation == 0 || s.Generation > maxGeneration {
		faults = append(faults, fmt.Errorf("generation is %d, must be 1 to %d", s.Generation, maxGeneration))
	}
	within("click_window_ms", s.ClickWindow, Hour, 90*Day)
	within("impression_window_ms", s.ImpressionWindow, Hour, 30*Day)
	within("reattribution_window_ms", s.Reattribution, Day, 730*Day)
	within("lateness_ms", s.Lateness, 0, 90*Day)
	within("lookback_ms", s.Lookback, Day, 90*Day)
	within("half_life_ms", s.HalfLife, Hour, 365*Day)
	within("position_first", s.PositionFirst, 0, Million)
	within("position_middle", s.PositionMiddle, 0, Million)
	within("position_last", s.PositionLast, 0, Million)
	if sum := s.PositionFirst + s.PositionMiddle + s.PositionLast; sum != Million {
		faults = append(faults, fmt.Errorf("position_first, position_middle and position_last add up to %d, must be %d", sum, Million))
	}
	if !slices.Contains([]Transform{TransformNone, CollapseRepeats, IgnoreDirect}, s.Transform) {
		faults = append(faults, fmt.Errorf("transform is %q, must be none, collapse_repeats or ignore_direct", s.Transform))
	}
	faults = append(faults, s.validateOverrides()...)
	return append(faults, s.validateEvents()...)
}

func (s *Settings) validateOverrides() []error {
	var faults []error
	if len(s.Overrides) > MaxOverrides {
		faults = append(faults, fmt.Errorf("overrides has %d entries, at most %d are allowed", len(s.Overrides), MaxOverrides))
	}
	for i, o := range s.Overrides {
		if (o.LinkID == "") == (o.MediaSource == "") {
			faults = append(faults, fmt.Errorf("overrides[%d] must name either a link_id or a media_source", i))
		}
		if w := o.ClickWindow; w != 0 && (w < Hour || w > 90*Day) {
			faults = append(faults, fmt.Errorf("overrides[%d].click_window_ms is %d, must be 0 or %d to %d", i, w, Hour, 90*Day))
		}
		if w := o.ImpressionWindow; w != 0 && (w < Hour || w > 30*Day) {
			faults = append(faults, fmt.Errorf("overrides[%d].impression_window_ms is %d, must be 0 or %d to %d", i, w, Hour, 30*Day))
		}
	}
	return faults
}

func (s *Settings) validateEvents() []error {
	var faults []error
	if len(s.ConversionEvents) > MaxConversionEvents {
		faults = append(faults, fmt.Errorf("conversion_events has %d entries, at most %d are allowed", len(s.ConversionEvents), MaxConversionEvents))
	}
	for i, name := range s.ConversionEvents {
		if name == "" || len(name) > 200 {
			faults = append(faults, fmt.Errorf("conversion_events[%d] must have 1 to 200 bytes", i))
		}
	}
	return faults
}

// window returns how long t counts for an install.
func (s *Settings) window(t *Touch) int64 {
	w := s.ClickWindow
	if t.Kind == Impression {
		w = s.ImpressionWindow
	}
	link := false
	for i := range s.Overrides {
		o := &s.Overrides[i]
		own := o.ClickWindow
		if t.Kind == Impression {
			own = o.ImpressionWindow
		}
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

// installAfter is how long after an install a touch is still shown as one that
// came too late to have caused it.
const installAfter = Day

// Span returns how far a touch may lie before and after a conversion and still
// be among its inputs: a touch at T is an input of a conversion at C only if
// C-before < T <= C+after. For an install it reaches one day beyond the longest
// window, so that a touch that has just expired is shown as such.
func (s *Settings) Span(install bool) (before, after int64) {
	if !install {
		return s.Lookback, 0
	}
	before = max(s.Lookback, s.ClickWindow, s.ImpressionWindow)
	for i := range s.Overrides {
		before = max(before, s.Overrides[i].ClickWindow, s.Overrides[i].ImpressionWindow)
	}
	return before + Day, installAfter
}
