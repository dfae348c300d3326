package oracle

import (
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// install tells the install behind the conversion and, if it is one, the
// candidates.
func (v *view) install() (attribution.Install, []attribution.Candidate) {
	if !v.c.Install {
		if v.carried == nil {
			return attribution.Install{}, nil
		}
		return v.carried.r, nil
	}
	previous := v.previous()
	list, best := v.compete(previous != nil)
	list = append(list, v.claims(list)...)
	if best != nil {
		t := best
		in := attribution.Install{
			ID: v.c.ID, Outcome: attribution.NonOrganic, Match: v.how(t), TouchID: t.ID, MediaSource: t.MediaSource,
			Campaign: t.Campaign, AdSet: t.AdSet, Ad: t.Ad, Keyword: t.Keyword, LinkID: t.LinkID,
		}
		in.Fraud, _ = v.judged(t, v.guessed(t))
		in.Reason = sentence(t, in.Match)
		if previous != nil {
			in.Outcome, in.Reason = attribution.Reattribution, "reinstalled after a touch of a retargeting link"
		}
		return in, list
	}
	if previous != nil {
		in := previous.r
		in.ID, in.Outcome = v.c.ID, attribution.Reinstall
		in.Reason = "reinstall within the re-attribution window; the install " + previous.c.ID + " keeps its source"
		return in, list
	}
	in := attribution.Install{ID: v.c.ID, Outcome: attribution.OrganicInstall, MediaSource: "organic"}
	in.Fraud, _ = v.fraud(&touch{Kind: attribution.Impression}, true) // the mark of the install itself
	in.Reason = "no touch and no referrer point to a campaign"
	said := map[attribution.Verdict]bool{}
	claim := ""
	w := v
	for _, cand := range list {
		v := cand.Verdict
		if v == attribution.AfterConversion && (cand.Match == attribution.MatchReferrer || cand.Match == attribution.MatchClickID) {
			v = "named too early"
		}
		if cand.Touch != nil && v == attribution.Duplicate && w.taken[cand.Touch.ID] != "" &&
			(cand.Match == attribution.MatchReferrer || cand.Match == attribution.MatchClickID) {
			v = "taken"
		}
		if v == attribution.ClaimedCampaign {
			claim = ": " + cand.Touch.MediaSource + " / " + cand.Touch.Campaign
		}
		said[v] = true
		if v != attribution.AfterConversion {
			in.Outcome = attribution.Unattributed
		}
	}
	if v.c.Withheld {
		in.Outcome = attribution.Unattributed
	}
	if in.Outcome == attribution.Unattributed {
		in.Reason = useless(said, v.c.Withheld, claim)
	}
	return in, list
}

// sentence says why a touch won.
func sentence(t *touch, how attribution.Match) string {
	switch {
	case how == attribution.MatchProbabilistic:
		return "latest " + t.Kind.String() + " from a device that looks the same, within its window, and nothing surer"
	case t.Kind == attribution.Impression:
		return "latest impression within its window, and no click"
	}
	return map[attribution.Match]string{
		attribution.MatchStated:   "the install itself names the campaign, and its source is trusted",
		attribution.MatchReferrer: "latest click named by the install referrer",
		attribution.MatchClickID:  "latest click named by the install's click id",
		attribution.MatchUser:     "latest click of the same user within its window",
		attribution.MatchDevice:   "latest click of the same device within its window",
	}[how]
}

// useless returns the gravest fault of the evidence.
func useless(said map[attribution.Verdict]bool, withheld bool, claim string) string {
	switch {
	case withheld || said[attribution.ConsentWithheld]:
		return "consent to attribution was withheld"
	case said[attribution.FraudRejected]:
		return "the touches were rejected as fraud"
	case said["named too early"]:
		return "the click that the install names was recorded after it"
	case said["taken"]:
		return "the click that the install names answers for an earlier install"
	case said[attribution.UnknownClickID]:
		return "the click id is not one of a recorded click"
	case claim != "":
		return "claimed_campaign: only the install itself names the campaign, and its source is not trusted" + claim
	case said[attribution.ForeignReferrer]:
		return "the install referrer names a campaign that is not tracked here"
	}
	return "every touch was older than its window"
}

// sameDevice tells whether two lists share a key that is neither a user nor a
// click.
func sameDevice(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y && !strings.HasPrefix(x, "user:") && ofPerson(x) {
				return true
			}
		}
	}
	return false
}

