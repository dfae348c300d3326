package attribution

import (
	"fmt"
	"slices"
	"strings"
)

// The tiers of the waterfall; the first with an eligible touch wins.
const (
	tierClaim              = 1 // click by referrer or click id
	tierClick              = 2 // click by id
	tierProbableClick      = 3 // click by fingerprint
	tierImpression         = 4 // impression by id
	tierProbableImpression = 5 // impression by fingerprint
)

// contest decides one install. It is made anew for each.
type contest struct {
	c     *Conversion
	s     *Settings
	sel   *selection
	fraud *suspicion
	claim campaign // read from the install referrer

	// retargeting: the app was installed before, so only a touch made to bring
	// people back can win.
	retargeting bool

	rejected []Rejection // by rules, of the candidates
}

// installOf returns the install behind c, as far as it is known, and the candidates
// if c is an install itself.
func (e *Engine) installOf(candidates []Candidate) (Install, []Candidate) {
	u := &e.suspicion
	c, sel, s := u.c, u.sel, u.s
	if !c.Install {
		if sel.carried == nil {
			return Install{}, candidates
		}
		return sel.carried.Install, candidates
	}
	k := contest{c: c, s: s, sel: sel, fraud: u, rejected: e.rejected[:0]}
	if c.Referrer != "" {
		k.claim = parseReferrer(c.Referrer)
	}
	previous := reinstallOf(c, sel, s)
	k.retargeting = previous != nil
	candidates = k.candidates(candidates)
	e.rejected = k.rejected
	winner := k.decide(candidates)
	candidates = k.addUnmatchedClaims(candidates)
	return k.outcome(candidates, winner, previous), candidates
}

// carried returns the install that an in-app event belongs to: the latest one
// before it on the same device, else the latest of the person, nil without one.
func carried(c *Conversion, sel *selection) *PriorInstall {
	var found *PriorInstall
	for _, p := range sel.install {
		if share(p.Conversion.Keys, c.Keys, deviceKey) {
			found = p
		}
	}
	if found == nil && len(sel.install) > 0 {
		found = sel.install[len(sel.install)-1]
	}
	return found
}

// reinstallOf returns the latest install on the same device if c repeats a new
// install within the re-attribution window, which is counted from that new
// install. A second device of the same person is a new install.
func reinstallOf(c *Conversion, sel *selection, s *Settings) *PriorInstall {
	var latest, first *PriorInstall
	for _, p := range sel.install {
		if !share(p.Conversion.Keys, c.Keys, deviceKey) {
			continue
		}
		latest = p
		switch p.Install.Outcome {
		case NonOrganic, OrganicInstall, Unattributed:
			first = p
		}
	}
	if first == nil || c.Time >= first.Conversion.Time+s.Reattribution {
		return nil
	}
	return latest
}

// candidates appends every touch that might have caused the install, with the
// verdicts that need no comparison; the others have none yet. A direct visit is
// no evidence of a campaign and no candidate.
func (k *contest) candidates(list []Candidate) []Candidate {
	from := len(list)
	for _, t := range k.sel.touches {
		if !direct(t) && (t.Kind != Stated || t.ID == k.c.ID) {
			list = append(list, Candidate{Touch: t, Match: k.match(t)})
		}
	}
	if len(k.sel.probable) > 0 {
		for _, t := range k.sel.probable {
			if !direct(t) {
				list = append(list, Candidate{Touch: t, Match: MatchProbabilistic})
			}
		}
		slices.SortFunc(list[from:], func(a, b Candidate) int { return compareTouches(a.Touch, b.Touch) })
	}
	for i := from; i < len(list); i++ {
		cand, t := &list[i], list[i].Touch
		probable := cand.Match == MatchProbabilistic
		rule, rejected := NoRule, false
		if t.Time <= k.c.Time {
			rule, rejected = k.fraud.byRules(t, probable)
			if rejected && !k.c.Withheld && !t.Withheld {
				k.rejected = append(k.rejected, Rejection{t.ID, rule})
			} else if before := k.fraud.before(t); !rejected && before != NoRule {
				rule, rejected = before, true
			}
		}
		cand.Fraud = rule
		switch {
		case k.c.Withheld || t.Withheld:
			cand.Verdict = ConsentWithheld
		case t.Time > k.c.Time:
			cand.Verdict = AfterConversion
		case rejected:
			cand.Verdict = FraudRejected
		case k.c.Time >= t.Time+k.s.window(t, probable):
			cand.Verdict = WindowExpired
		case cand.Match == MatchStated && !k.s.trusts(t):
			cand.Verdict = ClaimedCampaign
		case repeated(list[from:i], t), cand.names() && k.isTaken(t):
			cand.Verdict = Duplicate
		case k.retargeting && !t.Retargeting:
			cand.Verdict = NotRetargeting
		}
	}
	return list
}

