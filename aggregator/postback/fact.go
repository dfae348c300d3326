package postback

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Fact is a conversion as it is attributed, with what its winning touch carried.
type Fact struct {
	App          string
	ConversionID string
	Event        string // its name, such as "Order Completed"
	Outcome      string // of an install: install, reinstall, re_attribution; re_engagement; else empty
	Time         time.Time
	Revenue      string // decimal, negative for a refund; empty if the event states none
	Currency     string
	OrderID      string
	Country      string // ISO 3166-1 alpha-2
	Platform     string

	MediaSource, Campaign, AdSet, Ad, Keyword string // of the winner, empty for nobody
	Sub                                       [5]string
	LinkID, ClickID, TouchID                  string
	ClickTime                                 time.Time // zero for none
	Match                                     string

	UserID, AnonymousID, GAID, IDFA, IDFV string
	Email, Phone                          string            // as sent; only ever rendered hashed
	AdsConsent                            bool              // the person did not deny the purpose ads
	Params                                map[string]string // every parameter that was stored with the click
	IP, UserAgent                         string

	secrets map[string]string // of the definition, while a request is rendered
}

// Millionths writes an amount in millionths as a decimal number without needless zeros.
func Millionths(n int64) string {
	sign := ""
	u := uint64(n)
	if n < 0 {
		sign, u = "-", uint64(-n)
	}
	whole, part := u/1_000_000, u%1_000_000
	text := sign + strconv.FormatUint(whole, 10)
	if part == 0 {
		return text
	}
	digits := strconv.FormatUint(1_000_000+part, 10)[1:]
	return text + "." + strings.TrimRight(digits, "0")
}

// Words for an install's outcome, which filters use beside names of events.
const (
	Install       = "install"
	Reinstall     = "reinstall"
	Reattribution = "re_attribution"
	Reengagement  = "re_engagement"
)

// OutcomeWord returns the filter's word for the outcome of an install or an opening, as the
// attribution states it; a new install is "install" whoever won it, and an in-app event is "".
func OutcomeWord(install bool, outcome string) string {
	switch {
	case outcome == Reengagement:
		return Reengagement
	case !install:
		return ""
	case outcome == Reinstall || outcome == Reattribution:
		return outcome
	}
	return Install
}

// hashed is the form in which networks take addresses: lower case, without blanks, SHA-256 in hex.
func hashed(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// digits keeps the digits of a telephone number, as networks want it before hashing.
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, phone)
}
