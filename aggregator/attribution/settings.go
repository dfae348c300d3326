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

	ProbabilisticClick      int64 `json:"probabilistic_click_window_ms,omitempty"`
	ProbabilisticImpression int64 `json:"probabilistic_impression_window_ms,omitempty"`
}

// Settings are one version of an app's attribution settings.
type Settings struct {
	Generation uint64 `json:"generation"` // grows with every change and erasure

	ClickWindow      int64      `json:"click_window_ms"`
	ImpressionWindow int64      `json:"impression_window_ms"`
	Overrides        []Override `json:"overrides,omitempty"`
	Reattribution    int64      `json:"reattribution_window_ms"`
	Inactivity       int64      `json:"inactivity_ms"`          // before an opening can be a re-engagement
	Reengagement     int64      `json:"reengagement_window_ms"` // in which in-app events count for both sources
	Lateness         int64      `json:"lateness_ms"`

	Probabilistic           bool  `json:"probabilistic"` // match installs by fingerprint
	ProbabilisticClick      int64 `json:"probabilistic_click_window_ms"`
	ProbabilisticImpression int64 `json:"probabilistic_impression_window_ms"`

	Fraud         Fraud   `json:"fraud"`
	BlockedRanges []Range `json:"blocked_ranges,omitempty"` // addresses, as they stood at the event

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
		Inactivity:       7 * Day,
		Reengagement:     30 * Day,

		ProbabilisticClick:      Day,
		ProbabilisticImpression: 6 * Hour,
		Fraud:                   defaultFraud(),

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
	within("inactivity_ms", s.Inactivity, 0, 365*Day)
	within("reengagement_window_ms", s.Reengagement, Day, 90*Day)
	within("probabilistic_click_window_ms", s.ProbabilisticClick, Hour, maxProbable)
	within("probabilistic_impression_window_ms", s.ProbabilisticImpression, Hour, maxProbable)
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
	faults = append(faults, s.validateFraud()...)
	return append(faults, s.validateEvents()...)
}

// validateOverrides checks each override by itself.
func (s *Settings) validateOverrides() []error {
	var faults []error
	if len(s.Overrides) > MaxOverrides {
		faults = append(faults, fmt.Errorf("overrides has %d entries, at most %d are allowed", len(s.Overrides), MaxOverrides))
	}
	for i, o := range s.Overrides {
		if (o.LinkID == "") == (o.MediaSource == "") {
			faults = append(faults, fmt.Errorf("overrides[%d] must name either a link_id or a media_source", i))
		}
		for _, w := range [...]struct {
			name    string
			v, high int64
		}{
			{"click_window_ms", o.ClickWindow, 90 * Day}, {"impression_window_ms", o.ImpressionWindow, 30 * Day},
			{"probabilistic_click_window_ms", o.ProbabilisticClick, maxProbable},
			{"probabilistic_impression_window_ms", o.ProbabilisticImpression, maxProbable},
		} {
			if w.v != 0 && (w.v < Hour || w.v > w.high) {
				faults = append(faults, fmt.Errorf("overrides[%d].%s is %d, must be 0 or %d to %d", i, w.name, w.v, Hour, w.high))
			}
		}
	}
	return faults
}

func (s *Settings) validateFraud() []error {
	var faults []error
	f := &s.Fraud
	for _, r := range FraudRules() {
		if a := *r.action(f); a != Off && a != Flag && a != Reject {
			faults = append(faults, fmt.Errorf("fraud.%s is %q, must be off, flag or reject", r.Name, a))
		}
	}
	if f.MinClickToInstall < 0 || f.MinClickToInstall > Hour {
		faults = append(faults, fmt.Errorf("fraud.min_click_to_install_ms is %d, must be 0 to %d", f.MinClickToInstall, Hour))
	}
	if f.MaxClicks < 1 || f.MaxClicks > maxClicksCeiling {
		faults = append(faults, fmt.Errorf("fraud.max_clicks is %d, must be 1 to %d", f.MaxClicks, maxClicksCeiling))
	}
	if f.MaxClicksWindow < Second || f.MaxClicksWindow > Day {
		faults = append(faults, fmt.Errorf("fraud.max_clicks_window_ms is %d, must be %d to %d", f.MaxClicksWindow, Second, Day))
	}
	if len(s.BlockedRanges) > maxBlockedRanges {
		faults = append(faults, fmt.Errorf("blocked_ranges has %d entries, at most %d are allowed", len(s.BlockedRanges), maxBlockedRanges))
	}
	for i, r := range s.BlockedRanges {
		if !r.valid() {
			faults = append(faults, fmt.Errorf("blocked_ranges[%d] is %q, must be an address or a range such as 192.0.2.0/24", i, r))
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
