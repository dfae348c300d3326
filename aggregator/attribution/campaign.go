package attribution

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// campaign is where a touch came from.
type campaign struct {
	source, medium, campaign, adSet, ad, keyword string

	clickID string // our own, or a network's
	network string // the network that names a click id of its own, if one does

	foreignID bool // clickID is that network's
}

func eventCampaign(e *protocol.Event) campaign {
	return campaign{
		source: strings.TrimSpace(e.MediaSource), medium: strings.TrimSpace(e.Medium),
		campaign: strings.TrimSpace(e.Campaign), adSet: strings.TrimSpace(e.AdSet),
		ad: strings.TrimSpace(e.Ad), keyword: strings.TrimSpace(e.Keyword),
		clickID: strings.TrimSpace(e.ClickID),
	}
}

// empty reports whether nothing says that a visit came from a campaign.
func (c *campaign) empty() bool { return *c == campaign{} }

// nameSource names the media source after the network that made the click id,
// if nothing else names it. Without either it is direct: no touch is nameless.
func (c *campaign) nameSource() {
	if c.source == "" {
		c.source = c.network
	}
	if c.source == "" {
		c.source = Direct
	}
}

// Direct is the media source of a visit that nothing else names.
const Direct = "direct"

// networkParam is a query parameter that an ad network adds to a landing page.
type networkParam struct{ param, network string }

func networkParams() [9]networkParam {
	return [...]networkParam{
		{"gclid", "google"}, {"wbraid", "google"}, {"gbraid", "google"}, {"dclid", "google"},
		{"fbclid", "facebook"}, {"ttclid", "tiktok"}, {"msclkid", "microsoft"},
		{"twclid", "twitter"}, {"li_fat_id", "linkedin"},
	}
}

// addQuery fills the fields that are still empty from the query of a landing page or of
// an install referrer.
func (c *campaign) addQuery(q url.Values) {
	for _, f := range [...]struct {
		field *string
		param string
	}{
		{&c.clickID, "click_id"}, {&c.source, "utm_source"}, {&c.medium, "utm_medium"},
		{&c.campaign, "utm_campaign"}, {&c.keyword, "utm_term"}, {&c.ad, "utm_content"},
	} {
		if *f.field == "" {
			*f.field = bounded(q.Get(f.param))
		}
	}
	for _, n := range networkParams() {
		if id := bounded(q.Get(n.param)); id != "" {
			c.network = n.network
			if c.clickID == "" {
				c.clickID, c.foreignID = id, true
			}
			return
		}
	}
}

