package attribution

// won says in a sentence why a candidate won.
func won(c *Candidate) string {
	if c.Match == MatchProbabilistic {
		return "latest " + c.Touch.Kind.String() + " from a device that looks the same, within its window, and nothing surer"
	}
	if c.Touch.Kind == Impression {
		return "latest impression within its window, and no click"
	}
	switch c.Match {
	case MatchStated:
		return "the install itself names the campaign, and its source is trusted"
	case MatchReferrer:
		return "latest click named by the install referrer"
	case MatchClickID:
		return "latest click named by the install's click id"
	case MatchUser:
		return "latest click of the same user within its window"
	}
	return "latest click of the same device within its window"
}

// reengaged is the reason of a conversion that brought somebody back.
const reengaged = "opened the app again after a touch of a retargeting link"

// namedTooEarly stands for a click after the install that the install names: it did not
// cause the install, but the install did name a click.
// takenBefore stands for a click that an earlier install took.
const (
	namedTooEarly Verdict = "named_too_early"
	takenBefore   Verdict = "taken"
)

// weight orders the verdicts by how much they explain about an install that
// nothing won, 0 for no evidence: a touch after the install did not cause it.
func weight(v Verdict) int {
	switch v {
	case ConsentWithheld:
		return 7
	case FraudRejected:
		return 6
	case namedTooEarly:
		return 5
	case takenBefore:
		return 4
	case UnknownClickID:
		return 3
	case ClaimedCampaign, ForeignReferrer:
		return 2
	case WindowExpired, Duplicate:
		return 1
	}
	return 0
}

// unusable says in a sentence why the evidence of an install does not count.
func unusable(v Verdict) string {
	switch v {
	case ConsentWithheld:
		return "consent to attribution was withheld"
	case FraudRejected:
		return "the touches were rejected as fraud"
	case UnknownClickID:
		return "the click id is not one of a recorded click"
	case namedTooEarly:
		return "the click that the install names was recorded after it"
	case takenBefore:
		return "the click that the install names answers for an earlier install"
	case ClaimedCampaign:
		return "claimed_campaign: only the install itself names the campaign, and its source is not trusted"
	case ForeignReferrer:
		return "the install referrer names a campaign that is not tracked here"
	}
	return "every touch was older than its window"
}
