package attribution

// Engine attributes conversions and keeps its working memory from one to the
// next. The zero value is ready. It is not safe for concurrent use.
type Engine struct {
	sel       selection
	suspicion suspicion
	book      rulebook
	ledger    ledger
	rejected  []Rejection // by rules, for the install that was attributed last
	buf       []byte
}

// Attribute sets dst to the attribution of c over in. dst's slices are used
// again; its touches point into in.Touches. The settings must be valid.
//
// A refund is attributed as its order was, with the settings of the order's time; an
// order that is named again, nothing is credited for.
func (e *Engine) Attribute(dst *Result, c *Conversion, in *Inputs, s *Settings) {
	order := orderOf(c, in.Orders, s)
	basis := c
	if order != nil && c.refund() {
		basis = order
		if in.at != nil {
			s = in.at(order.Time)
		}
	}
	e.sel.gather(basis, in, s)
	*dst = Result{
		App: c.App, ID: c.ID, Generation: s.Generation, Truncated: e.sel.cut,
		Touches: dst.Touches[:0], Candidates: dst.Candidates[:0],
	}
	dst.InputDigest, dst.Inputs = e.digest(c, order, s)
	e.suspicion = newSuspicion(basis, &e.sel, s, &e.book)
	if order != nil && basis == c {
		dst.RepeatOf = order.ID
	} else {
		e.credit(dst, c, s)
	}
	dst.Install, dst.Candidates = e.installOf(dst.Candidates)
	dst.Retargeting = retargeted(basis, &e.suspicion)
	if dst.Retargeting.OpenID == c.ID && c.ID != "" {
		dst.Install.Outcome, dst.Install.Reason = Reengagement, reengaged
	}
}

// credit shares the conversion and its revenue out over the path.
func (e *Engine) credit(dst *Result, c *Conversion, s *Settings) {
	if c.HasRevenue && !(c.Untrusted && s.ExcludeUntrusted) {
		dst.Revenue = c.Revenue
	}
	dst.Touches, dst.Candidates = e.appendPath(dst.Touches, dst.Candidates)
	if len(dst.Touches) > 0 {
		e.ledger.fill(dst.Touches, dst.Revenue, s)
	}
}

// Attribute returns the attribution of one conversion. It is a pure function:
// the same facts in any order, with any repetition, give the same result.
// Engine.Attribute is the same without allocating anew each time.
func Attribute(c Conversion, in Inputs, s Settings) Result {
	var e Engine
	var r Result
	e.Attribute(&r, &c, &in, &s)
	return r
}
