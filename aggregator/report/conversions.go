package report

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// mark is the last row of a page: the next page begins after it.
type mark struct {
	Time int64  `json:"t"`
	ID   string `json:"i"`
}

// after reads the cursor; nil is the first page.
func (q *Query) after() (*mark, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	var m mark
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(q.Cursor) > maxCursor || json.Unmarshal(text, &m) != nil || m.ID == "" {
		return nil, invalid("the cursor is not one that a page of this list gave")
	}
	return &m, nil
}

func (m mark) cursor() *string {
	text, err := json.Marshal(m)
	if err != nil {
		return nil // a struct of a number and a string always has JSON
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

func (q *Query) limit() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// ListConversions returns a page of the conversions of a valid query, newest first. With
// All it is every page there is, up to the rows of an export.
func ListConversions(ctx context.Context, store Store, q Query) (ConversionsResult, error) {
	if _, err := q.after(); err != nil {
		return ConversionsResult{}, err
	}
	if !q.All {
		return q.page(ctx, store)
	}
	var all ConversionsResult
	q.Limit, q.Cursor = MaxLimit, ""
	for {
		part, err := q.page(ctx, store)
		if err != nil {
			return all, err
		}
		all.Data = append(all.Data, part.Data...)
		if all.truncated = part.NextCursor != nil; !all.truncated || len(all.Data) >= MaxExport {
			return all, nil
		}
		q.Cursor = *part.NextCursor
	}
}

func (q *Query) page(ctx context.Context, store Store) (ConversionsResult, error) {
	var list []ConversionRow
	err := store.Read(ctx, into(&list, conversionsSQL(q), func(r Row, c *ConversionRow) error {
		return r.Scan(&c.ID, &c.Handle, &c.Name, &c.Time, &c.Revenue, &c.Currency, &c.Outcome, &c.InstallSource, &c.Installed, &c.Source, &c.Campaign, &c.Touches)
	}))
	if err != nil {
		return ConversionsResult{}, fmt.Errorf("read conversions: %w", err)
	}
	return q.conversionsOf(list), nil
}

// conversionsSQL asks for one row more than a page has.
func conversionsSQL(q *Query) Statement {
	var s Statement
	credit := "credit_" + q.Model.String()
	at := "[indexOf(" + credit + ", arrayMax(" + credit + "))]"
	s.add("SELECT conversion_id, lower(hex(cityHash64(conversion_id))), name, time, revenue, currency, outcome, media_source, campaign,\n" +
		"    touches_media_source" + at + ", touches_campaign" + at + ", length(touches_id)\nFROM attributions FINAL\n").within(q).madeIn(q)
	if event := q.Given.Get("event"); event == AnyEvent {
		s.add("\n    AND NOT install")
	} else if event != "" {
		s.add("\n    AND name = ?", event)
	}
	if len(q.MediaSources) > 0 {
		s.add("\n    AND hasAny("+orOrganic("touches_media_source")+", ?)", q.MediaSources)
	}
	if m, err := q.after(); err == nil && m != nil {
		s.add("\n    AND (time, lower(hex(cityHash64(conversion_id)))) < (?, ?)", m.Time, m.ID)
	}
	return *s.add("\nORDER BY time DESC, lower(hex(cityHash64(conversion_id))) DESC LIMIT ?", q.limit()+1)
}

// ConversionRow is a row of the statement of a page.
type ConversionRow struct {
	ID, Handle, Name         string
	Time, Revenue            int64
	Currency                 string
	Outcome                  string
	InstallSource, Installed string // media source and campaign of the install's winner
	Source, Campaign         string // and of the touch with most credit
	Touches                  uint64
}

// handlePrefix begins what names a conversion to those who may not see ids.
const handlePrefix = "j_"

// conversionsOf makes the page.
func (q *Query) conversionsOf(rows []ConversionRow) ConversionsResult {
	result := ConversionsResult{Data: []ConversionItem{}}
	for i, r := range rows {
		if i == q.limit() {
			result.NextCursor = mark{rows[i-1].Time, rows[i-1].Handle}.cursor()
			break
		}
		o := attribution.Outcome(r.Outcome)
		item := ConversionItem{
			ID: handlePrefix + r.Handle, Event: r.Name, Time: time.UnixMilli(r.Time).UTC(), Revenue: Millionths(r.Revenue), Currency: r.Currency,
			Refund: r.Revenue < 0,
			Result: outcome(o, r.Touches > 0), MediaSource: r.InstallSource, Campaign: r.Installed, Touches: int(r.Touches),
			InstallFrom: InstallFrom{r.Outcome, cmp.Or(q.alias(r.InstallSource), unsourced(o)), r.Installed},
			CreditedTo:  CreditedTo{q.Model.String(), cmp.Or(q.alias(r.Source), attribution.Organic), r.Campaign},
		}
		if o == attribution.NoInstall {
			item.InstallFrom.MediaSource = ""
		}
		if o == attribution.Unattributed {
			item.InstallFrom.MediaSource = string(o)
		}
		if q.IDs {
			item.ID = r.ID
		}
		if item.MediaSource == "" {
			item.MediaSource, item.Campaign = r.Source, r.Campaign
		}
		if item.MediaSource == "" {
			item.MediaSource = unsourced(o)
		}
		narrowItem(q, &item, r.InstallSource, r.Source)
		result.Data = append(result.Data, item)
	}
	return result
}

// alias is a media source as people are shown it.
func (q *Query) alias(name string) string {
	if shown, ok := q.Aliases[strings.ToLower(name)]; ok {
		return shown
	}
	return name
}

// unsourced is what stands for a media source where there is none: unattributed
// is not organic, for there is evidence that could not be used.
func unsourced(o attribution.Outcome) string {
	if o == attribution.Unattributed {
		return string(o)
	}
	return attribution.Organic
}

// outcome returns the name of a conversion's outcome. If the install of the person is not
// known, as on the web, the conversion goes by its own touches.
func outcome(o attribution.Outcome, touched bool) string {
	switch {
	case o != attribution.NoInstall:
		return string(o)
	case touched:
		return string(attribution.NonOrganic)
	}
	return string(attribution.OrganicInstall)
}