// names reports whether the install names the click of a candidate.
func (cand *Candidate) names() bool { return cand.Match == MatchReferrer || cand.Match == MatchClickID }

// isTaken reports whether an earlier install took a click by naming it.
func (k *contest) isTaken(t *Touch) bool {
	return slices.ContainsFunc(k.sel.taken, func(taken taking) bool { return taken.touch == t.ID })
}

// took returns the clicks that an install names and that were eligible for it.
func took(candidates []Candidate) []string {
	var ids []string
	for i := range candidates {
		if cand := &candidates[i]; cand.Touch != nil && cand.names() {
			switch cand.Verdict {
			case Won, LowerTier, OlderTouch, Duplicate, NotRetargeting:
				ids = append(ids, cand.Touch.ID)
			}
		}
	}
	return ids
}

// repeated reports whether a network reported the same click or impression
// before: same kind, media source and click id. The first report is the one
// that tells its time.
func repeated(earlier []Candidate, t *Touch) bool {
	if Key(KeyClick, t.ClickID) == "" {
		return false
	}
	for i := range earlier {
		e := earlier[i].Touch
		if e.ClickID == t.ClickID && e.Kind == t.Kind && e.MediaSource == t.MediaSource && earlier[i].Verdict != ConsentWithheld {
			return true
		}
	}
	return false
}

// match returns the strongest evidence by which a touch was found.
func (k *contest) match(t *Touch) Match {
	switch {
	case t.Kind == Stated:
		return MatchStated
	case k.claim.clickID != "" && hasKey(t.Keys, KeyClick, k.claim.clickID):
		return MatchReferrer
	case k.c.ClickID != "" && hasKey(t.Keys, KeyClick, k.c.ClickID):
		return MatchClickID
	case share(t.Keys, k.c.Keys, deviceKey):
		return MatchDevice
	case share(t.Keys, k.c.Keys, userKey):
		return MatchUser
	}
	for _, key := range k.sel.reached { // over identity links
		if strings.HasPrefix(key, KeyUser) {
			return MatchUser
		}
	}
	return MatchDevice
}

func hasKey(keys []string, prefix, id string) bool {
	want := Key(prefix, id)
	for _, key := range keys {
		if key == want && want != "" {
			return true
		}
	}
	return false
}

func (cand *Candidate) tier() int {
	probable := cand.Match == MatchProbabilistic
	switch {
	case probable && cand.Touch.Kind == Impression:
		return tierProbableImpression
	case probable:
		return tierProbableClick
	case cand.Touch.Kind == Impression:
		return tierImpression
	case cand.names() || cand.Match == MatchStated:
		return tierClaim
	}
	return tierClick
}

// decide gives the remaining candidates, which are ordered by (time, id), their
// verdicts and returns the winner's index, -1 without one.
func (k *contest) decide(list []Candidate) int {
	winner := -1
	for i := range list {
		if list[i].Verdict == "" && (winner < 0 || list[i].beats(&list[winner])) {
			winner = i
		}
	}
	for i := range list {
		switch {
		case i == winner:
			list[i].Verdict = Won
		case list[i].Verdict != "":
		case list[i].tier() > list[winner].tier():
			list[i].Verdict = LowerTier
		default:
			list[i].Verdict = OlderTouch
		}
	}
	return winner
}

