package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// setSettings sets the settings that a settings command names.
func (read *reader) setSettings(s *attribution.Settings, o map[string]string) error {
	for name, v := range o {
		if n := numberOf(name); n != nil {
			*n.Of(s) = read.value(n, v)
			continue
		}
		if rule := s.Fraud.Action(attribution.Rule(name)); rule != nil {
			*rule = attribution.Action(v)
			continue
		}
		switch name {
		case "from": // read by newest
		case "link":
			link, windows, _ := strings.Cut(v, ":")
			s.Overrides = append(s.Overrides, read.override(attribution.Override{LinkID: link}, windows))
		case "source":
			source, windows, _ := strings.Cut(v, ":")
			s.Overrides = append(s.Overrides, read.override(attribution.Override{MediaSource: source}, windows))
		case "position":
			weights := strings.Split(v, ":")
			s.PositionFirst, s.PositionMiddle, s.PositionLast = read.micros(weights[0]), read.micros(weights[1]), read.micros(weights[2])
		case "transform":
			s.Transform = attribution.Transform(v)
		case "impressions":
			s.ImpressionsInMTA = v == "yes"
		case "probabilistic":
			s.Probabilistic = v == "yes"
		case "generation":
			s.Generation = uint64(read.number(v))
		case "orders_once":
			s.CountOrdersOnce = v == "yes"
		case "exclude_untrusted":
			s.ExcludeUntrusted = v == "yes"
		case "trusted":
			s.TrustedReferrers = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
		default:
			return fmt.Errorf("unknown setting %s", name)
		}
	}
	return nil
}

// override reads up to four windows, "7d,24h,24h,6h": click, impression, and the
// probabilistic ones.
func (read *reader) override(o attribution.Override, windows string) attribution.Override {
	fields := []*int64{&o.ClickWindow, &o.ImpressionWindow, &o.ProbabilisticClick, &o.ProbabilisticImpression}
	for i, w := range strings.Split(windows, ",") {
		if i < len(fields) {
			*fields[i] = read.span(w)
		}
	}
	return o
}

// numberOf returns the setting that a word names, nil without one.
func numberOf(word string) *attribution.Number {
	for _, n := range attribution.Numbers() {
		if n.Word == word {
			return &n
		}
	}
	return nil
}

func (read *reader) value(n *attribution.Number, text string) int64 {
	if strings.HasSuffix(n.Name, "_ms") {
		return read.span(text)
	}
	return read.number(text)
}

// marks reads "bot,blocked".
func (read *reader) marks(text string) (m attribution.Marks) {
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		mark := map[string]attribution.Marks{
			"historical": attribution.MarkHistorical, "trusted": attribution.MarkTrusted, "network": attribution.MarkNetwork, "site": attribution.MarkSite,
		}[name]
		for _, r := range attribution.FraudRules() {
			if r.Word == name {
				mark = r.Mark
			}
		}
		if mark == 0 {
			read.fault = errors.Join(read.fault, fmt.Errorf("unknown mark %s", name))
		}
		m |= mark
	}
	return m
}

func (read *reader) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		read.fault = errors.Join(read.fault, fmt.Errorf("bad number %s", text))
	}
	return n
}
