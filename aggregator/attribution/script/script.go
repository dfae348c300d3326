// Package script reads the text scripts that specify attribution, for every
// implementation to be held against: cases of commands, then ---- and the expected
// result. Times are relative to the script's zero, such as -7d+1ms.
package script

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Case is one case of a script: the facts and settings that its commands state.
type Case struct {
	Title    string
	Commands string // as written
	Want     string // as written
	Facts    attribution.Facts
	Settings attribution.Settings // the first version
	Later    []Version            // in order of From
}

// Version is a version of the settings that applies from a time on.
type Version struct {
	From     int64
	Settings attribution.Settings
}

// At returns the settings as they stood at a time, for any app.
func (c *Case) At(_ string, ms int64) *attribution.Settings {
	s := &c.Settings
	for i := range c.Later {
		if c.Later[i].From <= ms {
			s = &c.Later[i].Settings
		}
	}
	return s
}

// Parse reads a script: an introduction, and cases that each begin with a line
// "=== title".
func Parse(text string) (introduction string, cases []Case, err error) {
	parts := strings.Split(text, "\n=== ")
	for _, part := range parts[1:] {
		title, body, _ := strings.Cut(part, "\n")
		commands, want, _ := strings.Cut(body, "----\n")
		c := Case{Title: title, Commands: commands, Want: strings.TrimRight(want, "\n"), Settings: attribution.Default()}
		if err := c.run(); err != nil {
			return "", nil, fmt.Errorf("%s: %w", title, err)
		}
		cases = append(cases, c)
	}
	return strings.TrimRight(parts[0], "\n") + "\n", cases, nil
}

// run collects the facts and settings that the commands state.
func (c *Case) run() error {
	for line := range strings.Lines(c.Commands) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var read reader
		err := read.command(&c.Facts, c.newest(&read, words), words[0], options(words[1:]))
		if err = errors.Join(err, read.fault); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	for _, v := range append([]Version{{Settings: c.Settings}}, c.Later...) {
		if faults := v.Settings.Validate(); len(faults) > 0 {
			return fmt.Errorf("settings: %v", faults)
		}
	}
	return nil
}

// newest returns the version that a settings command changes; "settings from=+1d"
// begins another, a copy of the one before.
func (c *Case) newest(read *reader, words []string) *attribution.Settings {
	last := &c.Settings
	if len(c.Later) > 0 {
		last = &c.Later[len(c.Later)-1].Settings
	}
	from, given := options(words[1:])["from"]
	if words[0] != "settings" || !given {
		return last
	}
	next := *last
	next.Generation++
	next.Overrides = slices.Clone(next.Overrides)
	c.Later = append(c.Later, Version{From: zero + read.span(from), Settings: next})
	return &c.Later[len(c.Later)-1].Settings
}

// claims are the keys of the click ids that a conversion names itself.
func claims(c *attribution.Conversion) []string {
	var f attribution.Facts
	s := attribution.Default()
	f.Add(&protocol.Event{App: c.App, ID: c.ID, Kind: protocol.KindTrack, Name: attribution.InstallEvent, ClickID: c.ClickID, Referrer: c.Referrer}, &s)
	return f.Conversions[0].Keys
}

// conversionFrame returns a conversion as far as it has no values to read.
func conversionFrame(name string, o map[string]string, at, received int64, keys []string) attribution.Conversion {
	c := attribution.Conversion{
		ID: o["id"], App: "app", Name: "Order Completed", Time: at, Received: received, Install: name == "install",
		ClickID: o["click"], Referrer: o["referrer"], Withheld: o["consent"] == "denied", Keys: keys,
		Untrusted: o["key"] == "client",
	}
	if n, given := o["name"]; given {
		c.Name = n
	}
	return c
}

// conversion reads the rest of a conversion and states it.
func (read *reader) conversion(f *attribution.Facts, o map[string]string, c attribution.Conversion) {
	keys, received := c.Keys, c.Received
	c.Marks = read.marks(o["marks"])
	if begin, given := o["begin"]; given {
		c.InstallBegin = zero + read.span(begin)
	}
	if click, given := o["referrer_click"]; given {
		c.ReferrerClick = zero + read.span(click)
	}
	if r, given := o["revenue"]; given {
		c.Revenue, c.HasRevenue = read.micros(r), true
	}
	if c.Install {
		states(f, &c, o)
	} else if order, given := o["order"]; given {
		c.Keys = canonical(append(slices.Clone(c.Keys), attribution.KeyOrder+order))
	}
	named := canonical(slices.DeleteFunc([]string{attribution.Key(attribution.KeyClick, c.ClickID)}, func(k string) bool { return k == "" }))
	named = canonical(append(named, attribution.ClaimKeys(claims(&c))...))
	if !c.Withheld {
		claim(f, keys, named, received)
	}
	c.Keys = canonical(append(slices.Clone(c.Keys), named...))
	f.Conversions = append(f.Conversions, c)
}