func (v *view) inherited() *priorInstall {
	for _, device := range []bool{true, false} {
		for i := len(v.installs) - 1; i >= 0; i-- {
			if p := &v.installs[i]; !device || sameDevice(p.c.Keys, v.c.Keys) {
				return p
			}
		}
	}
	return nil
}

// guessed tells whether a touch was found by fingerprint only.
func (v *view) guessed(t *touch) bool { return slices.Contains(v.perhaps, t) }

// previous returns the install that this one repeats, if it is a reinstall.
func (v *view) previous() *priorInstall {
	var last *priorInstall
	for i := len(v.installs) - 1; i >= 0; i-- {
		p := &v.installs[i]
		if !sameDevice(p.c.Keys, v.c.Keys) {
			continue
		}
		if last == nil {
			last = p
		}
		if p.r.Outcome == attribution.Reinstall || p.r.Outcome == attribution.Reattribution {
			continue
		}
		if v.c.Time-p.c.Time < v.s.Reattribution {
			return last
		}
		return nil
	}
	return nil
}

func has(t *touch, click string) bool {
	k := key("click", click)
	for _, own := range t.Keys {
		if own == k && k != "" {
			return true
		}
	}
	return false
}

func (v *view) how(t *touch) attribution.Match {
	if v.guessed(t) {
		return attribution.MatchProbabilistic
	}
	if t.Kind == attribution.Stated {
		return attribution.MatchStated
	}
	referrer, _ := referrerClick(v.c.Referrer)
	if has(t, referrer) {
		return attribution.MatchReferrer
	}
	if has(t, v.c.ClickID) {
		return attribution.MatchClickID
	}
	if sameDevice(t.Keys, v.c.Keys) {
		return attribution.MatchDevice
	}
	for _, k := range t.Keys {
		for _, own := range v.c.Keys {
			if k == own && ofPerson(k) {
				return attribution.MatchUser
			}
		}
	}
	for k := range v.keys {
		if strings.HasPrefix(k, "user:") {
			return attribution.MatchUser
		}
	}
	return attribution.MatchDevice
}

func (v *view) window(t *touch, guessed bool) int64 {
	pick := func(o *attribution.Override) int64 {
		if guessed && t.Kind == attribution.Impression {
			return o.ProbabilisticImpression
		}
		if guessed {
			return o.ProbabilisticClick
		}
		if t.Kind == attribution.Impression {
			return o.ImpressionWindow
		}
		return o.ClickWindow
	}
	for i := len(v.s.Overrides) - 1; i >= 0; i-- {
		if o := &v.s.Overrides[i]; o.LinkID != "" && o.LinkID == t.LinkID && pick(o) > 0 {
			return pick(o)
		}
	}
	for i := len(v.s.Overrides) - 1; i >= 0; i-- {
		if o := &v.s.Overrides[i]; o.MediaSource != "" && o.MediaSource == t.MediaSource && pick(o) > 0 {
			return pick(o)
		}
	}
	return pick(&attribution.Override{ClickWindow: v.s.ClickWindow, ImpressionWindow: v.s.ImpressionWindow,
		ProbabilisticClick: v.s.ProbabilisticClick, ProbabilisticImpression: v.s.ProbabilisticImpression})
}

// rank orders competitors: the greater wins.
func (v *view) rank(t *touch) [3]int64 {
	tier, referrer := int64(4), int64(0)
	switch how := v.how(t); {
	case v.guessed(t) && t.Kind == attribution.Impression:
		tier = 1
	case t.Kind == attribution.Impression:
		tier = 2
	case v.guessed(t):
		tier = 3
	case how == attribution.MatchReferrer || how == attribution.MatchClickID || how == attribution.MatchStated:
		tier = 5
	}
	if v.how(t) == attribution.MatchReferrer {
		referrer = 1
	}
	return [3]int64{tier, t.Time, referrer}
}

