package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestWhatIsOfAnotherSourceHasNoNameAndNoFigures looks for every trace of a source that a person must
// not know in a conversion that they may see because one of its touches is of theirs.
func TestWhatIsOfAnotherSourceHasNoNameAndNoFigures(t *testing.T) {
	at := time.Unix(1_800_000_000, 0).UTC()
	secret := func(s string) string { return "secret-" + s }
	c := ConversionResult{
		ID: "order-1", Install: Install{ID: "i", Result: "non_organic", Reason: secret("reason"), TouchID: secret("t"), MediaSource: secret("source"),
			Campaign: secret("campaign"), AdSet: secret("adset"), Ad: secret("ad"), Keyword: secret("kw"), LinkID: secret("l"), Match: "click_id", Fraud: &Fraud{Rule: secret("rule")}},
		Reengagement: &Reengagement{OpenID: secret("open"), Opened: at, TouchID: secret("t"), MediaSource: secret("source"), LinkID: secret("l")},
		Candidates: []Candidate{{TouchID: secret("t"), Kind: "click", Time: &at, MediaSource: secret("source"), Campaign: secret("campaign")},
			{Claim: secret("claim"), Verdict: "unknown"}, {TouchID: "mine", Kind: "click", MediaSource: "google", Campaign: "c"}},
		Touches: []Touch{{TouchID: secret("t"), Kind: "click", Time: at, MediaSource: secret("source"), Medium: secret("medium"),
			Credit: map[string]int64{"linear": 777777}, Revenue: map[string]Decimal{"linear": Millionths(777777)}},
			{TouchID: "mine", Kind: "click", Time: at, MediaSource: "google", Campaign: "c", Credit: map[string]int64{"linear": 222223}}},
	}
	whole := c
	narrow(&Query{}, &whole)
	if text, _ := json.Marshal(whole); !strings.Contains(string(text), secret("source")) {
		t.Errorf("who sees the whole app misses the other source: %s", text)
	}
	narrow(&Query{MediaSources: []string{"google"}}, &c)
	text, err := json.Marshal(c)
	if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "777777") || strings.Contains(string(text), "0.777777") {
		t.Errorf("%v: %s", err, text)
	}
	if len(c.Touches) != 2 || c.Touches[0].MediaSource != Another || c.Touches[1].Campaign != "c" || c.Candidates[2].TouchID != "mine" {
		t.Errorf("%s", text)
	}
}
