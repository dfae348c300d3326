package deliveries

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postback"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// attributed is a conversion as it is attributed now.
type attributed struct {
	postback.Fact
	received   time.Time // by the agent's clock
	historical bool      // imported: nobody is told
	gone       bool      // counted with another one
}

// facts reads conversions with the messages behind them and behind their winners.
func (c *Courier) facts(ctx context.Context, app string, conversions []string) (map[string]attributed, error) {
	rows, err := c.o.Source.Attributions(ctx, app, conversions)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, 2*len(rows))
	for i := range rows {
		ids = append(ids, rows[i].Conversion.ID)
		if touch := rows[i].Result.Install.TouchID; touch != "" {
			ids = append(ids, touch)
		}
	}
	events, err := c.o.Source.EventsByID(ctx, app, ids)
	if err != nil {
		return nil, err
	}
	facts := make(map[string]attributed, len(rows))
	for i := range rows {
		row := &rows[i]
		message, found := events[row.Conversion.ID]
		if !found {
			continue // erased
		}
		winner := events[row.Result.Install.TouchID]
		facts[row.Conversion.ID] = factOf(row, &message, &winner)
	}
	return facts, nil
}

// factOf puts together the fact that a postback tells of a conversion. The source is the winner's of the install that a
// conversion belongs to, or of a retargeting touch within its window.
func factOf(row *attribution.Row, message, winner *protocol.Event) attributed {
	c, r := &row.Conversion, &row.Result
	in := &r.Install
	f := postback.Fact{
		App: c.App, ConversionID: c.ID, Event: c.Name, Time: time.UnixMilli(c.Time),
		Outcome:  postback.OutcomeWord(c.Install, string(in.Outcome)),
		Currency: c.Currency, OrderID: message.OrderID, Country: message.Country,
		MediaSource: in.MediaSource, Campaign: in.Campaign, AdSet: in.AdSet, Ad: in.Ad, Keyword: in.Keyword,
		LinkID: in.LinkID, TouchID: in.TouchID, Match: string(in.Match),
		UserID: message.UserID, AnonymousID: message.AnonymousID, GAID: message.GAID, IDFA: message.IDFA, IDFV: message.IDFV,
		IP: message.IP, UserAgent: message.UserAgent, AdsConsent: message.Consent.Get(protocol.PurposeAds) != protocol.ConsentDenied,
	}
	if f.TouchID == "" {
		f.MediaSource, f.Campaign = "", "" // organic and unattributed are nobody's
	}
	if c.HasRevenue {
		f.Revenue = postback.Millionths(r.Revenue)
	}
	if winner.ID != "" {
		f.ClickID, f.Sub, f.ClickTime, f.Params = winner.ClickID, winner.Sub, time.UnixMilli(winner.Time), params(winner.Payload)
	}
	person(&f, message.Payload)
	return attributed{Fact: f, received: time.UnixMilli(c.Received), historical: message.Flags&protocol.FlagHistorical != 0}
}

// maxParams bounds how many parameters of a click a template can name.
const maxParams = 200

// params are what came with a click: the query of a tracking link, or the fields of a server's touch.
func params(payload []byte) map[string]string {
	var click struct {
		Query map[string]any `json:"query"`
	}
	if json.Unmarshal(payload, &click) != nil || click.Query == nil {
		var fields map[string]any
		if json.Unmarshal(payload, &fields) != nil {
			return nil
		}
		click.Query = fields
	}
	list := make(map[string]string)
	for name, value := range click.Query {
		if text, ok := scalar(value); ok && len(list) < maxParams {
			list[name] = text
		}
	}
	return list
}

// scalar is the text of a value, the first of a list.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case float64, bool:
		return fmt.Sprint(v), true
	case []any:
		if len(v) > 0 {
			return scalar(v[0])
		}
	}
	return "", false
}

// person fills in what SDKs write in traits and properties.
func person(f *postback.Fact, payload []byte) {
	type traits struct {
		Email string `json:"email"`
		Phone string `json:"phone"`
	}
	var message struct {
		Context struct {
			Traits traits `json:"traits"`
			Device struct {
				Type string `json:"type"`
			} `json:"device"`
			OS struct {
				Name string `json:"name"`
			} `json:"os"`
		} `json:"context"`
		Properties traits `json:"properties"`
		Traits     traits `json:"traits"`
	}
	_ = json.Unmarshal(payload, &message) // a field of another type is passed over, the others are read
	for _, t := range []traits{message.Properties, message.Traits, message.Context.Traits} {
		if f.Email == "" {
			f.Email = t.Email
		}
		if f.Phone == "" {
			f.Phone = t.Phone
		}
	}
	f.Platform = platform(message.Context.OS.Name, message.Context.Device.Type)
}

// platform is the word of the reports for the system or device that a message names.
func platform(names ...string) string {
	for _, name := range names {
		switch name = strings.ToLower(name); {
		case strings.Contains(name, "android"):
			return "android"
		case name == "ios" || name == "ipados" || name == "iphone os":
			return "ios"
		case name != "":
			return name
		}
	}
	return ""
}
