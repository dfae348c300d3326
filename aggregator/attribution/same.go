package attribution

import (
	"cmp"
	"fmt"
)

// SameRow returns nil if two rows of one conversion agree in everything that is
// stored of them and follows from their inputs, else the first thing that differs.
// Of versions the repair count and the generation above it do not follow from the
// inputs; the row has its generation besides.
func SameRow(got, want *Row) error {
	g, w := &got.Conversion, &want.Conversion
	if g.App != w.App || g.ID != w.ID {
		return fmt.Errorf("it is conversion %s of app %s, want %s of %s", g.ID, g.App, w.ID, w.App)
	}
	if err := cmp.Or(sameInputs(got, want), samePath(&got.Result, &want.Result), sameInstall(&got.Result, &want.Result)); err != nil {
		return fmt.Errorf("conversion %s of app %s: %w", w.ID, w.App, err)
	}
	return nil
}

// differs returns an error if two values are not equal.
func differs[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s %v, want %v", what, got, want)
}

func sameInputs(got, want *Row) error {
	g, w := &got.Conversion, &want.Conversion
	const inputs = 1<<32 - 1
	return cmp.Or(
		differs("name", g.Name, w.Name), differs("install", g.Install, w.Install),
		differs("time", g.Time, w.Time), differs("received", g.Received, w.Received),
		differs("revenue", got.Result.Revenue, want.Result.Revenue), differs("has revenue", g.HasRevenue, w.HasRevenue), differs("currency", g.Currency, w.Currency),
		differs("generation", got.Result.Generation, want.Result.Generation), differs("inputs", got.Result.Inputs, want.Result.Inputs),
		differs("input digest", got.Result.InputDigest, want.Result.InputDigest),
		differs("order", g.OrderID(), w.OrderID()), differs("repeat of", got.Result.RepeatOf, want.Result.RepeatOf), differs("untrusted", g.Untrusted, w.Untrusted),
		differs("historical", g.Marks&MarkHistorical, w.Marks&MarkHistorical),
		differs("version without repair", got.Version&inputs, want.Version&inputs),
	)
}

func samePath(got, want *Result) error {
	if err := cmp.Or(differs("truncated", got.Truncated, want.Truncated), differs("touches on the path", len(got.Touches), len(want.Touches))); err != nil {
		return err
	}
	for i := range want.Touches {
		g, w := &got.Touches[i], &want.Touches[i]
		if string(appendTouch(nil, g.Touch)) != string(appendTouch(nil, w.Touch)) {
			return fmt.Errorf("touch %d of the path %v, want %v", i+1, *g.Touch, *w.Touch)
		}
		if err := cmp.Or(differs("fraud of touch "+w.Touch.ID, g.Fraud, w.Fraud), differs("credit of touch "+w.Touch.ID, g.Credit, w.Credit), differs("revenue of touch "+w.Touch.ID, g.Revenue, w.Revenue)); err != nil {
			return err
		}
	}
	return nil
}

func sameInstall(got, want *Result) error {
	if err := cmp.Or(differs("install", got.Install, want.Install), differs("re-engagement", got.Retargeting, want.Retargeting), differs("candidates", len(got.Candidates), len(want.Candidates))); err != nil {
		return err
	}
	for i := range want.Candidates {
		g, w := &got.Candidates[i], &want.Candidates[i]
		if err := cmp.Or(
			differs(fmt.Sprintf("touch of candidate %d", i+1), shown(g.Touch), shown(w.Touch)), differs("claim", g.Claim, w.Claim),
			differs("match", g.Match, w.Match), differs("verdict on "+shown(w.Touch).id+w.Claim, g.Verdict, w.Verdict),
			differs("fraud of candidate "+shown(w.Touch).id, g.Fraud, w.Fraud)); err != nil {
			return err
		}
	}
	return nil
}

// shownTouch holds the fields of a candidate's touch that are stored with it.
type shownTouch struct {
	id               string
	time             int64
	kind             Kind
	source, campaign string
}

func shown(t *Touch) shownTouch {
	if t == nil {
		return shownTouch{}
	}
	return shownTouch{t.ID, t.Time, t.Kind, t.MediaSource, t.Campaign}
}
