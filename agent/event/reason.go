package event

import "github.com/unmogrowp/unmogrowp/agent/document"

// Reason is why one event was refused while the rest of its request was kept.
// The codes are part of the answer that clients see and of a metric's labels.
type Reason uint8

// The reasons. The first are the limits of a document.
const (
	Accepted      Reason = 0
	TooDeep              = Reason(document.TooDeep)
	TooManyKeys          = Reason(document.TooManyKeys)
	StringTooLong        = Reason(document.StringTooLong)
	DuplicateKey         = Reason(document.DuplicateKey)
	InvalidText          = Reason(document.InvalidText)
	NumberRange          = Reason(document.NumberRange)
)

// The reasons that an event has of its own.
const (
	TooLarge Reason = Reason(document.LimitEnd) + iota
	NotAnObject
	UnknownType
	MissingName
	InvalidID
	IDTooLong
	InvalidRevenue
	InvalidCurrency
	InvalidTouch
	UnknownField
	InvalidKeys
	InvalidRetargeting
	InvalidCost
	ReasonEnd
)

// Explained is a reason in words: the fault, and how to mend it.
type Explained struct{ Code, Text string }

// Explain gives the code of a reason, and its words.
func (r Reason) Explain() Explained {
	switch r {
	case TooDeep:
		return Explained{"too_deep", "the event is nested deeper than 8 levels; flatten it"}
	case TooManyKeys:
		return Explained{"too_many_keys", "an object has more than 200 keys; send fewer, or a list"}
	case StringTooLong:
		return Explained{"string_too_long", "a string is longer than 8192 bytes; shorten it"}
	case DuplicateKey:
		return Explained{"duplicate_key", "an object has the same key twice; send each key once"}
	case InvalidText:
		return Explained{"invalid_text", "a string holds NUL, half a surrogate pair or bytes that are not UTF-8; send whole Unicode characters"}
	case NumberRange:
		return Explained{"number_out_of_range", "a number does not fit a 64-bit float; send it as a string"}
	case TooLarge:
		return Explained{"event_too_large", "the event is larger than 32 KiB; send fewer properties"}
	case NotAnObject:
		return Explained{"not_an_object", "an event must be a JSON object"}
	case UnknownType:
		return Explained{"unknown_type", "type must be track, identify, page, screen, group or alias"}
	case MissingName:
		return Explained{"missing_event", "a track call needs a non-empty event name in \"event\""}
	case InvalidID:
		return Explained{"invalid_id", "userId, anonymousId, groupId and previousId must be strings or numbers"}
	case IDTooLong:
		return Explained{"id_too_long", "an id or an event name is longer than 256 bytes; shorten it"}
	default:
		return r.explainValue()
	}
}

func (r Reason) explainValue() Explained {
	switch r {
	case InvalidRevenue:
		return Explained{"invalid_revenue", "revenue must be a decimal number, or a string with one, below 10^12"}
	case InvalidCurrency:
		return Explained{"invalid_currency", "currency must be three letters as in ISO 4217, such as EUR"}
	case InvalidTouch:
		return Explained{"invalid_touch", "a touch needs a kind of click, impression or visit, a media_source, and a time in RFC 3339 or milliseconds"}
	case UnknownField:
		return Explained{"unknown_field", "a touch has no such field; remove it, or see the ingestion API for the fields that there are"}
	case InvalidKeys:
		return Explained{"invalid_keys", "keys must be an object of ids, such as {\"user_id\": \"ada\"}"}
	case InvalidRetargeting:
		return Explained{"invalid_retargeting", "retargeting must be true or false"}
	case InvalidCost:
		return Explained{"invalid_cost", "cost must be a decimal number of at least 0, or a string with one"}
	}
	return Explained{"accepted", ""}
}

// Rejection is an event that was refused.
type Rejection struct {
	Index  int
	Offset int // byte of the body, -1 when the place says nothing
	Reason Reason
	Detail string // the subject of the reason, "" if its place says so
}

// Text says why in words.
func (r Rejection) Text() string {
	if r.Detail == "" {
		return r.Reason.Explain().Text
	}
	return r.Detail + ": " + r.Reason.Explain().Text
}
