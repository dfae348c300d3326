package event

import (
	"github.com/unmogrowp/unmogrowp/agent/document"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// stamp sets the times of the message.
func (m *Maker) stamp() Reason {
	msg, d := &m.message, &m.Doc
	claimed, caller := claimOf(d, msg.timestamp), false
	if msg.original == 0 {
	} else if original := claimOf(d, msg.original); original.given {
		// A "timestamp" beside it is a time that the caller stated, which no clock has to be
		// corrected for. RudderStack's SDKs say so; Segment's have only one of the two.
		caller = claimed.at != 0 && max(claimed.at-original.at, original.at-claimed.at) >= 1000
		if !caller {
			claimed = original
		}
	}
	sent := claimOf(d, msg.sentAt)
	if sent.at == 0 {
		sent = m.shared.sent
	}
	if caller {
		sent = claim{}
	}
	if m.Trusted {
		m.Event.Flags |= protocol.FlagTrusted
	}
	if m.historical() && claimed.at >= historyFrom && claimed.at <= m.Received+LatestTime.Milliseconds() {
		e := &m.Event
		e.Received, e.Original, e.Time = m.Received, claimed.at, claimed.at
		e.Flags |= protocol.FlagHistorical
		return Accepted
	}
	stamp(&m.Event, claimed, sent, m.Received)
	m.warnTime(claimed)
	return Accepted
}

// historical says whether a message is history that its sender imports. Only a server may do so.
func (m *Maker) historical() bool {
	asked := m.shared.historical || m.Doc.Kind(m.message.historical) == document.True
	if asked && !m.MayImport {
		m.warn(protocol.WarnFieldIgnored, "historical", "needs a server key that may import")
	}
	return (asked || m.Import) && m.MayImport
}

// warnTime tells of a time that could not be stored as it was claimed.
func (m *Maker) warnTime(claimed claim) {
	if !m.Event.Has(protocol.FlagClamped) {
		return
	}
	if claimed.at == 0 {
		m.warn(protocol.WarnTimeUnread, saidTime(&m.Doc, &m.message),
			"is no time that can be read: the time of receipt stands for it; send RFC 3339, or milliseconds since 1970")
		return
	}
	m.warn(protocol.WarnTimeClamped, saidTime(&m.Doc, &m.message), "is out of range, and was stored as "+time.UnixMilli(m.Event.Time).UTC().Format(time.RFC3339)+
		": up to 90 days back, 5 minutes ahead; a server key imports older ones at /v1/import")
}

// saidTime is the time of the message as it was sent.
func saidTime(d *document.Document, msg *message) string {
	if s := d.Scalar(msg.timestamp); s != "" {
		return s
	}
	return d.Scalar(msg.original)
}

// stamp sets the three times of an event. Original is the client's own claim,
// Time is that claim corrected for the clock of the client: sentAt is the
// client's present time, received is ours. An unusable claim leaves Original 0
// and Time at received.
//
// Original is part of the storage key and chooses the partition, so a claim that
// is far from now leaves it 0 as well: else one sender could make a partition of
// every month of a century. A message that is sent again after it has crossed
// that line is stored a second time, and like any id that is used twice counted
// once.
func stamp(e *protocol.Event, claimed, sent claim, received int64) {
	e.Received, e.Time = received, received
	if !claimed.given {
		return
	}
	if claimed.at == 0 {
		e.Flags |= protocol.FlagClamped
		return
	}
	if received-claimed.at <= oldestOriginal.Milliseconds() && claimed.at-received <= newestOriginal.Milliseconds() {
		e.Original = claimed.at
	}
	e.Time = claimed.at
	if sent.at != 0 {
		e.Time = received - (sent.at - claimed.at)
	}
	earliest, latest := received-EarliestTime.Milliseconds(), received+LatestTime.Milliseconds()
	if e.Time < earliest || e.Time > latest {
		e.Time = min(max(e.Time, earliest), latest)
		e.Flags |= protocol.FlagClamped
	}
}

// claim is a time that a client gave, in milliseconds; 0 if it was unusable.
type claim struct {
	given bool
	at    int64
}

// claimOf reads the time in a value: a string of RFC 3339 or of another form that
// senders write, or a number of seconds, milliseconds, micro- or nanoseconds since the epoch, which cannot be
// mistaken for each other within the years that are Accepted.
func claimOf(d *document.Document, r document.Ref) claim {
	switch d.Kind(r) {
	case document.String:
		text := d.Contents(r)
		at, ok := parseTime(text)
		if !ok {
			if strings.TrimSpace(text) == "" {
				return claim{}
			}
			at, ok = parseOtherTime(text)
		}
		if !ok || at < saneFrom || at > saneTo {
			at = 0
		}
		return claim{given: true, at: at}
	case document.Number:
		return claim{given: true, at: EpochTime(document.View(d.Raw(r)))}
	case document.None, document.Null:
		return claim{}
	}
	return claim{given: true}
}

// EpochTime reads a number of seconds, milliseconds, micro- or nanoseconds since the epoch as
// milliseconds; 0 if it is none of a sane year.
func EpochTime(number string) int64 {
	n := int64(0)
	for i := range len(number) {
		c := number[i]
		if c == '.' {
			break
		}
		if c < '0' || c > '9' || n > saneTo*1_000_000 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	switch {
	case n >= saneFrom/1000 && n <= saneTo/1000:
		_, decimals, _ := strings.Cut(number, ".")
		fraction, _ := milliseconds(decimals)
		return n*1000 + fraction
	case n >= saneFrom && n <= saneTo:
		return n
	case n >= saneFrom*1000 && n <= saneTo*1000:
		return n / 1000
	case n >= saneFrom*1_000_000 && n <= saneTo*1_000_000:
		return n / 1_000_000
	}
	return 0
}

// parseTime reads the forms of ISO 8601 that clients send, in milliseconds:
// RFC 3339 with any number of decimals, a space in place of the T, an offset
// with or without a colon, no offset (UTC), and a date alone (its midnight).
func parseTime(s string) (int64, bool) {
	date, ok := parseDate(s)
	if !ok {
		return 0, false
	}
	if len(s) == 10 {
		return date, true
	}
	if len(s) < 16 || s[10] != 'T' && s[10] != 't' && s[10] != ' ' || s[13] != ':' {
		return 0, false
	}
	hour, ok1 := number(s[11:13], 23)
	minute, ok2 := number(s[14:16], 59)
	if !ok1 || !ok2 {
		return 0, false
	}
	clock := (hour*60 + minute) * 60_000
	rest := s[16:]
	if len(rest) >= 3 && rest[0] == ':' {
		second, ok := number(rest[1:3], 60)
		if !ok {
			return 0, false
		}
		clock += second * 1000
		rest = rest[3:]
		if rest != "" && (rest[0] == '.' || rest[0] == ',') {
			var fraction int64
			fraction, rest = milliseconds(rest[1:])
			clock += fraction
		}
	}
	offset, ok := parseOffset(rest)
	return date + clock - offset, ok
}

func parseDate(s string) (int64, bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, ok1 := number(s[:4], 9999)
	month, ok2 := number(s[5:7], 12)
	day, ok3 := number(s[8:10], 31)
	if !ok1 || !ok2 || !ok3 || month == 0 || day == 0 {
		return 0, false
	}
	at := time.Date(int(year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC)
	return at.UnixMilli(), at.Day() == int(day)
}

// milliseconds reads decimals of a second and returns the rest of the text.
func milliseconds(s string) (int64, string) {
	n, unit := int64(0), int64(100)
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		n += int64(s[0]-'0') * unit
		unit /= 10
		s = s[1:]
	}
	return n, s
}

// otherLayouts are forms that senders write besides ISO 8601. A day before a month, or a month
// before a day, is not among them: nobody can tell which it is.
var otherLayouts = [...]string{
	"2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04:05.999999999 -0700 MST", // Go
	"2006-01-02 15:04:05 MST", "2006-01-02T15:04:05 MST", "2006-01-02 15:04:05.999999999 MST", // Ruby, SQL
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05 -07:00", "2006-01-02T15:04:05 -07:00",
	"20060102T150405Z0700", "20060102T150405.999999999Z0700", "20060102T150405", "20060102150405", // ISO 8601, basic
	"2006/01/02 15:04:05", "2006/01/02",
	time.RFC1123, time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", time.RFC850, time.ANSIC, time.UnixDate, time.RubyDate,
	"Mon Jan 2 2006 15:04:05 -0700", // JavaScript, without its "GMT" and "(CET)"
}

// parseOtherTime reads what parseTime does not, in milliseconds: a number in a string, an offset
// behind a Z, which it overrules (Adjust's SDKs write so), a zone in brackets, and otherLayouts.
func parseOtherTime(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 100 {
		return 0, false
	}
	if inner, found := strings.CutPrefix(s, "/Date("); found { // .NET
		s = strings.TrimSuffix(strings.TrimSuffix(inner, "/"), ")")
	}
	if at := EpochTime(s); at != 0 {
		return at, true
	}
	if open := strings.IndexAny(s, "[("); open > 0 {
		s = strings.TrimSpace(s[:open])
	}
	if z := strings.LastIndexAny(s, "Zz"); z > 10 && z+1 < len(s) && (s[z+1] == '+' || s[z+1] == '-') {
		s = s[:z] + s[z+1:]
	}
	if at, ok := parseTime(s); ok {
		return at, true
	}
	s = strings.Replace(strings.Replace(s, "GMT+", "+", 1), "GMT-", "-", 1)
	for _, layout := range otherLayouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if name, offset := t.Zone(); offset == 0 && name != "UTC" && name != "GMT" && name != "" && name != "Z" {
			return 0, false // a zone such as CET, whose offset nobody said
		}
		return t.UnixMilli(), true
	}
	return 0, false
}

// parseOffset reads "", "Z", "+01:00", "+0100" or "+01" in milliseconds.
func parseOffset(s string) (int64, bool) {
	switch s {
	case "", "Z", "z":
		return 0, true
	}
	if s[0] != '+' && s[0] != '-' || len(s) != 3 && len(s) != 5 && len(s) != 6 {
		return 0, false
	}
	hours, ok := number(s[1:3], 23)
	minutes := int64(0)
	if ok && len(s) > 3 {
		if len(s) == 6 && s[3] != ':' {
			return 0, false
		}
		minutes, ok = number(s[len(s)-2:], 59)
	}
	offset := (hours*60 + minutes) * 60_000
	if s[0] == '-' {
		offset = -offset
	}
	return offset, ok
}

func number(s string, limit int64) (int64, bool) {
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, n <= limit
}
