package warehouse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// twinVersions are the settings of a computation, each from a time on.
type twinVersions []twinVersion

type twinVersion struct {
	from     int64
	settings *attribution.Settings
}

// versionsOf asks for the settings at all times and puts runs of the same
// together.
func versionsOf(times []int64, at func(ms int64) *attribution.Settings) twinVersions {
	var list twinVersions
	slices.Sort(times)
	for _, t := range slices.Compact(times) {
		if s := at(t); len(list) == 0 || list[len(list)-1].settings != s {
			list = append(list, twinVersion{t, s})
		}
	}
	return list
}

// from is the array of the times that the versions begin at.
func (v twinVersions) from() string {
	list := make([]string, len(v))
	for i := range v {
		list[i] = strconv.FormatInt(v[i].from, 10)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// settings is the table of the versions, numbered from 1.
func (v twinVersions) settings() (*ext.Table, error) {
	columns := []func(*ext.Table) error{
		ext.Column("s", "UInt32"), ext.Column("generation", "UInt64"), ext.Column("transform", "String"),
		ext.Column("impressions", "Bool"), ext.Column("probabilistic", "Bool"), ext.Column("fraud_actions", "Array(String)"),
		ext.Column("trusted_referrers", "Array(String)"), ext.Column("orders_once", "Bool"), ext.Column("exclude_untrusted", "Bool"),
	}
	for _, n := range attribution.Numbers() {
		columns = append(columns, ext.Column(n.Word, "Int64"))
	}
	table, err := ext.NewTable("given_settings", columns...)
	if err != nil {
		return nil, fmt.Errorf("make table of settings: %w", err)
	}
	for i := range v {
		s := v[i].settings
		row := []any{uint32(i + 1), s.Generation, string(s.Transform), s.ImpressionsInMTA, s.Probabilistic, actionsOf(&s.Fraud),
			append([]string{}, s.TrustedReferrers...), s.CountOrdersOnce, s.ExcludeUntrusted}
		for _, n := range attribution.Numbers() {
			row = append(row, *n.Of(s))
		}
		if err := table.Append(row...); err != nil {
			return nil, fmt.Errorf("fill table of settings: %w", err)
		}
	}
	return table, nil
}

// actionsOf returns what each rule of fraud leads to, in the order of the rules.
func actionsOf(f *attribution.Fraud) []string {
	var actions []string
	for _, r := range attribution.FraudRules() {
		actions = append(actions, string(*f.Action(r.Name)))
	}
	return actions
}

// addRules gives a computation the table of the rules of fraud.
func addRules(p clickhouse.Parameters) {
	var names, levels, marks []string
	for _, r := range attribution.FraudRules() {
		names, levels = append(names, "'"+string(r.Name)+"'"), append(levels, "'"+r.Level+"'")
		marks = append(marks, strconv.Itoa(int(r.Mark)))
	}
	for name, list := range map[string][]string{"rule_names": names, "rule_levels": levels, "rule_marks": marks} {
		p[name] = "[" + strings.Join(list, ",") + "]"
	}
}

// overrides is the table of the windows of single links and media sources, by the
// number of their settings and their place in these.
func (v twinVersions) overrides() (*ext.Table, error) {
	table, err := ext.NewTable("given_overrides", ext.Column("s", "UInt32"), ext.Column("nth", "UInt32"),
		ext.Column("link_id", "String"), ext.Column("media_source", "String"), ext.Column("click_window", "Int64"), ext.Column("impression_window", "Int64"),
		ext.Column("probabilistic_click", "Int64"), ext.Column("probabilistic_impression", "Int64"))
	if err != nil {
		return nil, fmt.Errorf("make table of overrides: %w", err)
	}
	add := func(s, nth int, o *attribution.Override) error {
		if err := table.Append(uint32(s), uint32(nth), o.LinkID, o.MediaSource, o.ClickWindow, o.ImpressionWindow, o.ProbabilisticClick, o.ProbabilisticImpression); err != nil {
			return fmt.Errorf("fill table of overrides: %w", err)
		}
		return nil
	}
	if err := add(0, 0, &attribution.Override{}); err != nil { // a table without rows is not sent
		return nil, err
	}
	for i := range v {
		for n := range v[i].settings.Overrides {
			if err := add(i+1, n, &v[i].settings.Overrides[n]); err != nil {
				return nil, err
			}
		}
	}
	return table, nil
}
