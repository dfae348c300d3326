package attribution

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// MissingFields returns the names of the settings that a JSON object leaves out, such as
// "fraud.max_clicks", in order. Whoever replaces settings must give all of them: a setting that
// is left out would silently get another value.
func MissingFields(text []byte) ([]string, error) {
	var given, fraud map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	_ = json.Unmarshal(given["fraud"], &fraud) // another kind of value has none of the fields
	var missing []string
	for _, name := range settingNames() {
		_, present := given[name]
		if rest, nested := strings.CutPrefix(name, "fraud."); nested {
			_, present = fraud[rest]
		}
		if !present {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// settingNames are the names of all settings in JSON, ordered.
func settingNames() []string {
	names := []string{"generation", "overrides", "blocked_ranges", "conversion_events", "transform", "impressions_in_mta", "probabilistic",
		"trusted_referrers", "count_orders_once", "exclude_untrusted_revenue"}
	for _, n := range Numbers() {
		names = append(names, n.Name)
	}
	for _, r := range FraudRules() {
		names = append(names, "fraud."+string(r.Name))
	}
	slices.Sort(names)
	return names
}
