package protocol

// Kind is the kind of an event. The values are on the wire and in ClickHouse:
// they are never renumbered.
type Kind uint8

// The kinds of events: the six calls of the Segment HTTP API, and the three
// kinds of touches that arrive by link or from a server.
const (
	KindUnknown Kind = iota
	KindTrack
	KindIdentify
	KindPage
	KindScreen
	KindGroup
	KindAlias
	KindClick
	KindImpression
	KindVisit
	kindEnd
)

var kindNames = [kindEnd]string{"unknown", "track", "identify", "page", "screen", "group", "alias", "click", "impression", "visit"}

// String returns the name used in JSON and SQL, such as "track".
func (k Kind) String() string {
	if k >= kindEnd {
		return kindNames[KindUnknown]
	}
	return kindNames[k]
}

// ParseKind returns the kind of a name that String gives, KindUnknown for any
// other.
func ParseKind(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return Kind(k)
		}
	}
	return KindUnknown
}

// Touch reports whether the event itself is a click, an impression or a visit
// reported as such.
func (k Kind) Touch() bool { return k == KindClick || k == KindImpression || k == KindVisit }

// Flags are facts about an event that the agent established.
type Flags uint16

// The flags. FlagTrusted: sent with a server key, so its revenue counts as
// trusted. FlagClamped: the client's clock gave a time out of range and Time was
// clamped. FlagCrowd: a click of an address that clicks more often than people do.
// FlagHistorical: imported under a server key at its own time, however long ago.
// FlagRefund: money given back, so Revenue is negative or 0.
const (
	FlagHasRevenue Flags = 1 << iota
	FlagTrusted
	FlagRetargeting
	FlagBot
	FlagClamped
	FlagCrowd
	FlagHistorical
	FlagRefund
)

// Class is what kind of device or program a user agent belongs to. The values are part of Flags, on
// the wire and in ClickHouse: they are never renumbered.
type Class uint8

// The classes.
const (
	ClassUnknown Class = iota
	ClassPhone
	ClassTablet
	ClassDesktop
	ClassTV
	ClassProgram // a library or a script, no person before it
	classEnd
)

// The class lies in the three highest bits of the flags.
const (
	classShift       = 13
	classMask  Flags = 7 << classShift
)

// Class returns the class of the user agent.
func (f Flags) Class() Class {
	c := Class(f >> classShift)
	if c >= classEnd {
		return ClassUnknown
	}
	return c
}

// WithClass returns the flags with a class in place of the former.
func (f Flags) WithClass(c Class) Flags { return f&^classMask | Flags(c)<<classShift }

// Consent holds the answer to each purpose of context.consent, two bits each.
type Consent uint8

// Answers to one purpose.
const (
	ConsentUnknown uint8 = 0
	ConsentGranted uint8 = 1
	ConsentDenied  uint8 = 2
)

// Purpose is one purpose a person can consent to.
type Purpose uint8

// The purposes of context.consent.
const (
	PurposeAttribution Purpose = 0
	PurposeAnalytics   Purpose = 2
	PurposeAds         Purpose = 4
)

// Get returns the answer for a purpose: ConsentUnknown, -Granted or -Denied.
func (c Consent) Get(p Purpose) uint8 { return uint8(c>>p) & 3 }

// With returns c with the answer for a purpose set.
func (c Consent) With(p Purpose, answer uint8) Consent {
	return c&^(3<<p) | Consent(answer&3)<<p
}

// Stated says who named the media source of an event. The values are on the wire and in
// ClickHouse: they are never renumbered.
type Stated uint8

// The sources of a source, from the message's own words to a guess.
const (
	StatedNowhere           Stated = iota
	StatedByMessage                // context.campaign, or the campaign of a server's touch
	StatedByAddress                // utm parameters of a page or of a deep link
	StatedByReferrer               // the store's install referrer
	StatedByNetwork                // a network's click id in an address
	StatedByNetworkReferrer        // a network's click id in the install referrer
	StatedByLink                   // a tracking link
	StatedBySite                   // the site that the visitor came from
)

// Warnings are the facts of a message that were not stored as they were sent, as a set. The bits are
// on the wire and in ClickHouse: they are never renumbered.
type Warnings uint16

// The warnings.
const (
	WarnTimeClamped     Warnings = 1 << iota // a time out of range was moved to its edge
	WarnMoneyUnread                          // an amount could not be read
	WarnCurrencyUnknown                      // a currency is not one of ISO 4217, or was guessed
	WarnIDIgnored                            // an id says nothing, or was replaced
	WarnConsentUnread                        // an answer to a purpose could not be read
	WarnTimeUnread                           // a time could not be read
	WarnFieldIgnored                         // a field was not taken
	warningsEnd
)

// Codes are the names of the warnings in a set, as answers and the console show them.
func (w Warnings) Codes() []string {
	var codes []string
	for i, name := range WarningCodes() {
		if w&(1<<i) != 0 {
			codes = append(codes, name)
		}
	}
	return codes
}

// WarningCodes are the names of all warnings, in the order of their bits.
func WarningCodes() []string {
	return []string{"time_clamped", "money_unread", "currency_unknown", "id_ignored", "consent_unread", "time_unread", "field_ignored"}
}

// Event is one message from an SDK, a browser or a server, stamped once by the
// agent that accepted it and never changed after. Times are milliseconds since
// the Unix epoch in UTC, money is in millionths of the currency unit.
//
// (App, ID) names the event. Original, not Time, is part of its storage key,
// because an SDK's retry is corrected to a slightly different Time.
type Event struct {
	App  string // app id that the key belongs to
	ID   string // message id: the SDK's if valid, else minted by the agent
	Kind Kind
	Name string // event name of a track, page or screen

	Original int64 // the client's own timestamp; 0 when absent or out of range
	Time     int64 // Original corrected for the client's clock skew and clamped
	Received int64 // the agent's clock when the request was read
	Digest   uint64

	UserID      string
	AnonymousID string
	DeviceID    string
	GAID        string
	IDFA        string
	IDFV        string
	OAID        string
	PreviousID  string // alias: the id that UserID replaces
	GroupID     string

	ClickID     string
	Referrer    string // Play install referrer
	MediaSource string
	Medium      string
	Campaign    string
	AdSet       string
	Ad          string
	Keyword     string
	Sub         [5]string
	LinkID      string

	Cost         int64
	CostCurrency string
	Revenue      int64 // meaningful with FlagHasRevenue
	Currency     string

	Flags   Flags
	Consent Consent

	IP        string
	UserAgent string
	Country   string

	// Payload is the message as received: one valid JSON object, with the
	// batch's context and integrations merged in and without keys and sentAt.
	Payload []byte

	OrderID  string   // the order or transaction that the message names
	Network  string   // the ad network whose parameter ClickID is; "" where ClickID is ours or a server's
	Stated   Stated   // who named MediaSource and Campaign
	Warnings Warnings // the facts that were not stored as they were sent
	Key      string   // beginning of the write key's hash in hexadecimal; set with Warnings only
}

// Has reports whether all the given flags are set.
func (e *Event) Has(f Flags) bool { return e.Flags&f == f }
