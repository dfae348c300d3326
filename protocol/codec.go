package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// eventFields is how many fields AppendEvent writes. A reader takes fewer as
// zero values and skips more, so fields are only ever added at the end.
const eventFields = 46

// ErrMalformed is wrapped by every error that decoding bytes from outside
// gives.
var ErrMalformed = errors.New("malformed")

// eventRoom is the room that an event takes besides its payload, as a rule.
const eventRoom = 512

// AppendEvent appends the msgpack form of an event to dst: an array of its
// fields in the order that doc.go lists.
func AppendEvent(dst []byte, e *Event) []byte {
	dst = slices.Grow(dst, eventRoom+len(e.Payload))
	dst = append(dst, 0xdc, 0, eventFields)
	dst = appendString(dst, e.App)
	dst = appendString(dst, e.ID)
	dst = appendUint(dst, uint64(e.Kind))
	dst = appendString(dst, e.Name)
	dst = appendInt(dst, e.Original)
	dst = appendInt(dst, e.Time)
	dst = appendInt(dst, e.Received)
	dst = appendUint(dst, e.Digest)
	for _, s := range [...]*string{&e.UserID, &e.AnonymousID, &e.DeviceID, &e.GAID, &e.IDFA, &e.IDFV, &e.OAID,
		&e.PreviousID, &e.GroupID, &e.ClickID, &e.Referrer, &e.MediaSource, &e.Medium, &e.Campaign, &e.AdSet, &e.Ad,
		&e.Keyword, &e.Sub[0], &e.Sub[1], &e.Sub[2], &e.Sub[3], &e.Sub[4], &e.LinkID} {
		if *s == "" { // as most are
			dst = append(dst, 0xa0)
			continue
		}
		dst = appendString(dst, *s)
	}
	dst = appendInt(dst, e.Cost)
	dst = appendString(dst, e.CostCurrency)
	dst = appendInt(dst, e.Revenue)
	dst = appendString(dst, e.Currency)
	dst = appendUint(dst, uint64(e.Flags))
	dst = appendUint(dst, uint64(e.Consent))
	dst = appendString(dst, e.IP)
	dst = appendString(dst, e.UserAgent)
	dst = appendString(dst, e.Country)
	dst = appendBytes(dst, e.Payload)
	for _, s := range [...]*string{&e.OrderID, &e.Network} {
		if *s == "" {
			dst = append(dst, 0xa0)
			continue
		}
		dst = appendString(dst, *s)
	}
	dst = appendUint(dst, uint64(e.Stated))
	dst = appendUint(dst, uint64(e.Warnings))
	return appendString(dst, e.Key)
}

// AppendEvents appends the header of an array of n events; n encoded events
// must follow. Together they are the payload of a block before compression.
func AppendEvents(dst []byte, n int) []byte {
	dst = append(dst, 0xdd)
	return binary.BigEndian.AppendUint32(dst, uint32(n)) //nolint:gosec // bounded by MaxBlockEvents
}

// DecodeEvents decodes what AppendEvents and AppendEvent wrote. It scans raw
// first, so hostile input costs no more than its own length. The events'
// payloads share raw, which the caller must not change afterwards.
func DecodeEvents(raw []byte) ([]Event, error) {
	if err := scanEvents(raw); err != nil {
		return nil, err
	}
	r := reader{b: raw, s: string(raw)}
	n := r.array()
	events := make([]Event, n)
	for i := range events {
		r.event(&events[i])
		if r.err != nil {
			return nil, fmt.Errorf("event %d: %w", i, r.err)
		}
	}
	return events, nil
}

// scanEvents accepts an array of arrays of scalars and nothing else.
func scanEvents(raw []byte) error {
	if len(raw) > MaxBlockRaw {
		return fmt.Errorf("%w: %d bytes of events, limit %d", ErrMalformed, len(raw), MaxBlockRaw)
	}
	n, err := Scan(raw, ScanLimits{Depth: 2, Elements: MaxBlockEvents * (eventFields + 24)})
	if err != nil {
		return err
	}
	if n != len(raw) {
		return fmt.Errorf("%w: %d bytes after the events", ErrMalformed, len(raw)-n)
	}
	r := reader{b: raw}
	if count := r.array(); r.err != nil || count > MaxBlockEvents {
		return fmt.Errorf("%w: not an array of at most %d events", ErrMalformed, MaxBlockEvents)
	}
	return nil
}

func (r *reader) event(e *Event) {
	n := r.array()
	if r.err != nil {
		return
	}
	if n < 7 {
		r.fail("event of %d fields, at least 7 wanted", n)
		return
	}
	end := n
	for i := range end {
		r.field(e, i)
		if r.err != nil {
			r.err = fmt.Errorf("field %d: %w", i, r.err)
			return
		}
	}
	if e.Kind == KindUnknown || e.Kind >= kindEnd {
		r.fail("unknown kind %d", e.Kind)
	}
}

func (r *reader) field(e *Event, i int) {
	if p := e.stringField(i); p != nil {
		*p = r.str()
		return
	}
	switch i {
	case 2:
		e.Kind = Kind(r.uint(math.MaxUint8))
	case 4:
		e.Original = r.int()
	case 5:
		e.Time = r.int()
	case 6:
		e.Received = r.int()
	case 7:
		e.Digest = r.uint(math.MaxUint64)
	case 31:
		e.Cost = r.int()
	case 33:
		e.Revenue = r.int()
	case 35:
		e.Flags = Flags(r.uint(math.MaxUint16))
	case 36:
		e.Consent = Consent(r.uint(math.MaxUint8))
	case 40:
		e.Payload = r.bytes()
	case 43:
		e.Stated = Stated(r.uint(math.MaxUint8))
	case 44:
		e.Warnings = Warnings(r.uint(math.MaxUint16))
	default:
		r.skip()
	}
}

// stringField returns where the string of field i goes, nil when it is none.
func (e *Event) stringField(i int) *string {
	switch i {
	case 0:
		return &e.App
	case 1:
		return &e.ID
	case 3:
		return &e.Name
	case 8:
		return &e.UserID
	case 9:
		return &e.AnonymousID
	case 10:
		return &e.DeviceID
	case 11:
		return &e.GAID
	case 12:
		return &e.IDFA
	case 13:
		return &e.IDFV
	case 14:
		return &e.OAID
	case 15:
		return &e.PreviousID
	case 16:
		return &e.GroupID
	case 17:
		return &e.ClickID
	case 18:
		return &e.Referrer
	}
	return e.campaignField(i)
}

func (e *Event) campaignField(i int) *string {
	switch i {
	case 19:
		return &e.MediaSource
	case 20:
		return &e.Medium
	case 21:
		return &e.Campaign
	case 22:
		return &e.AdSet
	case 23:
		return &e.Ad
	case 24:
		return &e.Keyword
	case 25, 26, 27, 28, 29:
		return &e.Sub[i-25]
	case 30:
		return &e.LinkID
	case 32:
		return &e.CostCurrency
	case 34:
		return &e.Currency
	case 37:
		return &e.IP
	case 38:
		return &e.UserAgent
	case 39:
		return &e.Country
	case 41:
		return &e.OrderID
	case 42:
		return &e.Network
	case 45:
		return &e.Key
	}
	return nil
}
