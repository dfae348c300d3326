package warehouse

import (
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// The range of stamps and original timestamps that the tables accept; the
// constraints of the migrations say the same. Original 0 is "none".
const (
	maxStamp    = 1<<48 - 1
	minOriginal = 946684800000  // 2000-01-01
	maxOriginal = 4102444799999 // 2099-12-31
)

// checkKeys returns why a row with these keys could never be stored, or "".
func checkKeys(app, id string, original, time, received int64) string {
	switch {
	case app == "" || id == "":
		return "the app or the message id is empty"
	case time < 0 || received < 0 || received > maxStamp:
		return "the time or the received stamp is out of range"
	case original != 0 && (original < minOriginal || original > maxOriginal):
		return "the original timestamp is out of range"
	}
	return ""
}

func eventsTable() table[Row] {
	return table[Row]{
		name:     "events",
		columns:  eventColumns,
		original: func(r *Row) int64 { return r.Event.Original },
		check: func(r *Row) string {
			e := &r.Event
			return checkKeys(e.App, e.ID, e.Original, e.Time, e.Received)
		},
	}
}

func eventColumns(rows []*Row) []column {
	text := func(name string, field func(*protocol.Event) string) column {
		return pick(name, rows, func(r *Row) string { return field(&r.Event) })
	}
	whole := func(name string, field func(*protocol.Event) int64) column {
		return pick(name, rows, func(r *Row) int64 { return field(&r.Event) })
	}
	return []column{
		text("app_id", func(e *protocol.Event) string { return e.App }),
		text("event_id", func(e *protocol.Event) string { return e.ID }),
		text("kind", func(e *protocol.Event) string { return e.Kind.String() }),
		text("name", func(e *protocol.Event) string { return e.Name }),
		whole("original", func(e *protocol.Event) int64 { return e.Original }),
		whole("time", func(e *protocol.Event) int64 { return e.Time }),
		whole("received", func(e *protocol.Event) int64 { return e.Received }),
		pick("digest", rows, func(r *Row) uint64 { return r.Event.Digest }),
		text("user_id", func(e *protocol.Event) string { return e.UserID }),
		text("anonymous_id", func(e *protocol.Event) string { return e.AnonymousID }),
		text("device_id", func(e *protocol.Event) string { return e.DeviceID }),
		text("gaid", func(e *protocol.Event) string { return e.GAID }),
		text("idfa", func(e *protocol.Event) string { return e.IDFA }),
		text("idfv", func(e *protocol.Event) string { return e.IDFV }),
		text("oaid", func(e *protocol.Event) string { return e.OAID }),
		text("previous_id", func(e *protocol.Event) string { return e.PreviousID }),
		text("group_id", func(e *protocol.Event) string { return e.GroupID }),
		text("click_id", func(e *protocol.Event) string { return e.ClickID }),
		text("referrer", func(e *protocol.Event) string { return e.Referrer }),
		text("media_source", func(e *protocol.Event) string { return e.MediaSource }),
		text("medium", func(e *protocol.Event) string { return e.Medium }),
		text("campaign", func(e *protocol.Event) string { return e.Campaign }),
		text("adset", func(e *protocol.Event) string { return e.AdSet }),
		text("ad", func(e *protocol.Event) string { return e.Ad }),
		text("keyword", func(e *protocol.Event) string { return e.Keyword }),
		pick("sub", rows, func(r *Row) []string { return subs(&r.Event.Sub) }),
		text("link_id", func(e *protocol.Event) string { return e.LinkID }),
		whole("cost", func(e *protocol.Event) int64 { return e.Cost }),
		text("cost_currency", func(e *protocol.Event) string { return e.CostCurrency }),
		whole("revenue", func(e *protocol.Event) int64 { return e.Revenue }),
		text("currency", func(e *protocol.Event) string { return e.Currency }),
		pick("flags", rows, func(r *Row) uint16 { return uint16(r.Event.Flags) }),
		pick("consent", rows, func(r *Row) uint8 { return uint8(r.Event.Consent) }),
		text("ip", func(e *protocol.Event) string { return e.IP }),
		text("user_agent", func(e *protocol.Event) string { return e.UserAgent }),
		text("country", func(e *protocol.Event) string { return e.Country }),
		text("payload", func(e *protocol.Event) string { return string(e.Payload) }),
		text("order_id", func(e *protocol.Event) string { return e.OrderID }),
		text("network", func(e *protocol.Event) string { return e.Network }),
		pick("stated", rows, func(r *Row) uint8 { return uint8(r.Event.Stated) }),
		pick("warnings", rows, func(r *Row) uint16 { return uint16(r.Event.Warnings) }),
		text("key", func(e *protocol.Event) string { return e.Key }),
		pick("agent_id", rows, func(r *Row) string { return r.Agent }),
	}
}

// subs returns the sub-publisher fields, nothing when all are empty.
func subs(sub *[5]string) []string {
	if *sub == ([5]string{}) {
		return nil
	}
	return sub[:]
}

func touchesTable(origins origins) table[attribution.Touch] {
	return table[attribution.Touch]{
		name:     "touches",
		columns:  func(rows []*attribution.Touch) []column { return touchColumns(rows, origins) },
		original: func(t *attribution.Touch) int64 { return t.Original },
		check: func(t *attribution.Touch) string {
			return checkKeys(t.App, t.ID, t.Original, t.Time, t.Received)
		},
	}
}

func touchColumns(rows []*attribution.Touch, origins origins) []column {
	type touch = attribution.Touch
	return []column{
		pick("app_id", rows, func(t *touch) string { return t.App }),
		pick("touch_id", rows, func(t *touch) string { return t.ID }),
		pick("original", rows, func(t *touch) int64 { return t.Original }),
		pick("time", rows, func(t *touch) int64 { return t.Time }),
		pick("received", rows, func(t *touch) int64 { return t.Received }),
		pick("digest", rows, func(t *touch) uint64 { return t.Digest }),
		pick("kind", rows, func(t *touch) string { return t.Kind.String() }),
		pick("media_source", rows, func(t *touch) string { return t.MediaSource }),
		pick("medium", rows, func(t *touch) string { return t.Medium }),
		pick("campaign", rows, func(t *touch) string { return t.Campaign }),
		pick("adset", rows, func(t *touch) string { return t.AdSet }),
		pick("ad", rows, func(t *touch) string { return t.Ad }),
		pick("keyword", rows, func(t *touch) string { return t.Keyword }),
		pick("sub", rows, func(t *touch) []string { return subs(&t.Sub) }),
		pick("link_id", rows, func(t *touch) string { return t.LinkID }),
		pick("click_id", rows, func(t *touch) string { return t.ClickID }),
		pick("cost", rows, func(t *touch) int64 { return t.Cost }),
		pick("cost_currency", rows, func(t *touch) string { return t.CostCurrency }),
		pick("retargeting", rows, func(t *touch) bool { return t.Retargeting }),
		pick("withheld", rows, func(t *touch) bool { return t.Withheld }),
		pick("opened", rows, func(t *touch) bool { return t.Opened }),
		pick("marks", rows, func(t *touch) uint8 { return uint8(t.Marks) }),
		pick("country", rows, func(t *touch) string { return origins.country(touchID(t)) }),
		pick("keys", rows, func(t *touch) []string { return t.Keys }),
	}
}

func conversionsTable(origins origins) table[attribution.Conversion] {
	return table[attribution.Conversion]{
		name:     "conversions",
		columns:  func(rows []*attribution.Conversion) []column { return conversionColumns(rows, origins) },
		original: func(c *attribution.Conversion) int64 { return c.Original },
		check: func(c *attribution.Conversion) string {
			return checkKeys(c.App, c.ID, c.Original, c.Time, c.Received)
		},
	}
}

func conversionColumns(rows []*attribution.Conversion, origins origins) []column {
	type conversion = attribution.Conversion
	return []column{
		pick("app_id", rows, func(c *conversion) string { return c.App }),
		pick("conversion_id", rows, func(c *conversion) string { return c.ID }),
		pick("original", rows, func(c *conversion) int64 { return c.Original }),
		pick("time", rows, func(c *conversion) int64 { return c.Time }),
		pick("received", rows, func(c *conversion) int64 { return c.Received }),
		pick("digest", rows, func(c *conversion) uint64 { return c.Digest }),
		pick("name", rows, func(c *conversion) string { return c.Name }),
		pick("install", rows, func(c *conversion) bool { return c.Install }),
		pick("revenue", rows, func(c *conversion) int64 { return c.Revenue }),
		pick("has_revenue", rows, func(c *conversion) bool { return c.HasRevenue }),
		pick("currency", rows, func(c *conversion) string { return c.Currency }),
		pick("untrusted", rows, func(c *conversion) bool { return c.Untrusted }),
		pick("click_id", rows, func(c *conversion) string { return c.ClickID }),
		pick("referrer", rows, func(c *conversion) string { return c.Referrer }),
		pick("withheld", rows, func(c *conversion) bool { return c.Withheld }),
		pick("install_begin", rows, func(c *conversion) int64 { return c.InstallBegin }),
		pick("referrer_click", rows, func(c *conversion) int64 { return c.ReferrerClick }),
		pick("marks", rows, func(c *conversion) uint8 { return uint8(c.Marks) }),
		pick("country", rows, func(c *conversion) string { return origins.country(conversionID(c)) }),
		pick("keys", rows, func(c *conversion) []string { return c.Keys }),
	}
}

func linksTable() table[attribution.Link] {
	return table[attribution.Link]{
		name: "identity_links",
		columns: func(rows []*attribution.Link) []column {
			type link = attribution.Link
			return []column{
				pick("app_id", rows, func(l *link) string { return l.App }),
				pick("a", rows, func(l *link) string { return l.A }),
				pick("b", rows, func(l *link) string { return l.B }),
				pick("received", rows, func(l *link) int64 { return l.Received }),
			}
		},
		check: func(l *attribution.Link) string {
			return checkKeys(l.App, l.A, 0, 0, l.Received)
		},
	}
}

// bothWays returns every link once in each direction, with its earliest stamp.
func bothWays(links []attribution.Link) []*attribution.Link {
	earliest := make(map[attribution.Link]int64, len(links))
	for _, l := range links {
		at := l.Received
		l.Received = 0
		if old, ok := earliest[l]; !ok || at < old {
			earliest[l] = at
		}
	}
	rows := make([]*attribution.Link, 0, 2*len(earliest))
	for l, at := range earliest {
		rows = append(rows,
			&attribution.Link{App: l.App, A: l.A, B: l.B, Received: at},
			&attribution.Link{App: l.App, A: l.B, B: l.A, Received: at})
	}
	return rows
}
