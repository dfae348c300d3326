package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// read files the facts that one event states.
func (w *world) read(e *protocol.Event, s *attribution.Settings) {
	refused := e.Consent.Get(protocol.PurposeAttribution) == protocol.ConsentDenied
	id := ID{e.App, e.ID}
	t := readTouch(e, refused, s)
	if t != nil {
		if s.Probabilistic && !refused && t.Kind != attribution.Open {
			t.Keys = tidy(append(t.Keys, w.looks(e, t.Time, t.Time)...))
		}
		w.touches[id] = append(w.touches[id], *t)
	}
	if c := readConversion(e, s); c != nil {
		if arrived := readArrival(e, c, refused, s); t == nil && arrived != nil {
			if s.Probabilistic && !refused && arrived.Kind != attribution.Stated {
				arrived.Keys = tidy(append(arrived.Keys, w.looks(e, arrived.Time, arrived.Time)...))
			}
			w.touches[id] = append(w.touches[id], *arrived)
		}
		c.Withheld = refused
		if s.Probabilistic && !refused && c.Install {
			reach := max(s.ProbabilisticClick, s.ProbabilisticImpression)
			for _, o := range s.Overrides {
				reach = max(reach, o.ProbabilisticClick, o.ProbabilisticImpression)
			}
			c.Keys = tidy(append(c.Keys, w.looks(e, c.Time-reach+1, c.Time)...))
		}
		w.note(id, c)
	}
	if refused {
		return
	}
	keys := readKeys(e)
	if e.PreviousID != "" {
		keys = append(keys, key("user", e.PreviousID), key("anon", e.PreviousID))
	}
	if e.Kind < protocol.KindClick {
		keys = append(keys, key("click", e.ClickID))
		if e.Name == "Application Installed" && e.Kind == protocol.KindTrack {
			claim, _ := referrerClick(plainReferrer(e.Referrer))
			keys = append(keys, key("click", claim))
		}
	}
	since := e.Received
	if e.Flags&protocol.FlagHistorical != 0 && e.Time < since {
		since = e.Time
	}
	keys = tidy(keys)
	for i := range keys {
		for j := range i {
			if ofPerson(keys[i]) || ofPerson(keys[j]) {
				w.allLinks = append(w.allLinks, link{e.App + "|" + keys[j], e.App + "|" + keys[i], since})
			}
		}
	}
}

// readOrigin tells how an event came.
func readOrigin(e *protocol.Event) (m attribution.Marks) {
	if e.Flags&protocol.FlagHistorical != 0 {
		m += attribution.MarkHistorical
	}
	if e.Flags&protocol.FlagTrusted != 0 {
		m += attribution.MarkTrusted
	}
	if e.Network != "" {
		m += attribution.MarkNetwork
	}
	if e.Stated == protocol.StatedBySite {
		m += attribution.MarkSite
	}
	return m
}

