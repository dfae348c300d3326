package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Ledger is a Store that also knows the stored attribution of a conversion.
type Ledger interface {
	Store
	Attributions(ctx context.Context, app string, ids []string) ([]attribution.Row, error)
}

// Conversion returns one conversion of the app of a valid query in full, whatever
// its time, and false if there is none that the person may see.
func Conversion(ctx context.Context, ledger Ledger, q Query, id string) (ConversionResult, bool, error) {
	id, err := idOf(ctx, ledger, &q, id)
	if err != nil {
		return ConversionResult{}, false, err
	}
	rows, err := ledger.Attributions(ctx, q.App, []string{id})
	if err != nil || len(rows) == 0 || !q.sees(&rows[0]) {
		return ConversionResult{}, false, err
	}
	if len(q.Countries) > 0 {
		country := ""
		err := ledger.Read(ctx, Part{countryOf(&q, id), func(r Row) error { return r.Scan(&country) }})
		if err != nil || !slices.Contains(q.Countries, country) {
			return ConversionResult{}, false, err
		}
	}
	result := conversionOf(&rows[0])
	narrow(&q, &result)
	if !q.IDs {
		result.hideIDs()
	}
	return result, true, nil
}

// idOf is the id of a conversion that is named by its handle.
func idOf(ctx context.Context, store Store, q *Query, name string) (id string, err error) {
	handle, found := strings.CutPrefix(name, handlePrefix)
	hash, bad := strconv.ParseUint(handle, 16, 64)
	if !found || bad != nil {
		return name, nil
	}
	var s Statement
	s.add("SELECT conversion_id FROM conversion_ids WHERE app_id = ? AND id_hash = ? LIMIT 1", q.App, hash)
	if err := store.Read(ctx, Part{s, func(r Row) error { return r.Scan(&id) }}); err != nil {
		return "", fmt.Errorf("find a conversion: %w", err)
	}
	return id, nil
}

// hideIDs leaves the journey and takes away what names people, devices and messages.
func (r *ConversionResult) hideIDs() {
	r.ID, r.InputDigest, r.Install.ID, r.Install.TouchID = "", "", "", ""
	for i := range r.Candidates {
		r.Candidates[i].TouchID, r.Candidates[i].Claim = "", ""
	}
	for i := range r.Touches {
		r.Touches[i].TouchID = ""
	}
	if r.Reengagement != nil {
		r.Reengagement.OpenID, r.Reengagement.TouchID = "", ""
	}
}

// sees reports whether a person whose view is narrowed to media sources may see
// a conversion: one of its touches, or its lack of any, is of such a source.
func (q *Query) sees(row *attribution.Row) bool {
	if len(q.MediaSources) == 0 {
		return true
	}
	if row.Result.Organic() {
		return slices.Contains(q.MediaSources, attribution.Organic)
	}
	return slices.ContainsFunc(row.Result.Touches, func(t attribution.Credited) bool {
		return slices.Contains(q.MediaSources, t.Touch.MediaSource)
	})
}

// countryOf returns the statement that answers with the country of a conversion.
func countryOf(q *Query, id string) Statement {
	var s Statement
	return *s.add("SELECT country FROM conversion_ids\nWHERE app_id = ? AND id_hash = cityHash64(?) AND conversion_id = ?\n"+
		"ORDER BY version DESC LIMIT 1", q.App, id, id)
}

// conversionOf shows one attribution in full.
func conversionOf(row *attribution.Row) ConversionResult {
	c, r := &row.Conversion, &row.Result
	in := &r.Install
	result := ConversionResult{
		ID: c.ID, Event: c.Name, Time: time.UnixMilli(c.Time).UTC(), Revenue: Millionths(r.Revenue), Currency: c.Currency,
		SettingsGeneration: r.Generation, Inputs: r.Inputs, InputDigest: fmt.Sprintf("%016x", r.InputDigest), Truncated: r.Truncated,
		Install: Install{
			ID: in.ID, Result: outcome(in.Outcome, len(r.Touches) > 0), Reason: in.Reason, TouchID: in.TouchID, MediaSource: in.MediaSource,
			Campaign: in.Campaign, AdSet: in.AdSet, Ad: in.Ad, Keyword: in.Keyword, LinkID: in.LinkID, Match: string(in.Match),
			Fraud: fraudOf(in.Fraud),
		},
		Primary:    r.Primary(),
		Candidates: make([]Candidate, len(r.Candidates)),
		Touches:    make([]Touch, len(r.Touches)),
	}
	if re := &r.Retargeting; re.OpenID != "" {
		result.Reengagement = &Reengagement{
			OpenID: re.OpenID, Opened: time.UnixMilli(re.Opened).UTC(), TouchID: re.TouchID, MediaSource: re.MediaSource,
			Campaign: re.Campaign, AdSet: re.AdSet, Ad: re.Ad, Keyword: re.Keyword, LinkID: re.LinkID,
		}
	}
	for i := range r.Candidates {
		result.Candidates[i] = candidateOf(&r.Candidates[i])
	}
	for i := range r.Touches {
		result.Touches[i] = touchOf(&r.Touches[i])
	}
	return result
}

func fraudOf(r attribution.Rule) *Fraud {
	if r == attribution.NoRule {
		return nil
	}
	return &Fraud{Rule: string(r), Level: r.Level()}
}

func candidateOf(c *attribution.Candidate) Candidate {
	shown := Candidate{Claim: c.Claim, Match: string(c.Match), Verdict: string(c.Verdict), Fraud: fraudOf(c.Fraud)}
	if t := c.Touch; t != nil {
		at := time.UnixMilli(t.Time).UTC()
		shown.TouchID, shown.Kind, shown.Time = t.ID, t.Kind.String(), &at
		shown.MediaSource, shown.Campaign = t.MediaSource, t.Campaign
	}
	return shown
}

func touchOf(c *attribution.Credited) Touch {
	t := c.Touch
	shown := Touch{
		TouchID: t.ID, Kind: t.Kind.String(), Time: time.UnixMilli(t.Time).UTC(), MediaSource: t.MediaSource, Medium: t.Medium,
		Campaign: t.Campaign, AdSet: t.AdSet, Ad: t.Ad, Keyword: t.Keyword,
		Fraud:  fraudOf(c.Fraud),
		Credit: make(map[string]int64, attribution.ModelCount), Revenue: make(map[string]Decimal, attribution.ModelCount),
	}
	for m := range attribution.ModelCount {
		shown.Credit[m.String()] = c.Credit[m]
		shown.Revenue[m.String()] = Millionths(c.Revenue[m])
	}
	return shown
}
