package attribution

// Model is one of the five ways to share a conversion out over its touches.
type Model uint8

// The models, in the order of every array of credits and of revenue.
const (
	FirstTouch Model = iota
	LastTouch
	Linear
	TimeDecay
	PositionBased
	ModelCount
)

// Models returns the names of the models in the order of their values.
func Models() [ModelCount]string {
	return [ModelCount]string{"first_touch", "last_touch", "linear", "time_decay", "position_based"}
}

// String returns the name used in JSON and SQL.
func (m Model) String() string {
	if m >= ModelCount {
		return "unknown"
	}
	return Models()[m]
}

// ParseModel returns the model of a name that String gives.
func ParseModel(name string) (Model, bool) {
	for m, n := range Models() {
		if n == name {
			return Model(m), true
		}
	}
	return 0, false
}

// Organic is the media source that a conversion without a touch counts under.
const Organic = "organic"

// Credited is one touch of a path with its share under each model. Over the
// touches of a result, Credit[m] adds up to exactly 1,000,000 and Revenue[m] to
// exactly the conversion's revenue.
type Credited struct {
	Touch   *Touch // into the Inputs
	Credit  [ModelCount]int64
	Revenue [ModelCount]int64
	Fraud   Rule // the mark of the touch
}

// Outcome is the kind of an install, once attributed.
type Outcome string

// The outcomes. An in-app event carries the outcome of its install.
const (
	NonOrganic     Outcome = "non_organic"
	OrganicInstall Outcome = "organic"
	Unattributed   Outcome = "unattributed"
	Reinstall      Outcome = "reinstall"
	Reattribution  Outcome = "re_attribution"
	Reengagement   Outcome = "re_engagement"
	NoInstall      Outcome = "" // an in-app event without a known install
)

// Match is the evidence by which a touch was found.
type Match string

// The kinds of matches.
const (
	MatchNone     Match = ""
	MatchReferrer Match = "referrer"
	MatchClickID  Match = "click_id"
	MatchDevice   Match = "device_id"
	MatchUser     Match = "user_id"

	MatchProbabilistic Match = "probabilistic"
	MatchStated        Match = "stated" // by the install's own word for its campaign
)

// Verdict says what became of a candidate, in the words of the console.
type Verdict string

// The verdicts. NotRetargeting: a reinstall is only re-attributed by a touch
// of a retargeting link. Duplicate: the same network click reported again, or a click
// that an earlier install took. ClaimedCampaign: nothing but the install itself names
// the campaign, and its source is not trusted.
const (
	Won             Verdict = "won"
	WindowExpired   Verdict = "window_expired"
	LowerTier       Verdict = "lower_tier"
	OlderTouch      Verdict = "older_touch"
	AfterConversion Verdict = "after_conversion"
	UnknownClickID  Verdict = "unknown_click_id"
	ForeignReferrer Verdict = "foreign_referrer"
	FraudRejected   Verdict = "fraud_rejected"
	ConsentWithheld Verdict = "consent_withheld"
	Duplicate       Verdict = "duplicate"
	NotRetargeting  Verdict = "not_retargeting"
	ClaimedCampaign Verdict = "claimed_campaign"
)

// Candidate is a touch that might have caused an install, or a claim of the
// install itself that no touch bears out (Touch is nil then).
type Candidate struct {
	Touch   *Touch
	Claim   string // click id or referrer, only without a touch
	Match   Match
	Verdict Verdict
	Fraud   Rule // the mark of the touch
}

// Install describes the install behind a conversion, as far as it is known.
type Install struct {
	ID          string // the install's conversion id
	Outcome     Outcome
	Reason      string // a sentence for people
	Match       Match
	TouchID     string
	MediaSource string
	Campaign    string
	AdSet       string
	Ad          string
	Keyword     string
	LinkID      string
	Fraud       Rule // the mark of the winner, or of the install itself
}

// Retargeted is the re-engagement whose window an in-app event lies in. The zero
// value is none.
type Retargeted struct {
	OpenID      string // the event with which the person came back
	Opened      int64
	TouchID     string
	MediaSource string
	Campaign    string
	AdSet       string
	Ad          string
	Keyword     string
	LinkID      string
}

// The sources that an in-app event can primarily count for.
const (
	PrimaryInstall     = "install"
	PrimaryRetargeting = "retargeting"
)

// Primary says which of the sources that an event counts for is the primary one:
// that of the re-engagement in its window, else the install's; "" if no install is
// known.
func (r *Result) Primary() string {
	switch {
	case r.Retargeting.OpenID != "":
		return PrimaryRetargeting
	case r.Install.ID != "":
		return PrimaryInstall
	}
	return ""
}

// Result is the attribution of one conversion. It refers to the Inputs it was
// computed from and must not outlive changes to them.
type Result struct {
	App         string
	ID          string // conversion id
	Generation  uint64 // of the settings
	Inputs      uint32 // touches, links and installs that were considered
	InputDigest uint64

	Revenue   int64 // millionths, 0 if the conversion has none
	Touches   []Credited
	Truncated bool // older touches beyond MaxTouches were left out

	Install     Install
	Retargeting Retargeted

	// Candidates are those of an install, by (time, id); claims come last. Of an in-app
	// event they are the touches that fraud keeps off its path.
	Candidates []Candidate

	// RepeatOf is the conversion that counts for the order which this one names again;
	// such a conversion has neither touches nor revenue.
	RepeatOf string
}

// Organic reports whether no touch is credited.
func (r *Result) Organic() bool { return len(r.Touches) == 0 }