// states completes an install by what its event says: the referrer unwrapped, and the
// touch of a campaign that it names itself.
func states(f *attribution.Facts, c *attribution.Conversion, o map[string]string) {
	s := attribution.Default()
	e := protocol.Event{
		App: c.App, ID: c.ID, Kind: protocol.KindTrack, Name: attribution.InstallEvent, Time: c.Time, Received: c.Received, AnonymousID: "somebody",
		ClickID: c.ClickID, Referrer: c.Referrer, MediaSource: o["source"], Campaign: o["campaign"], Network: o["network"],
	}
	if o["key"] == "server" {
		e.Flags |= protocol.FlagTrusted
	}
	if c.Withheld {
		e.Consent = e.Consent.With(protocol.PurposeAttribution, protocol.ConsentDenied)
	}
	said := attribution.Derive(&e, &s)
	for _, t := range said.Touches {
		t.Keys, t.Marks = attribution.PersonKeys(c.Keys), t.Marks|c.Marks
		f.Touches = append(f.Touches, t)
	}
	c.Referrer = said.Conversions[0].Referrer
}

// claim states the links from a person's keys to the clicks that a message names.
func claim(f *attribution.Facts, keys, clicks []string, received int64) {
	for _, click := range clicks {
		for _, key := range attribution.PersonKeys(keys) {
			if click != "" {
				f.Links = append(f.Links, attribution.Link{App: "app", A: min(key, click), B: max(key, click), Received: received})
			}
		}
	}
}

func canonical(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// options are the words "name=value" of a command.
func options(words []string) map[string]string {
	o := make(map[string]string)
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		o[name] = value
	}
	return o
}

// zero is the instant that times are relative to, 2026-06-01 12:00 UTC.
const zero = int64(1_780_315_200_000)

// reader reads values and keeps the first fault.
type reader struct{ fault error }

func (read *reader) command(f *attribution.Facts, s *attribution.Settings, name string, o map[string]string) error {
	keys := canonical(strings.FieldsFunc(o["keys"], func(r rune) bool { return r == ',' }))
	if _, given := o["keys"]; !given {
		keys = []string{"user:u"}
	}
	at := zero + read.span(o["t"])
	if look, given := o["look"]; given {
		keys = canonical(append(keys, attribution.KeyFingerprint+look))
	}
	received := at
	if r, given := o["received"]; given {
		received = zero + read.span(r)
	}
	switch name {
	case "settings":
		return read.setSettings(s, o)
	case "touch":
		t := attribution.Touch{
			ID: o["id"], App: "app", Time: at, Received: received, Kind: attribution.Click, MediaSource: o["source"], Campaign: o["campaign"],
			LinkID: o["link"], ClickID: o["click"], Retargeting: o["retargeting"] == "yes", Withheld: o["consent"] == "denied", Keys: keys,
		}
		if o["kind"] != "" {
			t.Kind = attribution.ParseKind(o["kind"])
		}
		t.Opened, t.Marks = o["opened"] == "yes", read.marks(o["marks"])
		if t.ClickID != "" {
			t.Keys = canonical(append(t.Keys, attribution.KeyClick+t.ClickID))
		}
		f.Touches = append(f.Touches, t)
	case "open": // the app, from no campaign
		f.Touches = append(f.Touches, attribution.Touch{
			ID: o["id"], App: "app", Time: at, Received: received, Kind: attribution.Open, Opened: true, Keys: keys,
		})
	case "page": // or an opening or another message that names a click
		t := attribution.Touch{
			ID: o["id"], App: "app", Time: at, Received: received, Kind: attribution.Visit, MediaSource: o["source"], Campaign: o["campaign"],
			ClickID: o["click"], Opened: o["opened"] == "yes", Withheld: o["consent"] == "denied", Marks: read.marks(o["marks"]), Keys: keys,
		}
		if t.MediaSource == "" {
			t.MediaSource = attribution.Direct
		}
		f.Touches = append(f.Touches, t)
		if !t.Withheld {
			claim(f, keys, []string{attribution.Key(attribution.KeyClick, t.ClickID)}, received)
		}
	case "convert", "install":
		read.conversion(f, o, conversionFrame(name, o, at, received, keys))
	case "link":
		read.links(f, o, received)
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

// links reads "link a=… b=…"; b may have one %d that runs from 0 to count-1.
func (read *reader) links(f *attribution.Facts, o map[string]string, received int64) {
	count := int64(1)
	if n, given := o["count"]; given {
		count = read.number(n)
	}
	for n := range count {
		a, b := o["a"], o["b"]
		if strings.Contains(b, "%") {
			b = fmt.Sprintf(b, n)
		}
		f.Links = append(f.Links, attribution.Link{App: "app", A: min(a, b), B: max(a, b), Received: received})
	}
}

// span reads "-7d+1ms" as milliseconds.
func (read *reader) span(text string) int64 {
	units := []struct {
		name string
		ms   int64
	}{{"ms", 1}, {"d", attribution.Day}, {"h", attribution.Hour}, {"m", attribution.Minute}, {"s", attribution.Second}}
	total := int64(0)
	for text != "" && text != "0" {
		end := 1 + strings.IndexAny(text[1:]+"+", "+-")
		part := text[:end]
		text = text[end:]
		for _, u := range units {
			if number, ok := strings.CutSuffix(part, u.name); ok {
				n, err := strconv.ParseInt(number, 10, 64)
				if err != nil {
					read.fault = errors.Join(read.fault, fmt.Errorf("bad time %s", part))
				}
				total += n * u.ms
				break
			}
		}
	}
	return total
}

// micros reads a decimal number with up to 6 places.
func (read *reader) micros(text string) int64 {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if err != nil {
		read.fault = errors.Join(read.fault, fmt.Errorf("bad amount %s", text))
	}
	return n
}
