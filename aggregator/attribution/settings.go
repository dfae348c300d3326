package attribution

import (
	"fmt"
	"slices"
	"strings"
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
	Overrides        []Override `json:"overrides"`
	Reattribution    int64      `json:"reattribution_window_ms"`
	Inactivity       int64      `json:"inactivity_ms"`          // before an opening can be a re-engagement
	Reengagement     int64      `json:"reengagement_window_ms"` // in which in-app events count for both sources
	Lateness         int64      `json:"lateness_ms"`

	Probabilistic           bool  `json:"probabilistic"` // match installs by fingerprint
	ProbabilisticClick      int64 `json:"probabilistic_click_window_ms"`
	ProbabilisticImpression int64 `json:"probabilistic_impression_window_ms"`

	Fraud         Fraud   `json:"fraud"`
	BlockedRanges []Range `json:"blocked_ranges"` // addresses, as they stood at the event

	Lookback         int64     `json:"lookback_ms"` // multi-touch
	HalfLife         int64     `json:"half_life_ms"`
	PositionFirst    int64     `json:"position_first"` // millionths; the three add up to one million
	PositionMiddle   int64     `json:"position_middle"`
	PositionLast     int64     `json:"position_last"`
	Transform        Transform `json:"transform"`
	ImpressionsInMTA bool      `json:"impressions_in_mta"`

	ConversionEvents []string `json:"conversion_events"` // besides the install event

	// TrustedReferrers are the media sources, in lower case, whose name in an install's
	// referrer or message is enough to attribute it without a recorded click.
	TrustedReferrers []string `json:"trusted_referrers"`
	CountOrdersOnce  bool     `json:"count_orders_once"`         // one order id counts once
	ExcludeUntrusted bool     `json:"exclude_untrusted_revenue"` // revenue of client keys counts as 0
}

// InstallEvent is the event that is an install in every app.
const InstallEvent = "Application Installed"

// MaxConversionEvents and MaxOverrides bound the lists of the settings.
const (
	MaxConversionEvents = 200
	MaxOverrides        = 1000
	maxTrusted          = 100
)

// Number is one row of the table of the settings that are numbers. Defaults,
// validation, the words of scripts and the columns of the computation in SQL come
// from it.
type Number struct {
	Name      string // in JSON; "_ms" at its end says that it is a duration
	Word      string // in scripts and in SQL
	Default   int64
	Low, High int64

	field func(*Settings) *int64
}

// Of returns where settings keep the number.
func (n *Number) Of(s *Settings) *int64 { return n.field(s) }

// Numbers returns the table, in the order in which faults are told.
func Numbers() []Number {
	return []Number{
		{"click_window_ms", "click_window", 7 * Day, Hour, 90 * Day, func(s *Settings) *int64 { return &s.ClickWindow }},
		{"impression_window_ms", "impression_window", Day, Hour, 30 * Day, func(s *Settings) *int64 { return &s.ImpressionWindow }},
		{"reattribution_window_ms", "reattribution", 90 * Day, Day, 730 * Day, func(s *Settings) *int64 { return &s.Reattribution }},
		{"inactivity_ms", "inactivity", 7 * Day, 0, 365 * Day, func(s *Settings) *int64 { return &s.Inactivity }},
		{"reengagement_window_ms", "reengagement", 30 * Day, Day, 90 * Day, func(s *Settings) *int64 { return &s.Reengagement }},
		{"probabilistic_click_window_ms", "probabilistic_click_window", Day, Hour, maxProbable, func(s *Settings) *int64 { return &s.ProbabilisticClick }},
		{"probabilistic_impression_window_ms", "probabilistic_impression_window", 6 * Hour, Hour, maxProbable, func(s *Settings) *int64 { return &s.ProbabilisticImpression }},
		{"lateness_ms", "lateness", 7 * Day, 0, 90 * Day, func(s *Settings) *int64 { return &s.Lateness }},
		{"lookback_ms", "lookback", 30 * Day, Day, 90 * Day, func(s *Settings) *int64 { return &s.Lookback }},
		{"half_life_ms", "half_life", 7 * Day, Hour, 365 * Day, func(s *Settings) *int64 { return &s.HalfLife }},
		{"position_first", "position_first", 400_000, 0, Million, func(s *Settings) *int64 { return &s.PositionFirst }},
		{"position_middle", "position_middle", 200_000, 0, Million, func(s *Settings) *int64 { return &s.PositionMiddle }},
		{"position_last", "position_last", 400_000, 0, Million, func(s *Settings) *int64 { return &s.PositionLast }},
		{"fraud.min_click_to_install_ms", "min_click_to_install", 10 * Second, 0, Hour, func(s *Settings) *int64 { return &s.Fraud.MinClickToInstall }},
		{"fraud.max_clicks", "max_clicks", 10, 1, maxClicksCeiling, func(s *Settings) *int64 { return &s.Fraud.MaxClicks }},
		{"fraud.max_clicks_window_ms", "max_clicks_window", Minute, Second, Day, func(s *Settings) *int64 { return &s.Fraud.MaxClicksWindow }},
	}
}

