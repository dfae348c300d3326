package attribution

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestScripts runs every case of testdata: commands, then ---- and the expected
// result. Times are relative to the script's zero, such as -7d+1ms.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("find scripts: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runFile(t, file) })
	}
}

func runFile(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), "\n=== ")
	out := []string{strings.TrimRight(parts[0], "\n") + "\n"}
	for _, part := range parts[1:] {
		title, body, _ := strings.Cut(part, "\n")
		commands, want, _ := strings.Cut(body, "----\n")
		got := runCase(t, title, commands)
		if want = strings.TrimRight(want, "\n"); !*update && got != want {
			t.Errorf("%s: %s\n--- got\n%s\n--- want\n%s", file, title, got, want)
		}
		out = append(out, title+"\n"+commands+"----\n"+got+"\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n=== ")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func runCase(t *testing.T, title, commands string) string {
	s := Default()
	var f Facts
	for line := range strings.Lines(commands) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := command(&f, &s, words[0], options(words[1:])); err != nil {
			t.Fatalf("%s: %s: %v", title, line, err)
		}
	}
	if faults := s.Validate(); len(faults) > 0 {
		t.Fatalf("%s: settings: %v", title, faults)
	}
	var b strings.Builder
	for _, r := range Settle(&f, func(string, int64) *Settings { return &s }) {
		printResult(&b, &r)
	}
	return strings.TrimRight(b.String(), "\n")
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

var scriptZero = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).UnixMilli()

func command(f *Facts, s *Settings, name string, o map[string]string) error {
	keys := canonical(strings.FieldsFunc(o["keys"], func(r rune) bool { return r == ',' }))
	if _, given := o["keys"]; !given {
		keys = []string{"user:u"}
	}
	at := scriptZero + span(o["t"])
	received := at
	if r, given := o["received"]; given {
		received = scriptZero + span(r)
	}
	switch name {
	case "settings":
		return setSettings(s, o)
	case "touch":
		t := Touch{
			ID: o["id"], App: "app", Time: at, Received: received, Kind: Click, MediaSource: o["source"], Campaign: o["campaign"],
			LinkID: o["link"], ClickID: o["click"], Retargeting: o["retargeting"] == "yes", Withheld: o["consent"] == "denied", Keys: keys,
		}
		if o["kind"] != "" {
			t.Kind = ParseKind(o["kind"])
		}
		if t.ClickID != "" {
			t.Keys = canonical(append(t.Keys, KeyClick+t.ClickID))
		}
		f.Touches = append(f.Touches, t)
	case "convert", "install":
		c := Conversion{
			ID: o["id"], App: "app", Name: "Order Completed", Time: at, Received: received, Install: name == "install",
			ClickID: o["click"], Referrer: o["referrer"], Withheld: o["consent"] == "denied", Keys: keys,
		}
		if r, given := o["revenue"]; given {
			c.Revenue, c.HasRevenue = micros(r), true
		}
		c.Keys = canonical(appendClaims(c.Keys, &c))
		f.Conversions = append(f.Conversions, c)
	case "link":
		f.Links = append(f.Links, Link{App: "app", A: min(o["a"], o["b"]), B: max(o["a"], o["b"]), Received: received})
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

func setSettings(s *Settings, o map[string]string) error {
	for name, v := range o {
		switch name {
		case "lookback":
			s.Lookback = span(v)
		case "half_life":
			s.HalfLife = span(v)
		case "click_window":
			s.ClickWindow = span(v)
		case "impression_window":
			s.ImpressionWindow = span(v)
		case "reattribution":
			s.Reattribution = span(v)
		case "lateness":
			s.Lateness = span(v)
		case "link":
			link, window, _ := strings.Cut(v, ":")
			s.Overrides = append(s.Overrides, Override{LinkID: link, ClickWindow: span(window)})
		case "source":
			source, window, _ := strings.Cut(v, ":")
			s.Overrides = append(s.Overrides, Override{MediaSource: source, ClickWindow: span(window)})
		case "position":
			weights := strings.Split(v, ":")
			s.PositionFirst, s.PositionMiddle, s.PositionLast = micros(weights[0]), micros(weights[1]), micros(weights[2])
		case "transform":
			s.Transform = Transform(v)
		case "impressions":
			s.ImpressionsInMTA = v == "yes"
		default:
			return fmt.Errorf("unknown setting %s", name)
		}
	}
	return nil
}

// span reads "-7d+1ms" as milliseconds.
func span(text string) int64 {
	units := []struct {
		name string
		ms   int64
	}{{"ms", 1}, {"d", Day}, {"h", Hour}, {"m", Minute}, {"s", Second}}
	total := int64(0)
	for text != "" && text != "0" {
		end := 1 + strings.IndexAny(text[1:]+"+", "+-")
		part := text[:end]
		text = text[end:]
		for _, u := range units {
			if number, ok := strings.CutSuffix(part, u.name); ok {
				n, err := strconv.ParseInt(number, 10, 64)
				if err != nil {
					panic("bad time " + part)
				}
				total += n * u.ms
				break
			}
		}
	}
	return total
}

// micros reads a decimal number with up to 6 places.
func micros(text string) int64 {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if err != nil {
		panic("bad amount " + text)
	}
	return n
}

func decimal(v int64) string {
	sign := ""
	if v < 0 {
		sign = "-"
	}
	m := magnitude(v)
	return fmt.Sprintf("%s%d.%06d", sign, m/1e6, m%1e6)
}

func printResult(b *strings.Builder, r *Result) {
	fmt.Fprintf(b, "%s inputs=%d", r.ID, r.Inputs)
	if r.Organic() {
		b.WriteString(" organic")
	}
	b.WriteString("\n")
	for i := range r.Touches {
		t := &r.Touches[i]
		fmt.Fprintf(b, "  %-3s", t.Touch.ID)
		for m := range ModelCount {
			fmt.Fprintf(b, " %7d", t.Credit[m])
		}
		b.WriteString("\n")
		if r.Revenue != 0 {
			b.WriteString("     ")
			for m := range ModelCount {
				b.WriteString(" " + decimal(t.Revenue[m]))
			}
			b.WriteString("\n")
		}
	}
	if in := &r.Install; in.Outcome != NoInstall {
		fmt.Fprintf(b, "  install %s", in.Outcome)
		if in.ID != r.ID {
			fmt.Fprintf(b, " of %s", in.ID)
		}
		fmt.Fprintf(b, ", source %q, touch %q, match %q: %s\n", in.MediaSource, in.TouchID, in.Match, in.Reason)
	}
	for _, c := range r.Candidates {
		if c.Touch == nil {
			fmt.Fprintf(b, "  claim %s by %s: %s\n", c.Claim, c.Match, c.Verdict)
			continue
		}
		fmt.Fprintf(b, "  %s %s by %s: %s\n", c.Touch.Kind, c.Touch.ID, c.Match, c.Verdict)
	}
}
