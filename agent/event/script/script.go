// Package script reads and writes the text scripts of the agent: requests, and the answers and
// events that should come of them. The same scripts go through the pure packages alone and
// through the whole door.
package script

import (
	"fmt"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Block is one request of a script and what should come of it.
type Block struct {
	Text    string // the request as it stands in the script, with its comments
	Comment string
	Method  string
	Target  string
	Headers []string // "Name: value"
	Body    string
	Want    string
}

// Split cuts a script into blocks. What should come of a request stands under "----" and ends at
// an empty line.
func Split(s string) []Block {
	var blocks []Block
	for s != "" {
		text, rest, _ := strings.Cut(s, "----\n")
		if strings.TrimSpace(text) == "" {
			break
		}
		want, rest, found := strings.Cut(rest, "\n\n")
		if found {
			want += "\n"
		}
		blocks = append(blocks, read(strings.TrimLeft(text, "\n"), want))
		s = rest
	}
	return blocks
}

func read(text, want string) Block {
	b := Block{Text: text, Want: want}
	for strings.HasPrefix(text, "#") {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		b.Comment += strings.TrimSpace(strings.TrimPrefix(line, "#")) + " "
	}
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	b.Method, b.Target, _ = strings.Cut(lines[0], " ")
	b.Headers, b.Body = lines[1:], strings.TrimSuffix(body, "\n")
	return b
}

// Header is the value of a header of the request.
func (b *Block) Header(name string) string {
	for _, h := range b.Headers {
		if n, value, _ := strings.Cut(h, ": "); strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

// Events are the part of the expected result that describes events.
func (b *Block) Events() string {
	if strings.HasPrefix(b.Want, "event ") {
		return b.Want
	}
	if i := strings.Index(b.Want, "\nevent "); i >= 0 {
		return b.Want[i+1:]
	}
	return ""
}

// Describe writes an event as scripts have it: a line for each group of fields that are set.
func Describe(out *strings.Builder, e *protocol.Event) {
	fmt.Fprintf(out, "event %s %q id=%s app=%s\n", e.Kind, e.Name, e.ID, e.App)
	fmt.Fprintf(out, "  original=%s time=%s received=%s\n", instant(e.Original), instant(e.Time), instant(e.Received))
	line(out, "user", e.UserID, "anonymous", e.AnonymousID, "previous", e.PreviousID, "group", e.GroupID)
	line(out, "device", e.DeviceID, "gaid", e.GAID, "idfa", e.IDFA, "idfv", e.IDFV, "oaid", e.OAID)
	line(out, "source", e.MediaSource, "medium", e.Medium, "campaign", e.Campaign, "adset", e.AdSet, "ad", e.Ad, "keyword", e.Keyword,
		"sub1", e.Sub[0], "sub2", e.Sub[1], "sub5", e.Sub[4], "link", e.LinkID)
	line(out, "click", e.ClickID, "network", e.Network, "referrer", e.Referrer)
	line(out, "stated", stated(e.Stated))
	if e.Has(protocol.FlagHasRevenue) {
		line(out, "revenue", fmt.Sprint(e.Revenue), "currency", e.Currency)
	}
	line(out, "order", e.OrderID)
	if e.CostCurrency != "" {
		line(out, "cost", fmt.Sprint(e.Cost), "currency", e.CostCurrency)
	}
	for _, f := range [...]struct {
		flag protocol.Flags
		name string
	}{{protocol.FlagTrusted, "trusted"}, {protocol.FlagRetargeting, "retargeting"}, {protocol.FlagBot, "bot"}, {protocol.FlagClamped, "clamped"}, {protocol.FlagCrowd, "crowd"},
		{protocol.FlagHistorical, "historical"}, {protocol.FlagRefund, "refund"}} {
		if e.Has(f.flag) {
			line(out, "flag", f.name)
		}
	}
	if e.Consent != 0 {
		answers := [...]string{"unknown", "granted", "denied"}
		line(out, "attribution", answers[e.Consent.Get(protocol.PurposeAttribution)], "analytics", answers[e.Consent.Get(protocol.PurposeAnalytics)],
			"ads", answers[e.Consent.Get(protocol.PurposeAds)])
	}
	line(out, "ip", e.IP, "agent", e.UserAgent)
	line(out, "warnings", strings.Join(e.Warnings.Codes(), ","))
	fmt.Fprintf(out, "  %s\n", e.Payload)
}

// line writes the pairs whose value is not empty.
func line(out *strings.Builder, pairs ...string) {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, " %s=%s", pairs[i], pairs[i+1])
		}
	}
	if b.Len() > 0 {
		out.WriteString(" " + b.String() + "\n")
	}
}

func stated(s protocol.Stated) string {
	return [...]string{"", "by message", "by address", "by referrer", "by network", "by network's referrer", "by link", "by site"}[s]
}

func instant(ms int64) string {
	if ms == 0 {
		return "none"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