// fill fills the fields that are still empty from another campaign.
func (c *campaign) fill(from campaign) {
	for _, f := range [...]struct {
		field *string
		value string
	}{
		{&c.source, from.source}, {&c.medium, from.medium}, {&c.campaign, from.campaign}, {&c.adSet, from.adSet},
		{&c.ad, from.ad}, {&c.keyword, from.keyword}, {&c.network, from.network},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if c.clickID == "" {
		c.clickID, c.foreignID = from.clickID, from.foreignID
	}
}

// bounded trims a value from outside; one that is too long becomes empty.
func bounded(v string) string {
	v = strings.TrimSpace(v)
	if len(v) > maxID {
		return ""
	}
	return v
}

// addPage fills a campaign from the address of the page that was opened. The
// payload is parsed only if it can hold such an address.
func (c *campaign) addPage(e *protocol.Event) {
	if !mayHoldCampaign(e.Payload) {
		return
	}
	var p fastjson.Parser
	v, err := p.ParseBytes(e.Payload)
	if err != nil { // the agent validated it; an event that is none has no page
		return
	}
	for _, path := range [...][]string{
		{"context", "page", "search"}, {"context", "page", "url"},
		{"properties", "search"}, {"properties", "url"},
	} {
		if s := v.GetStringBytes(path...); len(s) > 0 {
			c.addQuery(queryOf(string(s)))
		}
	}
}

// mayHoldCampaign reports whether the name of a campaign parameter occurs.
func mayHoldCampaign(payload []byte) bool {
	for _, name := range [...]string{"utm_", "clid=", "click_id=", "clkid=", "braid=", "li_fat_id="} {
		if bytes.Contains(payload, []byte(name)) {
			return true
		}
	}
	return false
}

// queryOf returns the parameters of an address or of the bare query "?a=b".
// Malformed pairs are left out.
func queryOf(address string) url.Values {
	_, query, found := strings.Cut(address, "?")
	if !found {
		return nil
	}
	query, _, _ = strings.Cut(query, "#")
	values, _ := url.ParseQuery(query) // the pairs that are well-formed
	return values
}

// parseReferrer reads a Play install referrer such as
// "utm_source=news&utm_medium=cpc&click_id=42", also if it is still escaped or
// within the address of a store page.
func parseReferrer(referrer string) campaign {
	var c campaign
	referrer = strings.TrimSpace(referrer)
	if strings.Contains(referrer, "://") {
		q := queryOf(referrer)
		referrer = q.Get("referrer")
		if referrer == "" {
			c.addQuery(q)
			return c
		}
	}
	if !strings.Contains(referrer, "=") {
		if unescaped, err := url.QueryUnescape(referrer); err == nil {
			referrer = unescaped
		}
	}
	values, _ := url.ParseQuery(strings.TrimPrefix(referrer, "?"))
	c.addQuery(values)
	return c
}

// maxWraps is how many times a referrer may be wrapped: escaped again, or the referrer
// parameter of another one.
const maxWraps = 4

// unwrapReferrer returns the parameters that an install referrer carries, however often it
// was escaped or put into another one, "" if it says that there was no campaign.
func unwrapReferrer(referrer string) string {
	text := strings.TrimSpace(referrer)
	for range maxWraps {
		inner := ""
		switch {
		case strings.Contains(text, "://"):
			inner = queryOf(text).Get("referrer")
		case !strings.Contains(text, "="):
			if plain, err := url.QueryUnescape(text); err == nil && plain != text {
				inner = plain
			}
		default:
			values, _ := url.ParseQuery(strings.TrimPrefix(text, "?")) // the pairs that are well-formed
			if values.Get("click_id") == "" && values.Get("utm_source") == "" {
				inner = values.Get("referrer")
			}
		}
		if inner = strings.TrimSpace(inner); inner == "" {
			break
		}
		text = inner
	}
	if c := parseReferrer(text); c.clickID == "" && saysNothing(text, &c) {
		return ""
	}
	return text
}

// saysNothing reports whether a referrer without a click id is one of the ways to say
// that there was no campaign: Play's "utm_source=google-play&utm_medium=organic", or a
// value for "none".
func saysNothing(text string, c *campaign) bool {
	if organicReferrer(text, c) || placeholder(text) {
		return true
	}
	source := c.source
	if plain, err := url.QueryUnescape(source); err == nil {
		source = plain
	}
	switch strings.ToLower(strings.TrimSpace(source)) {
	case "(not set)", "(direct)", "(none)", "not set":
		return c.campaign == ""
	case "null", "undefined":
		return true
	}
	medium := strings.ToLower(c.medium)
	return medium == "organic" || medium == "(none)" && c.campaign == ""
}

// ours reports whether the click id is one that a tracking link of this system
// put there, rather than only a network's.
func (c *campaign) ours() bool { return c.clickID != "" && !c.foreignID }

// organicReferrer reports whether a referrer says that the person came to the
// store without a campaign; Play itself then says
// "utm_source=google-play&utm_medium=organic".
func organicReferrer(referrer string, c *campaign) bool {
	switch {
	case c.clickID != "":
		return false
	case strings.TrimSpace(referrer) == "", c.medium == "organic", c.source == "(not set)":
		return true
	}
	return strings.Contains(referrer, "://") && c.empty()
}

// direct reports whether a touch came from no campaign at all: its media source
// says so and it names no campaign or link, or it is a visit that names nothing.
func direct(t *Touch) bool {
	switch t.MediaSource {
	case "":
		return t.Kind == Visit && t.Medium == "" && t.Campaign == "" && t.ClickID == "" && t.LinkID == ""
	case "direct", "Direct", "(direct)":
		return t.Campaign == "" && t.LinkID == ""
	}
	return false
}
