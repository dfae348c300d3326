package report

import "time"

// Money is an amount in one currency.
type Money struct {
	Currency string  `json:"currency"`
	Amount   Decimal `json:"amount"`
}

// Converted is an amount in one currency that others were converted to, and what
// could not be for want of a rate.
type Converted struct {
	Money
	Unconverted []Money `json:"unconverted,omitempty"`
}

// Earnings are the revenue in one currency: Amount is net, Gross less Refunds, and
// Untrusted is as much of it as no server has stated.
type Earnings struct {
	Money
	Gross     Decimal `json:"gross"`
	Refunds   Decimal `json:"refunds"`
	Untrusted Decimal `json:"untrusted"`
}

// InstallsBy tells new installs apart by how they came: with a winner that was clicked
// or visited, or only seen, with nothing that names a campaign, or with evidence that
// cannot be used.
type InstallsBy struct {
	Attributed   uint64 `json:"attributed"`
	ViewThrough  uint64 `json:"view_through"`
	Organic      uint64 `json:"organic"`
	Unattributed uint64 `json:"unattributed"`
}

// EventCount counts one conversion event.
type EventCount struct {
	Event string `json:"event"`
	Count uint64 `json:"count"`
}

// OverviewResult counts distinct messages exactly. Installs are new ones; those of before
// and those that retargeting brought back are figures of their own. Conversions are all
// conversion events together, installs among them; EventsBy tells the others apart.
type OverviewResult struct {
	Events         uint64       `json:"events"`
	Clicks         uint64       `json:"clicks"`
	Impressions    uint64       `json:"impressions"`
	Installs       uint64       `json:"installs"`
	InstallsBy     InstallsBy   `json:"installs_by"`
	Reinstalls     uint64       `json:"reinstalls"`
	Reattributions uint64       `json:"re_attributions"`
	Reengagements  uint64       `json:"re_engagements"`
	Conversions    uint64       `json:"conversions"`
	EventsBy       []EventCount `json:"events_by"`
	Revenue        []Earnings   `json:"revenue"`
	Converted      *Converted   `json:"converted,omitempty"` // the net revenue in the currency that was asked for
	Cost           []Money      `json:"cost"`
	FreshUntil     *time.Time   `json:"fresh_until"` // newest agent stamp stored; nil when nothing is

	Previous      *OverviewResult `json:"previous,omitempty"`
	PreviousRange *Period         `json:"previous_range,omitempty"`
}

// Point is one bucket of a time series; Time is its beginning.
type Point struct {
	Time  time.Time `json:"time"`
	Value Decimal   `json:"value"`
}

// TimeseriesResult has a point for every interval, also for empty ones.
type TimeseriesResult struct {
	Metric   Metric   `json:"metric"`
	Interval Interval `json:"interval"`
	Currency string   `json:"currency,omitempty"`
	Points   []Point  `json:"points"`
	// Unconverted is not in the points, for want of a rate.
	Unconverted []Money `json:"unconverted,omitempty"`
}

// AttributionRow is the credit of one group. The dimensions that were not asked
// for are nil.
type AttributionRow struct {
	MediaSource *string `json:"media_source,omitempty"`
	Campaign    *string `json:"campaign,omitempty"`
	AdSet       *string `json:"adset,omitempty"`
	Ad          *string `json:"ad,omitempty"`
	Keyword     *string `json:"keyword,omitempty"`

	Conversions       Decimal `json:"conversions"`
	Revenue           Decimal `json:"revenue"` // in the result's currency
	Share             float64 `json:"share"`   // of the conversions
	RevenueByCurrency []Money `json:"revenue_by_currency"`
	Unconverted       []Money `json:"unconverted,omitempty"` // not in Revenue, for want of a rate
}

// AttributionTotal is the sum of the rows.
type AttributionTotal struct {
	Conversions       Decimal `json:"conversions"`
	Revenue           Decimal `json:"revenue"`
	RevenueByCurrency []Money `json:"revenue_by_currency"`
	Unconverted       []Money `json:"unconverted,omitempty"` // not in Revenue, for want of a rate
}

// AttributionResult shares the conversions of a range out over groups under one
// model. Its total equals the sum of its rows to the last millionth.
type AttributionResult struct {
	Model    string           `json:"model"`
	GroupBy  []Dimension      `json:"group_by"`
	Currency string           `json:"currency"`
	Rows     []AttributionRow `json:"rows"`
	Total    AttributionTotal `json:"total"`
}

