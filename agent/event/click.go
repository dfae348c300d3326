package event

import (
	"encoding/json"
	"net/url"
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
		Campaign: link.Campaign, AdSet: link.AdSet, Ad: link.Ad, Keyword: link.Keyword,
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
	parameters := m.readParameters(k)
	payload, err := json.Marshal(map[string]any{"type": k.Kind.String(), "link": link.Slug, "query": parameters, "referrer": clip(Clean(k.Referrer), MaxReferrer)})
	if err != nil || len(payload) > m.EventBytes {
		payload = []byte(`{}`)
	}
	e.Payload, e.Digest = payload, digest(k.Kind, payload)
}

// readParameters sets what the parameters of a link mean, and returns them all
// to be stored: any of them can be asked for by a postback.
func (m *Maker) readParameters(k *Click) map[string]string {
	e := &m.Event
	all := make(map[string]string, min(len(k.Parameters), k.Keys))
	cost := ""
	var networks query
	for name, list := range k.Parameters {
		name, value := Clean(name), Clean(list[0])
		if len(all) < k.Keys {
			all[name] = clip(value, k.Value)
		}
		switch f := touchField(e, name); {
		case name == "media_source": // whose link it is, is not for its visitors to say
		case name == "cost":
			cost = value
		case name == "gaid":
			e.GAID = androidID(bounded(value))
		case name == "oaid":
			e.OAID = androidID(bounded(value))
		case name == "idfa":
			e.IDFA = appleID(bounded(value))
		case name == "idfv":
			e.IDFV = appleID(bounded(value))
		case f != nil && value != "":
			*f = short(value)
		case networkName(name) != "":
			networks.take(name, url.QueryEscape(value))
		}
	}
	e.ClickID = first(e.ClickID, networks.networkID)
	if !m.setCost(cost) {
		e.Cost, e.CostCurrency = 0, "" // a wrong cost does not undo the click
	}
	return all
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