// readArrival reads a touch that an order or an install states besides.
func readArrival(e *protocol.Event, c *conversion, refused bool, s *attribution.Settings) *touch {
	t := &touch{
		ID: e.ID, App: e.App, Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest, Kind: attribution.Visit,
		MediaSource: strings.TrimSpace(e.MediaSource), Medium: strings.TrimSpace(e.Medium), Campaign: strings.TrimSpace(e.Campaign),
		AdSet: strings.TrimSpace(e.AdSet), Ad: strings.TrimSpace(e.Ad), Keyword: strings.TrimSpace(e.Keyword), ClickID: strings.TrimSpace(e.ClickID),
		Sub: e.Sub, LinkID: strings.TrimSpace(e.LinkID), Withheld: refused, Marks: readMarks(e, s) | readOrigin(e), Keys: tidy(readKeys(e)),
	}
	network := e.Network
	if c.Install {
		t.Kind = attribution.Stated
		says, ours := referrerFields(c.Referrer)
		t.Medium, t.Campaign, t.Keyword, t.Ad = or(t.Medium, says.Medium), or(t.Campaign, says.Campaign), or(t.Keyword, says.Keyword), or(t.Ad, says.Ad)
		network = or(network, networkOf(c.Referrer))
		if t.ClickID == "" {
			t.ClickID = says.ClickID
			if says.ClickID != "" && !ours {
				t.Marks |= attribution.MarkNetwork
			}
		}
		t.MediaSource = or(t.MediaSource, says.MediaSource)
		nothing := t.MediaSource == "" && t.Campaign == "" && network == ""
		if nothing || t.Medium == "organic" || t.MediaSource == "direct" && t.Campaign == "" || e.Stated == protocol.StatedBySite {
			return nil
		}
	} else if e.Network == "" || key("click", e.ClickID) == "" {
		return nil
	}
	t.MediaSource = or(t.MediaSource, or(network, "direct"))
	if len(t.Keys) == 0 {
		return nil
	}
	return t
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// networkOf tells whose click id a referrer holds.
func networkOf(referrer string) string {
	var none touch
	return readQuery(&none, referrerQuery(referrer))
}

// plainReferrer peels a referrer: one that was escaped or passed on several times is made
// plain, and one that tells of no campaign becomes empty.
func plainReferrer(referrer string) string {
	referrer = strings.TrimSpace(referrer)
	for range 4 {
		within := ""
		q, _ := url.ParseQuery(strings.TrimPrefix(referrer, "?"))
		switch {
		case strings.Contains(referrer, "://"):
			if i := strings.IndexByte(referrer, '?'); i >= 0 {
				q, _ = url.ParseQuery(strings.Split(referrer[i+1:], "#")[0])
				within = q.Get("referrer")
			}
		case !strings.Contains(referrer, "="):
			if plain, err := url.QueryUnescape(referrer); err == nil {
				within = plain
			}
		case q.Get("click_id")+q.Get("utm_source") == "":
			within = q.Get("referrer")
		}
		if within = strings.TrimSpace(within); within == "" || within == referrer {
			break
		}
		referrer = within
	}
	says, _ := referrerFields(referrer)
	if says.ClickID != "" {
		return referrer
	}
	source := says.MediaSource
	if plain, err := url.QueryUnescape(source); err == nil {
		source = plain
	}
	source, medium := strings.ToLower(strings.TrimSpace(source)), strings.ToLower(says.Medium)
	blank := says.MediaSource+says.Medium+says.Campaign+says.Keyword+says.Ad == "" && networkOf(referrer) == ""
	switch {
	case noID.MatchString(unquoted(referrer)), medium == "organic", says.MediaSource == "(not set)", source == "null", source == "undefined",
		blank && strings.Contains(referrer, "://"),
		says.Campaign == "" && (medium == "(none)" || slices.Contains([]string{"(not set)", "(direct)", "(none)", "not set"}, source)):
		return ""
	}
	return referrer
}

// noID matches what stands for "no id".
var noID = regexp.MustCompile(`(?i)^([-0]*|null|\(null\)|undefined|unknown|none|nil|nan|n/a|na|-1|false|true|anonymous|guest|` +
	`not_authenticated|distinct_?id|id|email|user_?id|\[object object\]|9774d56d682e549c|02:00:00:00:00:00|.*[{}].*|__.*|%.*%|%|\[.*\]|<.*>|\$.*\$|\$)$`)

// macroEnd matches a macro that begins with underscores: it ends with them too.
var macroEnd = regexp.MustCompile(`^__(.*__|_?)$`)

// unquoted takes the quotes off that faulty clients leave around a value.
func unquoted(id string) string { return strings.Trim(id, "\"'`") }

func says(id string) bool {
	id = unquoted(id)
	return !noID.MatchString(id) || strings.HasPrefix(id, "__") && !strings.ContainsAny(id, "{}") && !macroEnd.MatchString(id)
}

func key(kind, id string) string {
	id = strings.TrimSpace(id)
	if strings.Contains("gaid idfa idfv oaid", kind) {
		id = strings.ToLower(id)
	}
	if len(id) > 256 || !says(id) {
		return ""
	}
	return kind + ":" + id
}

func readKeys(e *protocol.Event) []string {
	return []string{
		key("anon", e.AnonymousID), key("device", e.DeviceID), key("gaid", e.GAID), key("idfa", e.IDFA),
		key("idfv", e.IDFV), key("oaid", e.OAID), key("user", e.UserID),
	}
}

// tidy sorts keys and drops empty and repeated ones.
func tidy(keys []string) []string {
	set := map[string]bool{}
	for _, k := range keys {
		set[k] = true
	}
	delete(set, "")
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}

func readTouch(e *protocol.Event, refused bool, s *attribution.Settings) *touch {
	t := &touch{
		ID: e.ID, App: e.App, Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest,
		MediaSource: strings.TrimSpace(e.MediaSource), Medium: strings.TrimSpace(e.Medium), Campaign: strings.TrimSpace(e.Campaign),
		AdSet: strings.TrimSpace(e.AdSet), Ad: strings.TrimSpace(e.Ad), Keyword: strings.TrimSpace(e.Keyword),
		Sub: e.Sub, LinkID: strings.TrimSpace(e.LinkID), ClickID: strings.TrimSpace(e.ClickID),
		Cost: e.Cost, CostCurrency: e.CostCurrency, Retargeting: e.Flags&protocol.FlagRetargeting != 0,
		Withheld: refused, Marks: readMarks(e, s),
	}
	page := false
	switch e.Kind {
	case protocol.KindClick:
		t.Kind = attribution.Click
	case protocol.KindImpression:
		t.Kind = attribution.Impression
	case protocol.KindVisit:
		t.Kind = attribution.Visit
	case protocol.KindPage, protocol.KindScreen:
		t.Kind, page = attribution.Visit, true
	case protocol.KindTrack:
		if e.Name != "Deep Link Opened" && e.Name != "Application Opened" {
			return nil
		}
		t.Kind, page, t.Opened = attribution.Visit, true, !refused
	default:
		return nil
	}
	if page {
		if t.MediaSource+t.Medium+t.Campaign+t.AdSet+t.Ad+t.Keyword+t.ClickID == "" {
			readAddresses(t, e.Payload)
		}
		if t.MediaSource+t.Medium+t.Campaign+t.AdSet+t.Ad+t.Keyword+t.ClickID+t.LinkID == "" {
			if t.Keys = tidy(readKeys(e)); !t.Opened || len(t.Keys) == 0 {
				return nil
			}
			t.Kind, t.Marks, t.Retargeting = attribution.Open, 0, false
			return t
		}
	}
	t.Marks |= readOrigin(e)
	if page && t.MediaSource == "" {
		t.MediaSource = "direct"
	}
	if !page && t.MediaSource == "" {
		t.MediaSource = "direct"
	}
	keys := readKeys(e)
	if !page {
		keys = append(keys, key("click", t.ClickID))
	}
	if t.Kind == attribution.Click && (t.ClickID == "" || t.LinkID != "") {
		keys = append(keys, key("click", t.ID))
	}
	t.Keys = tidy(keys)
	return t
}

// readAddresses fills missing fields from the addresses in a page's payload.
func readAddresses(t *touch, payload []byte) {
	var m struct {
		Context struct {
			Page struct{ Search, URL string }
		}
		Properties struct{ Search, URL string }
	}
	var wrongType *json.UnmarshalTypeError // of one field; the others are read
	if err := json.Unmarshal(payload, &m); err != nil && !errors.As(err, &wrongType) {
		return
	}
	named := ""
	for _, address := range []string{m.Context.Page.Search, m.Context.Page.URL, m.Properties.Search, m.Properties.URL} {
		if i := strings.IndexByte(address, '?'); i >= 0 {
			q, _ := url.ParseQuery(strings.Split(address[i+1:], "#")[0])
			if network := readQuery(t, q); network != "" {
				named = network
			}
		}
	}
	if t.MediaSource == "" {
		t.MediaSource = named
	}
}

// readQuery returns the network that a click id in a query belongs to.
func readQuery(t *touch, q url.Values) (network string) {
	for param, field := range map[string]*string{
		"click_id": &t.ClickID, "utm_source": &t.MediaSource, "utm_medium": &t.Medium,
		"utm_campaign": &t.Campaign, "utm_term": &t.Keyword, "utm_content": &t.Ad,
	} {
		if *field == "" && len(strings.TrimSpace(q.Get(param))) <= 256 {
			*field = strings.TrimSpace(q.Get(param))
		}
	}
	for _, pair := range strings.Fields("gclid:google wbraid:google gbraid:google dclid:google fbclid:facebook " +
		"ttclid:tiktok msclkid:microsoft twclid:twitter li_fat_id:linkedin") {
		param, name, _ := strings.Cut(pair, ":")
		if v := strings.TrimSpace(q.Get(param)); v != "" && len(v) <= 256 {
			if t.ClickID == "" {
				t.ClickID = v
				t.Marks |= attribution.MarkNetwork
			}
			return name
		}
	}
	return ""
}

// referrerFields reads an install referrer; ours tells whether its click id is
// one of our links'.
func referrerFields(referrer string) (t touch, ours bool) {
	q := referrerQuery(referrer)
	own := strings.TrimSpace(q.Get("click_id"))
	readQuery(&t, q)
	return t, own != "" && len(own) <= 256
}

func referrerQuery(referrer string) url.Values {
	referrer = strings.TrimSpace(referrer)
	q := url.Values{}
	if strings.Contains(referrer, "://") {
		if i := strings.IndexByte(referrer, '?'); i >= 0 {
			q, _ = url.ParseQuery(strings.Split(referrer[i+1:], "#")[0])
		}
		referrer = q.Get("referrer")
	}
	if referrer != "" {
		if !strings.Contains(referrer, "=") {
			if plain, err := url.QueryUnescape(referrer); err == nil {
				referrer = plain
			}
		}
		q, _ = url.ParseQuery(strings.TrimPrefix(referrer, "?"))
	}
	return q
}

func referrerClick(referrer string) (click string, ours bool) {
	t, ours := referrerFields(referrer)
	return t.ClickID, ours
}

func readConversion(e *protocol.Event, s *attribution.Settings) *conversion {
	install := e.Kind == protocol.KindTrack && e.Name == "Application Installed"
	named := (e.Kind == protocol.KindTrack || e.Kind == protocol.KindPage || e.Kind == protocol.KindScreen) &&
		e.Name != "" && slices.Contains(s.ConversionEvents, e.Name)
	back := e.Kind == protocol.KindTrack && e.Flags&protocol.FlagRefund != 0 && e.Flags&protocol.FlagHasRevenue != 0 && e.Revenue < 0
	if !install && !named && !back {
		return nil
	}
	c := &conversion{
		ID: e.ID, App: e.App, Name: e.Name, Original: e.Original, Time: e.Time, Received: e.Received, Digest: e.Digest,
		Install: install, ClickID: strings.TrimSpace(e.ClickID),
		Marks: readOrigin(e) & (attribution.MarkHistorical | attribution.MarkTrusted),
	}
	if install {
		c.Marks |= readMarks(e, s)
		var m struct{ Properties map[string]json.RawMessage }
		var wrongType *json.UnmarshalTypeError
		if err := json.Unmarshal(e.Payload, &m); err == nil || errors.As(err, &wrongType) {
			c.InstallBegin = seconds(m.Properties, "install_begin_timestamp")
			if bytes.Contains(e.Payload, []byte("install_begin_timestamp")) {
				c.ReferrerClick = seconds(m.Properties, "referrer_click_timestamp")
			}
		}
	}
	if e.Flags&protocol.FlagHasRevenue != 0 {
		c.HasRevenue, c.Revenue, c.Currency = true, e.Revenue, e.Currency
		c.Untrusted = e.Flags&protocol.FlagTrusted == 0
	}
	keys := append(readKeys(e), key("click", c.ClickID))
	if install {
		c.Referrer = plainReferrer(e.Referrer)
		claim, _ := referrerClick(c.Referrer)
		keys = append(keys, key("click", claim))
	} else {
		keys = append(keys, key("order", e.OrderID))
	}
	c.Keys = tidy(keys)
	return c
}
