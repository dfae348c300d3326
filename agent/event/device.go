package event

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// device sets the ids of the device. An advertising id is only used where the
// person has not switched tracking off.
func (m *Maker) device() Reason {
	d, e := &m.Doc, &m.Event
	device := m.message.ctx.device
	if device == 0 {
		return Accepted
	}
	var id, advertising, typ, gaid, idfa, idfv, oaid string
	tracking := true
	d.Members(device, func(key string, v document.Ref) bool {
		switch key {
		case "id":
			id = d.Scalar(v)
		case "advertisingId":
			advertising = d.Str(v)
		case "type":
			typ = d.Str(v)
		case "gaid":
			gaid = d.Str(v)
		case "idfa":
			idfa = d.Str(v)
		case "idfv":
			idfv = d.Str(v)
		case "oaid":
			oaid = d.Str(v)
		case "adTrackingEnabled":
			tracking = d.Kind(v) != document.False
		}
		return true
	})
	if advertising != "" {
		if apple(typ, d.Str(d.Named(m.message.ctx.os, "name")), advertising) {
			idfa = first(idfa, advertising)
		} else {
			gaid = first(gaid, advertising)
		}
	}
	if !tracking {
		gaid, idfa, oaid = "", "", ""
	}
	if max(len(id), len(gaid), len(idfa), len(idfv), len(oaid)) > MaxID {
		return IDTooLong
	}
	e.DeviceID = m.known(id)
	e.GAID, e.IDFA, e.IDFV, e.OAID = androidID(m.known(gaid)), appleID(m.known(idfa)), appleID(m.known(idfv)), androidID(m.known(oaid))
	return Accepted
}

// known is an id of a device, "" if it stands for none. A device gives zeros when its owner has
// limited tracking; that is no mistake.
func (m *Maker) known(id string) string {
	if id == "" || !protocol.SaysNothing(id) {
		return id
	}
	if strings.Trim(id, "0-") != "" {
		m.warn(protocol.WarnIDIgnored, id, "says no device: it is the same for all who have no id")
	}
	return ""
}

// apple reports whether an advertising id comes from an Apple device: its type
// or system says so, or else Apple's way of writing it in capitals.
func apple(typ, system, id string) bool {
	for _, name := range [...]string{typ, system} {
		switch {
		case name == "":
		case containsFold(name, "android"):
			return false
		case containsFold(name, "ios"), containsFold(name, "ipad"), containsFold(name, "iphone"), containsFold(name, "tvos"):
			return true
		}
	}
	return id == strings.ToUpper(id)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// androidID and appleID write an id in the way of its platform, so that a link's
// and an SDK's are equal.
func androidID(id string) string { return strings.ToLower(id) }

func appleID(id string) string { return strings.ToUpper(id) }

// containsFold reports whether s contains part, which is lower-case ASCII,
// whatever the case of s.
func containsFold(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if foldEqual(s[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func foldEqual(s, lower string) bool {
	for i := range len(lower) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