func less(a, b [3]int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// rivals lists the touches that may explain the install.
func (v *view) rivals() (list []*touch) {
	all := slices.Concat(v.touches, v.perhaps)
	inOrder(all)
	for _, t := range all {
		if !isDirect(t) && (t.Kind != attribution.Stated || t.ID == v.c.ID) {
			list = append(list, t)
		}
	}
	return list
}

func (v *view) compete(reinstall bool) (list []attribution.Candidate, best *touch) {
	reported := map[[2]string]bool{}
	for _, t := range v.rivals() {
		cand := attribution.Candidate{Touch: t, Match: v.how(t)}
		report := [2]string{t.Kind.String() + "|" + t.MediaSource, t.ClickID}
		again := key("click", t.ClickID) != "" && reported[report]
		refused := v.c.Withheld || t.Withheld
		if !refused {
			reported[report] = true
		}
		rejected := false
		if t.Time <= v.c.Time {
			cand.Fraud, rejected = v.judged(t, v.guessed(t))
		}
		switch {
		case refused:
			cand.Verdict = attribution.ConsentWithheld
		case t.Time > v.c.Time:
			cand.Verdict = attribution.AfterConversion
		case rejected:
			cand.Verdict = attribution.FraudRejected
		case v.c.Time-t.Time >= v.window(t, v.guessed(t)):
			cand.Verdict = attribution.WindowExpired
		case cand.Match == attribution.MatchStated && !v.trusted(t):
			cand.Verdict = attribution.ClaimedCampaign
		case again, v.taken[t.ID] != "" && (cand.Match == attribution.MatchReferrer || cand.Match == attribution.MatchClickID):
			cand.Verdict = attribution.Duplicate
		case reinstall && !t.Retargeting:
			cand.Verdict = attribution.NotRetargeting
		case best == nil || !less(v.rank(t), v.rank(best)): // later in order of id wins a draw
			best = t
		}
		list = append(list, cand)
	}
	for i := range list {
		t := list[i].Touch
		switch {
		case list[i].Verdict != "":
		case t == best:
			list[i].Verdict = attribution.Won
		case v.rank(t)[0] < v.rank(best)[0]:
			list[i].Verdict = attribution.LowerTier
		default:
			list[i].Verdict = attribution.OlderTouch
		}
	}
	return list, best
}

// claims lists the claims of the install that no candidate bears out.
func (v *view) claims(list []attribution.Candidate) []attribution.Candidate {
	var claims []attribution.Candidate
	known := func(click string) bool {
		for _, cand := range list {
			if has(cand.Touch, click) {
				return true
			}
		}
		return false
	}
	var stated *touch
	for _, cand := range list {
		if cand.Match == attribution.MatchStated {
			stated = cand.Touch
		}
	}
	ofNetwork := stated != nil && stated.Marks/attribution.MarkNetwork%2 == 1 && stated.ClickID == v.c.ClickID
	if click := v.c.ClickID; click != "" && !known(click) && !ofNetwork {
		claims = append(claims, attribution.Candidate{Claim: click, Match: attribution.MatchClickID, Verdict: attribution.UnknownClickID})
	}
	says, ours := referrerFields(v.c.Referrer)
	blank := says.MediaSource+says.Medium+says.Campaign+says.Keyword+says.Ad == ""
	organic := strings.TrimSpace(v.c.Referrer) == "" || says.ClickID == "" &&
		(says.Medium == "organic" || says.MediaSource == "(not set)" || blank && strings.Contains(v.c.Referrer, "://"))
	switch {
	case organic || known(says.ClickID) || stated != nil && !ours:
	case !ours:
		claims = append(claims, attribution.Candidate{Claim: v.c.Referrer, Match: attribution.MatchReferrer, Verdict: attribution.ForeignReferrer})
	case says.ClickID != v.c.ClickID:
		claims = append(claims, attribution.Candidate{Claim: says.ClickID, Match: attribution.MatchReferrer, Verdict: attribution.UnknownClickID})
	}
	for i := range claims {
		if v.c.Withheld {
			claims[i].Verdict = attribution.ConsentWithheld
		}
	}
	return claims
}