// ConversionItem is a line of the conversions list.
type ConversionItem struct {
	ID          string    `json:"id"`
	Event       string    `json:"event"`
	Time        time.Time `json:"time"`
	Revenue     Decimal   `json:"revenue"`
	Currency    string    `json:"currency"`
	Result      string    `json:"result"`
	MediaSource string    `json:"media_source"`
	Campaign    string    `json:"campaign"`
	Touches     int       `json:"touches"`
	Refund      bool      `json:"refund"`

	InstallFrom InstallFrom `json:"install_from"` // the install's winner
	CreditedTo  CreditedTo  `json:"credited_to"`  // the touch with most credit of this conversion
}

// CreditedTo is whom a model gives most of a conversion.
type CreditedTo struct {
	Model       string `json:"model"`
	MediaSource string `json:"media_source"`
	Campaign    string `json:"campaign"`
}

// ConversionsResult is a page of conversions, newest first.
type ConversionsResult struct {
	Data       []ConversionItem `json:"data"`
	NextCursor *string          `json:"next_cursor"`

	truncated bool // an export that has as many rows as it may
}

// ConversionResult is one conversion in full: why it was credited as it was.
type ConversionResult struct {
	ID                 string      `json:"id"`
	Event              string      `json:"event"`
	Time               time.Time   `json:"time"`
	Revenue            Decimal     `json:"revenue"`
	Currency           string      `json:"currency"`
	SettingsGeneration uint64      `json:"settings_generation"`
	Inputs             uint32      `json:"inputs"`
	InputDigest        string      `json:"input_digest"` // 16 hexadecimal digits
	Truncated          bool        `json:"truncated,omitempty"`
	Install            Install     `json:"install"`
	Primary            string      `json:"primary_source"` // install or retargeting: the source that it primarily counts for
	Candidates         []Candidate `json:"candidates"`
	Touches            []Touch     `json:"touches"`

	Reengagement *Reengagement `json:"re_engagement,omitempty"` // whose window it lies in
}

// Fraud is the rule that something is marked with.
type Fraud struct {
	Rule  string `json:"rule"`
	Level string `json:"level"` // suspected or confirmed
}

// Reengagement is an opening of the app that a touch of a retargeting link led to.
type Reengagement struct {
	OpenID      string    `json:"open_id"`
	Opened      time.Time `json:"opened"`
	TouchID     string    `json:"touch_id"`
	MediaSource string    `json:"media_source"`
	Campaign    string    `json:"campaign"`
	AdSet       string    `json:"adset,omitempty"`
	Ad          string    `json:"ad,omitempty"`
	Keyword     string    `json:"keyword,omitempty"`
	LinkID      string    `json:"link_id,omitempty"`
}

// Install describes the install behind a conversion, as far as it is known.
type Install struct {
	ID          string `json:"id,omitempty"`
	Result      string `json:"result"`
	Reason      string `json:"reason"`
	TouchID     string `json:"touch_id"`
	MediaSource string `json:"media_source"`
	Campaign    string `json:"campaign"`
	AdSet       string `json:"adset,omitempty"`
	Ad          string `json:"ad,omitempty"`
	Keyword     string `json:"keyword,omitempty"`
	LinkID      string `json:"link_id,omitempty"`
	Match       string `json:"match"`
	Fraud       *Fraud `json:"fraud,omitempty"` // of the winner, or of the install itself
}

// Candidate is a touch that might have caused an install, with what became of
// it. A claim of the install that no touch bears out has a claim and no touch.
type Candidate struct {
	TouchID     string     `json:"touch_id"`
	Claim       string     `json:"claim,omitempty"`
	Kind        string     `json:"kind"`
	Time        *time.Time `json:"time"`
	MediaSource string     `json:"media_source"`
	Campaign    string     `json:"campaign"`
	Match       string     `json:"match"`
	Verdict     string     `json:"verdict"`
	Fraud       *Fraud     `json:"fraud,omitempty"`
}

// Touch is one credited touch of a path. Credit is in millionths.
type Touch struct {
	TouchID     string             `json:"touch_id"`
	Kind        string             `json:"kind"`
	Time        time.Time          `json:"time"`
	MediaSource string             `json:"media_source"`
	Medium      string             `json:"medium,omitempty"`
	Campaign    string             `json:"campaign"`
	AdSet       string             `json:"adset,omitempty"`
	Ad          string             `json:"ad,omitempty"`
	Keyword     string             `json:"keyword,omitempty"`
	Credit      map[string]int64   `json:"credit"`
	Revenue     map[string]Decimal `json:"revenue"`
	Fraud       *Fraud             `json:"fraud,omitempty"`
}
