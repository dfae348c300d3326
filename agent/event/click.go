package event

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Click is a click on a link, or an impression of it.
type Click struct {
	Link       *protocol.Link
	Kind       protocol.Kind
	ID         string
	Parameters url.Values // of the link's address
	Referrer   string     // page that led there
	Keys       int        // parameters that are stored, at most
	Value      int        // bytes of each, at most
}

// MakeClick makes Event of a click. Nothing in a click can make it unusable: a link that fails
// helps nobody.
func (m *Maker) MakeClick(k *Click, watch func(*protocol.Event)) {
	e, link := &m.Event, k.Link
	*e = protocol.Event{
		App: link.App, ID: k.ID, Kind: k.Kind, LinkID: link.ID, MediaSource: link.MediaSource,
		Stated: protocol.StatedByLink, Campaign: link.Campaign, AdSet: link.AdSet, Ad: link.Ad, Keyword: link.Keyword,
		// The agent is the client here and stamps once: its clock is the original time.
		Original: m.Received, Time: m.Received, Received: m.Received,
		IP: m.Client.Address(), UserAgent: clip(Clean(m.Client.Agent()), MaxUserAgent),
	}
	if link.Retargeting {
		e.Flags |= protocol.FlagRetargeting
	}
	m.classify()
	e.Country = m.Client.Country(e.IP)
	watch(e)
	m.hide()
	parameters := readParameters(e, k)
	payload, err := json.Marshal(map[string]any{"type": k.Kind.String(), "link": link.Slug, "query": parameters, "referrer": clip(Clean(k.Referrer), MaxReferrer)})
	if err != nil || len(payload) > m.EventBytes {
		payload = []byte(`{}`)
	}
	e.Payload, e.Digest = payload, digest(k.Kind, payload)
}

// readParameters sets the fields that the parameters of a link stand for, and
// returns all parameters to be stored: any of them can be asked for by a postback.
func readParameters(e *protocol.Event, k *Click) map[string]string {
	all := make(map[string]string, min(len(k.Parameters), k.Keys))
	for name, list := range k.Parameters {
		if name, value := Clean(name), Clean(list[0]); len(all) < k.Keys {
			all[name] = clip(value, k.Value)
		}
	}
	for _, f := range [...]struct {
		field *string
		names []string // the first that has a value counts
	}{
		{&e.Campaign, []string{"campaign", "c", "utm_campaign"}}, {&e.Medium, []string{"medium", "utm_medium"}},
		{&e.AdSet, []string{"adset", "af_adset", "adgroup"}}, {&e.Ad, []string{"ad", "af_ad", "creative", "utm_content"}},
		{&e.Keyword, []string{"keyword", "af_keywords", "utm_term"}}, {&e.ClickID, []string{"click_id", "clickid", "af_click_id"}},
		{&e.Sub[0], []string{"sub1", "af_sub1"}}, {&e.Sub[1], []string{"sub2", "af_sub2"}}, {&e.Sub[2], []string{"sub3", "af_sub3"}},
		{&e.Sub[3], []string{"sub4", "af_sub4"}}, {&e.Sub[4], []string{"sub5", "af_sub5"}}, {&e.CostCurrency, []string{"cost_currency", "af_cost_currency"}},
		{&e.GAID, []string{"gaid", "advertising_id", "gps_adid", "aaid"}}, {&e.IDFA, []string{"idfa"}}, {&e.IDFV, []string{"idfv"}}, {&e.OAID, []string{"oaid"}},
	} {
		if value := clickValue(k.Parameters, f.names); value != "" {
			*f.field = value
		}
	}
	if e.MediaSource == "" { // whose link it is, is not for its visitors to say, unless nobody did
		e.MediaSource = clickValue(k.Parameters, []string{"media_source", "pid", "utm_source"})
	}
	e.GAID, e.OAID, e.IDFA, e.IDFV = androidID(e.GAID), androidID(e.OAID), appleID(e.IDFA), appleID(e.IDFV)
	if protocol.SaysNothing(e.ClickID) {
		e.ClickID = ""
	}
	clickNetwork(e, k.Parameters)
	if !setCost(e, clickValue(k.Parameters, []string{"cost", "af_cost_value"})) {
		e.Cost, e.CostCurrency = 0, "" // a wrong cost does not undo the click
	}
	return all
}

// clickNetwork sets the click id of the network that sent somebody to a link.
func clickNetwork(e *protocol.Event, parameters url.Values) {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		network := protocol.NetworkOf(name)
		if network == "" || e.Network != "" {
			continue
		}
		if id := clickValue(parameters, []string{name}); id != "" && e.ClickID == "" {
			e.ClickID, e.Network = id, network
		}
	}
}

// clickValue is the value of the first of some parameters that has one. A macro that was not
// replaced, and an id too long to be one, are none.
func clickValue(parameters url.Values, names []string) string {
	for _, name := range names {
		value := bounded(strings.TrimSpace(Clean(parameters.Get(name))))
		switch name {
		case "gaid", "advertising_id", "gps_adid", "aaid", "idfa", "idfv", "oaid":
			if protocol.SaysNothing(value) {
				value = ""
			}
		}
		if value != "" && !unnamed(value) {
			return value
		}
	}
	return ""
}

// bounded drops an id that is too long to be one, such as an unfilled macro of a
// network with text around it.
func bounded(id string) string {
	if len(id) > MaxID {
		return ""
	}
	return id
}

// Clean makes text from a header or an address storable.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
