// Package report turns a question of the console into SQL, and the rows into
// the shapes that clients build on. Each report is one file: its question, its SQL,
// how its rows are read, and its answer. The package does no I/O itself: a [Store], which
// the warehouse is, runs the statements. Whoever asks validates the query first.
package report

import (
	"net/url"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Apps are the apps that the person asking may see. The zero value allows none.
type Apps struct {
	All bool
	IDs []string
}

// Query is a question about one app. From and To are half-open: From is in, To
// is not. Fields that a report does not use are ignored by it.
type Query struct {
	App  string
	Apps Apps

	From, To time.Time

	TZ       string // IANA name; "" is UTC
	Interval Interval
	Metric   Metric
	Model    attribution.Model
	// DataDriven takes the place of Model in an attribution report; "" does not.
	DataDriven DataModel
	GroupBy    []Dimension

	// Currency that revenue is converted to, by Rates (see Resolve). When it is empty
	// nothing is converted, and of several currencies AppCurrency is taken if anything
	// in range has it, else the most frequent one.
	Currency    string
	AppCurrency string
	Rates       []DayRate

	// MediaSources and Countries are those that the person may see; empty means all.
	MediaSources []string
	Countries    []string

	// Filters narrow the question.
	Filters []Filter

	// Aliases give media sources the names that people are shown, by their names in small
	// letters: at reading time; stored names stay as they are.
	Aliases map[string]string

	// Given are the parameters of the request, for those that only one report knows.
	Given url.Values

	// Now is the time of the question, for reports that tell which periods are not over yet.
	Now time.Time

	// IDs says that whoever asks may see ids of people, devices and messages.
	IDs bool

	// Net leaves out conversions whose install is marked as fraud, also where the mark
	// changed nothing.
	Net bool

	// Disputed says that the app has message ids that were used for several contents:
	// of an event only the variant that counts is one.
	Disputed bool

	// Buckets are the hours with events of the app, with sums or without. FromRows reads every
	// row all the same, to compare sums with.
	Buckets  []Bucket
	FromRows bool

	// Settings are those of the app as they stand, for reports that go by them.
	Settings *attribution.Settings

	AsOf int64 // costs as they were known then, in milliseconds; 0 is now

	All    bool   // every page, up to MaxExport rows
	Limit  int    // rows of a page; 0 is DefaultLimit
	Cursor string // as a former page gave it; "" is the first page
}

// Interval is the width of a point of a time series.
type Interval string

// The intervals. Weeks begin on Monday.
const (
	Hour Interval = "hour"
	Day  Interval = "day"
	Week Interval = "week"
)

// Metric is the figure that a time series shows.
type Metric string

// The metrics.
const (
	Events      Metric = "events"
	Clicks      Metric = "clicks"
	Impressions Metric = "impressions"
	Installs    Metric = "installs"
	Conversions Metric = "conversions"
	Revenue     Metric = "revenue"
)

// Dimension is something to group an attribution report by.
type Dimension string

// The dimensions.
const (
	MediaSource Dimension = "media_source"
	Campaign    Dimension = "campaign"
	AdSet       Dimension = "adset"
	Ad          Dimension = "ad"
	Keyword     Dimension = "keyword"
)

// Bounds of a query.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
	MaxRows      = 10_000  // rows of an attribution report
	MaxPoints    = 10_000  // points of a time series
	MaxFilter    = 1000    // entries of a filter or of a scope
	MaxSpan      = 5 * 366 // days between From and To

	maxCursor = 2048   // bytes
	maxName   = 512    // bytes of a name in a filter
	maxGroups = 50_000 // rows that a statement may answer with
)
