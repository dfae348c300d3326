package ingest

// reason is why one event was refused while the rest of its request was kept.
// The codes are part of the answer that clients see and of a metric's labels.
type reason uint8

const (
	accepted reason = iota
	reasonTooDeep
	reasonTooManyKeys
	reasonStringTooLong
	reasonDuplicateKey
	reasonInvalidText
	reasonNumberRange
	reasonEventTooLarge
	reasonNotAnObject
	reasonUnknownType
	reasonMissingName
	reasonInvalidID
	reasonIDTooLong
	reasonInvalidRevenue
	reasonInvalidCurrency
	reasonInvalidTouch
	reasonEnd
)

// explained is a reason in words: what is wrong, and how to mend it.
type explained struct{ code, text string }

func (r reason) explain() explained {
	switch r {
	case reasonTooDeep:
		return explained{"too_deep", "the event is nested deeper than 8 levels; flatten it"}
	case reasonTooManyKeys:
		return explained{"too_many_keys", "an object has more than 200 keys; send fewer, or a list"}
	case reasonStringTooLong:
		return explained{"string_too_long", "a string is longer than 8192 bytes; shorten it"}
	case reasonDuplicateKey:
		return explained{"duplicate_key", "an object has the same key twice; send each key once"}
	case reasonInvalidText:
		return explained{"invalid_text", "a string holds NUL, half a surrogate pair or bytes that are not UTF-8; send whole Unicode characters"}
	case reasonNumberRange:
		return explained{"number_out_of_range", "a number does not fit a 64-bit float; send it as a string"}
	case reasonEventTooLarge:
		return explained{"event_too_large", "the event is larger than 32 KiB; send fewer properties"}
	case reasonNotAnObject:
		return explained{"not_an_object", "an event must be a JSON object"}
	case reasonUnknownType:
		return explained{"unknown_type", "type must be track, identify, page, screen, group or alias"}
	case reasonMissingName:
		return explained{"missing_event", "a track call needs a non-empty event name in \"event\""}
	case reasonInvalidID:
		return explained{"invalid_id", "userId, anonymousId, groupId and previousId must be strings or numbers"}
	case reasonIDTooLong:
		return explained{"id_too_long", "an id or an event name is longer than 256 bytes; shorten it"}
	default:
		return r.explainValue()
	}
}

func (r reason) explainValue() explained {
	switch r {
	case reasonInvalidRevenue:
		return explained{"invalid_revenue", "revenue must be a decimal number, or a string with one, below 10^12"}
	case reasonInvalidCurrency:
		return explained{"invalid_currency", "currency must be three letters as in ISO 4217, such as EUR"}
	case reasonInvalidTouch:
		return explained{"invalid_touch", "a touch needs a kind of click, impression or visit, a media_source, and a time in RFC 3339 or milliseconds"}
	}
	return explained{"accepted", ""}
}

// rejection is an event that was refused.
type rejection struct {
	index  int
	offset int // byte of the body, -1 when the place says nothing
	reason reason
}
