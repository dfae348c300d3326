package postback

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Macro is a name that a template may hold in braces.
type Macro struct {
	Name   string
	About  string
	number bool // stands in JSON without quotes
	value  func(*Fact) string
}

// paramPrefix begins the macros of parameters that were stored with the click, {param.gbraid}, and
// secretPrefix those of the definition's secrets, {secret.token}, which nobody is shown again.
const (
	paramPrefix  = "param."
	secretPrefix = "secret."
)

// Macros lists the macros of templates, besides {param.NAME} for any parameter that was stored
// with the winning click and {secret.NAME} for a secret of the definition. A macro without a value becomes
// nothing, in JSON null where it stands bare.
func Macros() []Macro {
	text := func(name, about string, value func(*Fact) string) Macro {
		return Macro{Name: name, About: about, value: value}
	}
	number := func(name, about string, value func(*Fact) string) Macro {
		return Macro{Name: name, About: about, value: value, number: true}
	}
	return slices.Concat(conversionMacros(text, number), winnerMacros(text, number), personMacros(text))
}

type maker func(name, about string, value func(*Fact) string) Macro

func conversionMacros(text, number maker) []Macro {
	return []Macro{
		text("app_id", "the app", func(f *Fact) string { return f.App }),
		text("conversion_id", "the conversion's message id", func(f *Fact) string { return f.ConversionID }),
		text("event_name", "its name, such as Order Completed", func(f *Fact) string { return f.Event }),
		text("outcome", "install, reinstall, re_attribution or re_engagement; nothing for an in-app event", func(f *Fact) string { return f.Outcome }),
		number("event_time", "when it happened, seconds since 1970", func(f *Fact) string { return strconv.FormatInt(f.Time.Unix(), 10) }),
		number("event_time_ms", "when it happened, milliseconds since 1970", func(f *Fact) string { return strconv.FormatInt(f.Time.UnixMilli(), 10) }),
		text("event_time_iso", "when it happened, RFC 3339 in UTC", func(f *Fact) string { return f.Time.UTC().Format(time.RFC3339) }),
		text("event_time_google", "when it happened, as Google Ads imports want it", func(f *Fact) string { return f.Time.UTC().Format("2006-01-02 15:04:05+00:00") }),
		number("revenue", "decimal, negative for a refund", func(f *Fact) string { return f.Revenue }),
		text("currency", "ISO 4217 code", func(f *Fact) string { return f.Currency }),
		text("order_id", "the order's id", func(f *Fact) string { return f.OrderID }),
		text("country", "ISO 3166-1 code", func(f *Fact) string { return f.Country }),
		text("platform", "ios, android, web …", func(f *Fact) string { return f.Platform }),
	}
}

func winnerMacros(text, number maker) []Macro {
	clicked := func(f *Fact) string {
		if f.ClickTime.IsZero() {
			return ""
		}
		return strconv.FormatInt(f.ClickTime.Unix(), 10)
	}
	list := []Macro{
		text("media_source", "the winner's media source", func(f *Fact) string { return f.MediaSource }),
		text("campaign", "the winner's campaign", func(f *Fact) string { return f.Campaign }),
		text("adset", "the winner's ad set", func(f *Fact) string { return f.AdSet }),
		text("ad", "the winner's ad", func(f *Fact) string { return f.Ad }),
		text("keyword", "the winner's keyword", func(f *Fact) string { return f.Keyword }),
		text("link_id", "the winner's tracking link", func(f *Fact) string { return f.LinkID }),
		text("click_id", "the winner's click id, as the network gave it", func(f *Fact) string { return f.ClickID }),
		text("touch_id", "the winner's message id", func(f *Fact) string { return f.TouchID }),
		number("click_time", "when the winner was, seconds since 1970", clicked),
		text("match", "what joined the winner to the conversion", func(f *Fact) string { return f.Match }),
	}
	for i := range 5 {
		list = append(list, text("sub"+strconv.Itoa(i+1), "a sub-publisher of the winner", func(f *Fact) string { return f.Sub[i] }))
	}
	return list
}

// personMacros are given only where the person did not deny the purpose ads, and addresses of
// people only hashed.
func personMacros(text maker) []Macro {
	consented := func(value func(*Fact) string) func(*Fact) string {
		return func(f *Fact) string {
			if !f.AdsConsent {
				return ""
			}
			return value(f)
		}
	}
	person := func(name, about string, value func(*Fact) string) Macro { return text(name, about, consented(value)) }
	return []Macro{
		person("gaid", "Google's advertising id", func(f *Fact) string { return f.GAID }),
		person("idfa", "Apple's advertising id", func(f *Fact) string { return f.IDFA }),
		person("idfv", "Apple's vendor id", func(f *Fact) string { return f.IDFV }),
		person("user_id", "the app's id of the person", func(f *Fact) string { return f.UserID }),
		person("user_id_sha256", "the same, SHA-256 in hex", func(f *Fact) string { return hashed(f.UserID) }),
		person("anonymous_id", "the SDK's id of the device", func(f *Fact) string { return f.AnonymousID }),
		person("email_sha256", "e-mail address: lower case, SHA-256 in hex", func(f *Fact) string { return hashed(f.Email) }),
		person("phone_sha256", "telephone number: digits only, SHA-256 in hex", func(f *Fact) string { return hashed(digits(f.Phone)) }),
		person("ip", "address of the device", func(f *Fact) string { return f.IP }),
		person("user_agent", "user agent of the device", func(f *Fact) string { return f.UserAgent }),
	}
}

// macroOf finds a macro by its name.
func macroOf(name string) (Macro, bool) {
	if param, found := strings.CutPrefix(name, paramPrefix); found && param != "" {
		return Macro{Name: name, value: func(f *Fact) string { return f.Params[param] }}, true
	}
	if secret, found := strings.CutPrefix(name, secretPrefix); found && secret != "" {
		return Macro{Name: name, value: func(f *Fact) string { return f.secrets[secret] }}, true
	}
	all := Macros()
	i := slices.IndexFunc(all, func(m Macro) bool { return m.Name == name })
	if i < 0 {
		return Macro{}, false
	}
	return all[i], true
}