// beats compares with an earlier candidate in the order of (time, id): the
// better tier, then the later touch; at one instant referrer beats id.
func (cand *Candidate) beats(earlier *Candidate) bool {
	a, b := cand.tier(), earlier.tier()
	if a != b {
		return a < b
	}
	if cand.Touch.Time == earlier.Touch.Time && (cand.Match == MatchReferrer) != (earlier.Match == MatchReferrer) {
		return cand.Match == MatchReferrer
	}
	return true
}

// addUnmatchedClaims appends the claims of the install that no touch has.
func (k *contest) addUnmatchedClaims(list []Candidate) []Candidate {
	add := func(claim string, m Match, v Verdict) {
		if k.c.Withheld {
			v = ConsentWithheld
		}
		list = append(list, Candidate{Claim: claim, Match: m, Verdict: v})
	}
	stated := k.stated(list)
	if id := k.c.ClickID; id != "" && !claimed(list, id) && !(stated != nil && stated.Marks&MarkNetwork != 0 && stated.ClickID == id) {
		add(id, MatchClickID, UnknownClickID)
	}
	switch id := k.claim.clickID; {
	case k.c.Referrer == "" || organicReferrer(k.c.Referrer, &k.claim):
	case stated != nil && !k.claim.ours(): // the candidate tells of the campaign
	case k.claim.ours() && id != k.c.ClickID && !claimed(list, id):
		add(id, MatchReferrer, UnknownClickID)
	case !k.claim.ours() && !claimed(list, id):
		add(k.c.Referrer, MatchReferrer, ForeignReferrer)
	}
	return list
}

// stated returns the campaign that the install states itself, nil without one.
func (k *contest) stated(list []Candidate) *Touch {
	for i := range list {
		if list[i].Match == MatchStated {
			return list[i].Touch
		}
	}
	return nil
}

// claimed reports whether a candidate has the click id.
func claimed(list []Candidate, id string) bool {
	for i := range list {
		if list[i].Touch != nil && hasKey(list[i].Touch.Keys, KeyClick, id) {
			return true
		}
	}
	return false
}

func (k *contest) outcome(list []Candidate, winner int, previous *PriorInstall) Install {
	if winner >= 0 {
		in := credited(k.c, &list[winner])
		if previous != nil {
			in.Outcome = Reattribution
			in.Reason = "reinstalled after a touch of a retargeting link"
		}
		return in
	}
	if previous != nil {
		in := previous.Install
		in.ID, in.Outcome = k.c.ID, Reinstall
		in.Reason = fmt.Sprintf("reinstall within the re-attribution window; the install %s keeps its source", previous.Conversion.ID)
		return in
	}
	evidence := Verdict("")
	for i := range list {
		v := list[i].Verdict
		if v == AfterConversion && list[i].names() {
			v = namedTooEarly
		} else if v == Duplicate && list[i].names() && k.isTaken(list[i].Touch) {
			v = takenBefore
		}
		if weight(v) > weight(evidence) {
			evidence = v
		}
	}
	if evidence == "" && k.c.Withheld {
		evidence = ConsentWithheld
	}
	in := Install{ID: k.c.ID, Outcome: Unattributed, MediaSource: Organic, Fraud: k.fraud.own()}
	if evidence == "" {
		in.Outcome, in.Reason = OrganicInstall, "no touch and no referrer point to a campaign"
	} else {
		in.Reason = unusable(evidence)
		if stated := k.stated(list); evidence == ClaimedCampaign && stated != nil {
			in.Reason += ": " + stated.MediaSource + " / " + stated.Campaign
		}
	}
	return in
}

func credited(c *Conversion, winner *Candidate) Install {
	t := winner.Touch
	return Install{
		ID: c.ID, Outcome: NonOrganic, Reason: won(winner), Match: winner.Match, TouchID: t.ID,
		MediaSource: t.MediaSource, Campaign: t.Campaign, AdSet: t.AdSet, Ad: t.Ad, Keyword: t.Keyword, LinkID: t.LinkID,
		Fraud: winner.Fraud,
	}
}
