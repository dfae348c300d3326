package attribution

// Kind is the kind of a touch.
type Kind uint8

// The kinds of touches. The values are stored and hashed: never renumbered.
const (
	Click Kind = iota + 1
	Impression
	Visit
	Open   // the app was opened, from no campaign; it shares in nothing
	Stated // an install names a campaign by itself, in its message or its referrer
)

// String returns the name used in JSON and SQL.
func (k Kind) String() string {
	switch k {
	case Click:
		return "click"
	case Impression:
		return "impression"
	case Visit:
		return "visit"
	case Open:
		return "open"
	case Stated:
		return "stated"
	}
	return "unknown"
}

// ParseKind returns the kind of a name that String gives, 0 for any other.
func ParseKind(name string) Kind {
	for k := Click; k <= Stated; k++ {
		if k.String() == name {
			return k
		}
	}
	return 0
}

// Touch is a click, an impression, a campaign visit or an opening of the app. Times are milliseconds
// since the Unix epoch in UTC, money is in millionths of the currency unit.
type Touch struct {
	ID       string // id of the event it was derived from
	App      string
	Original int64 // the client's own timestamp, part of the storage key
	Time     int64 // corrected; windows and order go by it
	Received int64 // the agent's stamp; the lateness limit goes by it
	Digest   uint64

	Kind        Kind
	MediaSource string
	Medium      string
	Campaign    string
	AdSet       string
	Ad          string
	Keyword     string
	Sub         [5]string
	LinkID      string
	ClickID     string

	Cost         int64
	CostCurrency string

	Retargeting bool // from a link made to bring back existing users
	Withheld    bool // the person denied consent to attribution
	Opened      bool // with it the person opened the app
	Marks       Marks

	Keys []string // match keys, sorted, each "kind:value"
}

// Conversion is an event the app counts as one: an install, an order, or any
// event of its conversion list.
type Conversion struct {
	ID       string
	App      string
	Name     string
	Original int64
	Time     int64
	Received int64
	Digest   uint64

	Install    bool
	Revenue    int64 // millionths; negative for a refund; 0 unless HasRevenue
	HasRevenue bool
	Currency   string
	Untrusted  bool // revenue sent with a client key

	ClickID  string // claimed by the conversion itself
	Referrer string // Play install referrer, unwrapped; "" if it names nothing
	Withheld bool   // the person denied consent to attribution

	InstallBegin  int64 // the store's stamp of when the install began, 0 unknown
	ReferrerClick int64 // the store's stamp of the click in the referrer, 0 unknown
	Marks         Marks

	Keys []string // match keys, sorted, each "kind:value"
}

// Link says that two match keys belong to one person. A < B.
type Link struct {
	App      string
	A, B     string
	Received int64
}

// PriorInstall is an install of the same app with the result of its attribution.
type PriorInstall struct {
	Conversion Conversion
	Install    Install
	Rejected   []Rejection // touches that rules rejected for it
	Took       []string    // ids of the clicks that it names and that were eligible
}

// Rejection is a touch that a rule of fraud rejected for an install.
type Rejection struct {
	TouchID string
	Rule    Rule
}

// Facts are what events say that attribution needs.
type Facts struct {
	Touches     []Touch
	Conversions []Conversion
	Links       []Link
}

// Inputs are the facts offered to one attribution. They may hold more than the
// conversion can reach: facts out of its reach change nothing, not even the
// digest. Of a message id that was used twice they hold either every variant or
// the winner, the one with the smallest (Received, Digest).
//
// Installs are the earlier installs that the person may have or that name the same
// click, attributed already; leave them out and the result has no install fields for
// in-app events and calls every install a new one. Orders are the conversions that name
// the same order. Settle fills both in.
type Inputs struct {
	Touches  []Touch
	Links    []Link
	Installs []PriorInstall
	Orders   []*Conversion

	graph *graph                   // of the links; with it Touches are distinct and ordered
	at    func(ms int64) *Settings // as they stood at the time of an order; nil: those given
}

// Change says that the attribution of a conversion was stored, and when: by the clock of the store, in
// milliseconds since the Unix epoch.
type Change struct {
	App        string `json:"a"`
	Conversion string `json:"c"`
	Written    int64  `json:"w"`
}