// Default returns the settings of a new app, the field's own defaults:
// a click counts 7 days, an impression 24 hours, a path reaches back 30 days
// and time decay halves every 7 days.
func Default() Settings {
	s := Settings{
		Generation: 1, Transform: TransformNone, ConversionEvents: []string{"Order Completed"}, Overrides: []Override{}, BlockedRanges: []Range{},
		TrustedReferrers: []string{"google", "meta", "apps.facebook.com", "apps.instagram.com"}, CountOrdersOnce: true,
	}
	for _, n := range Numbers() {
		*n.field(&s) = n.Default
	}
	for _, r := range FraudRules() {
		*r.action(&s.Fraud) = r.Default
	}
	return s
}

// Validate returns every fault of the settings at once, none if they can be
// used.
func (s *Settings) Validate() []error {
	var faults []error
	if s.Generation == 0 || s.Generation > maxGeneration {
		faults = append(faults, fmt.Errorf("generation is %d, must be 1 to %d", s.Generation, maxGeneration))
	}
	for _, n := range Numbers() {
		if v := *n.field(s); v < n.Low || v > n.High {
			faults = append(faults, fmt.Errorf("%s is %d, must be %d to %d", n.Name, v, n.Low, n.High))
		}
	}
	if sum := s.PositionFirst + s.PositionMiddle + s.PositionLast; sum != Million {
		faults = append(faults, fmt.Errorf("position_first, position_middle and position_last add up to %d, must be %d", sum, Million))
	}
	if !slices.Contains([]Transform{TransformNone, CollapseRepeats, IgnoreDirect}, s.Transform) {
		faults = append(faults, fmt.Errorf("transform is %q, must be none, collapse_repeats or ignore_direct", s.Transform))
	}
	faults = append(faults, s.validateOverrides()...)
	faults = append(faults, s.validateFraud()...)
	faults = append(faults, s.validateTrusted()...)
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
		if o.ClickWindow|o.ImpressionWindow|o.ProbabilisticClick|o.ProbabilisticImpression == 0 {
			faults = append(faults, fmt.Errorf("overrides[%d] replaces no window: give at least one", i))
		}
		if slices.ContainsFunc(s.Overrides[:i], func(other Override) bool { return other.LinkID == o.LinkID && other.MediaSource == o.MediaSource }) {
			faults = append(faults, fmt.Errorf("overrides[%d] names the same link or media source as one before it", i))
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

func (s *Settings) validateTrusted() []error {
	var faults []error
	if len(s.TrustedReferrers) > maxTrusted {
		faults = append(faults, fmt.Errorf("trusted_referrers has %d entries, at most %d are allowed", len(s.TrustedReferrers), maxTrusted))
	}
	for i, name := range s.TrustedReferrers {
		if name == "" || len(name) > maxID || name != strings.ToLower(strings.TrimSpace(name)) {
			faults = append(faults, fmt.Errorf("trusted_referrers[%d] is %q, must be a media source in lower case", i, name))
		}
	}
	return faults
}

// trusts reports whether the campaign that an install states attributes it.
func (s *Settings) trusts(t *Touch) bool {
	return t.Marks&MarkTrusted != 0 || slices.Contains(s.TrustedReferrers, strings.ToLower(t.MediaSource))
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
