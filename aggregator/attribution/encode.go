package attribution

// AppendBinary appends the canonical bytes of a result to b: two results are
// the same if and only if their bytes are. They are for comparing and hashing;
// nothing decodes them.
func (r *Result) AppendBinary(b []byte) ([]byte, error) {
	b = appendText(appendText(b, r.App), r.ID)
	b = appendNumbers(b, r.Generation, uint64(r.Inputs), r.InputDigest, uint64(r.Revenue), bit(r.Truncated), uint64(len(r.Touches)))
	for i := range r.Touches {
		t := &r.Touches[i]
		b = appendTouch(b, t.Touch)
		for m := range ModelCount {
			b = appendNumbers(b, uint64(t.Credit[m]), uint64(t.Revenue[m]))
		}
		b = appendText(b, string(t.Fraud))
	}
	in := &r.Install
	for _, text := range [...]string{
		in.ID, string(in.Outcome), in.Reason, string(in.Match), in.TouchID,
		in.MediaSource, in.Campaign, in.AdSet, in.Ad, in.Keyword, in.LinkID, string(in.Fraud),
	} {
		b = appendText(b, text)
	}
	re := &r.Retargeting
	b = appendNumbers(b, uint64(re.Opened))
	for _, text := range [...]string{re.OpenID, re.TouchID, re.MediaSource, re.Campaign, re.AdSet, re.Ad, re.Keyword, re.LinkID} {
		b = appendText(b, text)
	}
	b = appendNumbers(b, uint64(len(r.Candidates)))
	for i := range r.Candidates {
		cand := &r.Candidates[i]
		b = appendTouch(b, cand.Touch)
		b = appendText(appendText(appendText(b, cand.Claim), string(cand.Match)), string(cand.Verdict))
		b = appendText(b, string(cand.Fraud))
	}
	return appendText(b, r.RepeatOf), nil
}

// appendTouch appends the fields of a touch that a result shows; nil stands for an
// empty touch.
func appendTouch(b []byte, t *Touch) []byte {
	if t == nil {
		t = &Touch{}
	}
	b = appendText(b, t.ID)
	b = appendNumbers(b, uint64(t.Time), uint64(t.Kind))
	for _, text := range [...]string{t.MediaSource, t.Medium, t.Campaign, t.AdSet, t.Ad, t.Keyword, t.LinkID} {
		b = appendText(b, text)
	}
	return b
}

func bit(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}
