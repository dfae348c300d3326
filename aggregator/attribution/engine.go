package attribution

// Engine attributes conversions and keeps its working memory from one to the
// next. The zero value is ready. It is not safe for concurrent use.
type Engine struct {
	sel       selection
	suspicion suspicion
	book      rulebook
	ledger    ledger
	buf       []byte
}

// Attribute sets dst to the attribution of c over in. dst's slices are used
// again; its touches point into in.Touches. The settings must be valid.
func (e *Engine) Attribute(dst *Result, c *Conversion, in *Inputs, s *Settings) {
	e.sel.gather(c, in, s)
	*dst = Result{
		App: c.App, ID: c.ID, Generation: s.Generation, Truncated: e.sel.cut,
		Touches: dst.Touches[:0], Candidates: dst.Candidates[:0],
	}
	if c.HasRevenue {
		dst.Revenue = c.Revenue
	}
	dst.InputDigest, dst.Inputs = e.digest(c, s)
	e.suspicion = newSuspicion(c, &e.sel, s, &e.book)
	dst.Touches = appendPath(dst.Touches, &e.suspicion)
	if len(dst.Touches) > 0 {
		e.ledger.fill(dst.Touches, dst.Revenue, s)
	}
	dst.Install, dst.Candidates = installOf(dst.Candidates, &e.suspicion)
	dst.Retargeting = retargeted(c, &e.suspicion)
	if dst.Retargeting.OpenID == c.ID && c.ID != "" {
		dst.Install.Outcome, dst.Install.Reason = Reengagement, reengaged
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
