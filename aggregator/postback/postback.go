// Package postback says which conversions an ad network or a webhook is told of, by which
// request, and when to try again. It is pure: it renders requests and judges
// answers, and package deliveries sends them.
//
// A definition is a template: a method, an address, headers and a body with macros
// in braces. A value is escaped for the place where its macro stands, so no value
// can change the shape of a request:
//
//	https://network.example/pb?clickid={click_id}&payout={revenue}   URL-escaped
//	{"event": "{event_name}", "value": {revenue}}                    JSON-escaped in strings, bare for numbers
//
// A definition is checked whole when it is made: an unknown macro, a macro in the
// host of an address, or a body that is no JSON once the macros are filled in is
// refused with its place.
package postback

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a definition.
const (
	MaxURL      = 2048 // bytes of the address template
	MaxBody     = 16 << 10
	MaxHeaders  = 20
	MaxHeader   = 1024 // bytes of one header's template
	MaxFilter   = 100  // values of one filter
	MaxSettle   = 7 * 24 * time.Hour
	maxNameSize = 100
)

// The methods.
const (
	get  = "GET"
	post = "POST"
)

// Body formats.
const (
	FormatNone = "none" // no body: GET, or POST with everything in the address
	FormatForm = "form" // application/x-www-form-urlencoded
	FormatJSON = "json" // application/json
)

// Definition is a postback or a webhook of an app.
type Definition struct {
	Name     string            `json:"name"`
	Template string            `json:"template,omitempty"` // the ready-made one that it was made from
	Enabled  bool              `json:"enabled"`
	Method   string            `json:"method"` // GET or POST
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers,omitempty"`
	Format   string            `json:"format"`         // none, form or json
	Body     string            `json:"body,omitempty"` // form: k=v lines joined by &

	Events       []string `json:"events"`                  // install, reinstall, re_attribution, re_engagement, or names of conversion events; empty is all
	MediaSources []string `json:"media_sources,omitempty"` // of the winner; empty is all
	Campaigns    []string `json:"campaigns,omitempty"`
	Countries    []string `json:"countries,omitempty"` // ISO 3166-1 alpha-2, upper case

	// SettleMinutes is how long a result must have stood before it is sent; 0 sends at once.
	SettleMinutes int `json:"settle_minutes"`
	// Corrections sends again, under a delivery id of its own, when the request would differ from the one sent before.
	Corrections bool `json:"corrections"`
	// Unattributed sends conversions that no campaign won too.
	Unattributed bool `json:"unattributed"`
}

// InvalidError names a fault of a definition and its place.
type InvalidError struct {
	Field  string
	Reason string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, values ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, values...)}
}

// Settle is SettleMinutes as a duration.
func (d *Definition) Settle() time.Duration { return time.Duration(d.SettleMinutes) * time.Minute }

// Check returns an *InvalidError for the first thing that is wrong. Whether the
// address may be called is the outgoing guard's to say.
func (d *Definition) Check() error {
	switch {
	case strings.TrimSpace(d.Name) == "" || len(d.Name) > maxNameSize:
		return invalid("name", "give it a name of 1 to %d bytes", maxNameSize)
	case d.Method != get && d.Method != post:
		return invalid("method", "must be GET or POST, is %q", d.Method)
	case d.Format != FormatNone && d.Format != FormatForm && d.Format != FormatJSON:
		return invalid("format", "must be none, form or json, is %q", d.Format)
	case d.Method == get && d.Format != FormatNone:
		return invalid("format", "a GET has no body: use none, or POST")
	case d.Format == FormatNone && d.Body != "":
		return invalid("body", "the format none has no body")
	case d.SettleMinutes < 0 || d.Settle() > MaxSettle:
		return invalid("settle_minutes", "must be 0 to %d", int(MaxSettle.Minutes()))
	}
	if err := d.checkFilters(); err != nil {
		return err
	}
	_, err := d.compile()
	return err
}

func (d *Definition) checkFilters() error {
	for field, values := range map[string][]string{"events": d.Events, "media_sources": d.MediaSources, "campaigns": d.Campaigns, "countries": d.Countries} {
		if len(values) > MaxFilter {
			return invalid(field, "%d values, at most %d", len(values), MaxFilter)
		}
		if slices.Contains(values, "") {
			return invalid(field, "a value is empty")
		}
	}
	for _, c := range d.Countries {
		if len(c) != 2 || c != strings.ToUpper(c) {
			return invalid("countries", "%q is no ISO 3166-1 code of two capital letters", c)
		}
	}
	return nil
}

// Wants reports whether the fact is one that the definition sends, and if not, why.
func (d *Definition) Wants(f *Fact) (bool, string) {
	switch {
	case !d.Enabled:
		return false, "disabled"
	case f.MediaSource == "" && !d.Unattributed:
		return false, "no campaign won it"
	case !listed(d.Events, f.Event) && !listed(d.Events, f.Outcome):
		return false, "its event is not listed"
	case !listed(d.MediaSources, f.MediaSource):
		return false, "its media source is not listed"
	case !listed(d.Campaigns, f.Campaign):
		return false, "its campaign is not listed"
	case !listed(d.Countries, f.Country):
		return false, "its country is not listed"
	}
	return true, ""
}

func listed(list []string, value string) bool {
	return len(list) == 0 || value != "" && slices.Contains(list, value)
}
