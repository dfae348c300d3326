package ingest

import "strings"

// noAdvertisingID is what a device gives when its owner has limited tracking:
// the same for everybody, so it must never match.
const noAdvertisingID = "00000000-0000-0000-0000-000000000000"

// device sets the ids of the device. An advertising id is only used where the
// person has not switched tracking off.
func (c *call) device() reason {
	d, e := &c.doc, &c.event
	device := c.message.ctx.device
	if device == 0 {
		return accepted
	}
	var id, advertising, typ, gaid, idfa, idfv, oaid string
	tracking := true
	d.members(device, func(key string, v ref) bool {
		switch key {
		case "id":
			id = d.scalar(v)
		case "advertisingId":
			advertising = d.str(v)
		case "type":
			typ = d.str(v)
		case "gaid":
			gaid = d.str(v)
		case "idfa":
			idfa = d.str(v)
		case "idfv":
			idfv = d.str(v)
		case "oaid":
			oaid = d.str(v)
		case "adTrackingEnabled":
			tracking = d.kind(v) != kindFalse
		}
		return true
	})
	if advertising != "" {
		if c.apple(typ, advertising) {
			idfa = first(idfa, advertising)
		} else {
			gaid = first(gaid, advertising)
		}
	}
	if !tracking {
		gaid, idfa, oaid = "", "", ""
	}
	e.DeviceID = id
	e.GAID, e.IDFA, e.IDFV, e.OAID = androidID(gaid), appleID(idfa), appleID(idfv), androidID(oaid)
	if max(len(id), len(e.GAID), len(e.IDFA), len(e.IDFV), len(e.OAID)) > maxID {
		return reasonIDTooLong
	}
	return accepted
}

// apple reports whether an advertising id comes from an Apple device: its type
// or system says so, or else Apple's way of writing it in capitals.
func (c *call) apple(typ, id string) bool {
	d := &c.doc
	for _, name := range [...]string{typ, d.str(d.named(c.message.ctx.os, "name"))} {
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

// named is member, for an object that may be absent.
func (d *document) named(object ref, name string) ref {
	if object == 0 {
		return 0
	}
	return d.member(object, name)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// androidID and appleID write an id in the way of its platform, so that a link's
// and an SDK's are equal.
func androidID(id string) string {
	if id == noAdvertisingID {
		return ""
	}
	return strings.ToLower(id)
}

func appleID(id string) string {
	if id == noAdvertisingID {
		return ""
	}
	return strings.ToUpper(id)
}

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
