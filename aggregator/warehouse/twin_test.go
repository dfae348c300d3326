package warehouse

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// twinWorld draws facts of few people around the limits of attribution: windows
// to the millisecond, lateness to the millisecond, touches at one instant,
// repeated messages, ids used twice, chains of links, refunds and huge amounts.
type twinWorld struct {
	r     *rand.Rand
	s     attribution.Settings // until base - 5 days
	later attribution.Settings
	f     attribution.Facts
}

// at returns the settings of a time.
func (w *twinWorld) at(_ string, ms int64) *attribution.Settings {
	if ms >= base-5*attribution.Day {
		return &w.later
	}
	return &w.s
}

func (w *twinWorld) some(values ...string) string { return values[w.r.IntN(len(values))] }

func (w *twinWorld) keys(click string) []string {
	set := map[string]bool{}
	for range w.r.IntN(3) {
		set[w.key()] = true
	}
	if click != "" {
		set[attribution.KeyClick+click] = true
	}
	var keys []string
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (w *twinWorld) key() string {
	return fmt.Sprintf("%s%d", w.some("user:u", "anon:a", "device:d"), w.r.IntN(12))
}

func (w *twinWorld) time() int64 {
	s := &w.s
	edges := []int64{0, s.Reengagement, s.Inactivity, s.ProbabilisticClick, s.Reengagement + s.ClickWindow, s.Reengagement + s.Inactivity, s.Fraud.MinClickToInstall, s.Lookback, s.ClickWindow, s.ImpressionWindow, attribution.Day, attribution.Hour, s.Reattribution, 5 * attribution.Day}
	at := base - edges[w.r.IntN(len(edges))]
	switch w.r.IntN(4) {
	case 0:
		return at
	case 1:
		return at + w.r.Int64N(3) - 1
	case 2:
		return at + (w.r.Int64N(7)-3)*attribution.Day
	}
	return base - w.r.Int64N(45*attribution.Day)
}

func (w *twinWorld) received(at int64) int64 {
	late := []int64{0, 0, 0, 1000, w.s.Lateness - 1, w.s.Lateness, w.s.Lateness + 1, w.r.Int64N(10 * attribution.Day)}
	return at + max(0, late[w.r.IntN(len(late))])
}

func (w *twinWorld) touch(id string) attribution.Touch {
	at, click := w.time(), w.some("", "", "k1", "k2")
	kind := []attribution.Kind{attribution.Click, attribution.Click, attribution.Impression, attribution.Visit}[w.r.IntN(4)]
	return attribution.Touch{
		ID: id, App: w.some("app", "app", "app", "other"), Original: at, Time: at, Received: w.received(at), Digest: w.r.Uint64(), Kind: kind,
		MediaSource: w.some("google", "facebook", "direct", "", ""), Medium: w.some("", "", "cpc"), Campaign: w.some("", "", "spring"),
		AdSet: w.some("", "set"), Ad: w.some("", "ad"), Keyword: w.some("", "shoes"), LinkID: w.some("", "", "l1", "l2"), ClickID: click,
		Withheld: w.r.IntN(15) == 0, Retargeting: w.r.IntN(3) == 0, Keys: w.keys(w.recorded(kind, click)), Marks: w.marks() | w.origin(),
	}
}

// recorded is the click id that a touch is found by: most visits that name one are arrivals.
func (w *twinWorld) recorded(kind attribution.Kind, click string) string {
	if kind == attribution.Visit && w.r.IntN(5) > 0 {
		return ""
	}
	return click
}

// origin draws marks that are no signs of fraud.
func (w *twinWorld) origin() (m attribution.Marks) {
	for _, one := range []attribution.Marks{attribution.MarkHistorical, attribution.MarkTrusted, attribution.MarkNetwork, attribution.MarkSite} {
		if w.r.IntN(8) == 0 {
			m |= one
		}
	}
	return m
}

// stated draws the touch of a campaign that an install names itself.
func (w *twinWorld) stated(c *attribution.Conversion) attribution.Touch {
	return attribution.Touch{
		ID: c.ID, App: c.App, Original: c.Original, Time: c.Time, Received: c.Received, Digest: c.Digest, Kind: attribution.Stated,
		MediaSource: w.some("google", "Meta", "partner", "direct"), Campaign: w.some("", "c"), ClickID: w.some("", c.ClickID, "k3"), Withheld: c.Withheld,
		Marks: c.Marks | w.origin(), Keys: attribution.PersonKeys(c.Keys),
	}
}

// opening draws an opening of the app, from a campaign or not.
func (w *twinWorld) opening(id string) attribution.Touch {
	t := w.touch(id)
	if t.Opened, t.Withheld = true, false; w.r.IntN(3) > 0 {
		return attribution.Touch{
			ID: id, App: t.App, Original: t.Original, Time: t.Time, Received: t.Received, Digest: t.Digest,
			Kind: attribution.Open, Opened: true, Keys: canonicalKeys([]string{w.key(), w.key()}),
		}
	}
	t.Kind = attribution.Visit
	return t
}

func (w *twinWorld) marks() attribution.Marks {
	return []attribution.Marks{0, 0, 0, 0, 0, attribution.MarkBot, attribution.MarkMalformedID, attribution.MarkBlockedAddress, attribution.MarkCrowd, 15}[w.r.IntN(10)]
}

// fingerprints of few devices, one of each day.
func (w *twinWorld) fingerprints(device, days int) []string {
	var keys []string
	for day := range days {
		keys = append(keys, fmt.Sprintf("%s%d-%d", attribution.KeyFingerprint, device, day))
	}
	return keys
}

func (w *twinWorld) conversion(id string) attribution.Conversion {
	at, click := w.time(), w.some("", "", "k1")
	c := attribution.Conversion{
		ID: id, App: w.some("app", "app", "app", "other"), Name: "Order Completed", Original: at, Time: at, Received: w.received(at), Digest: w.r.Uint64(),
		Marks: w.origin() & (attribution.MarkHistorical | attribution.MarkTrusted), Untrusted: w.r.IntN(3) == 0,
		Install: w.r.IntN(4) == 0, HasRevenue: w.r.IntN(4) > 0, Currency: "EUR", ClickID: click, Withheld: w.r.IntN(20) == 0, Keys: w.keys(click),
	}
	if c.Install {
		c.Name, c.Referrer = attribution.InstallEvent, w.some(twinReferrers()...)
		c.Keys = canonicalKeys(append(c.Keys, claimedKeys(&c)...))
		if w.r.IntN(2) == 0 {
			c.Keys = canonicalKeys(append(c.Keys, w.fingerprints(w.r.IntN(6), 1+w.r.IntN(3))...))
		}
		begin := []int64{0, 0, at - 5_000, at - 60_000, at - attribution.Day}
		c.InstallBegin, c.ReferrerClick, c.Marks = begin[w.r.IntN(5)]/1000*1000, begin[w.r.IntN(5)]/1000*1000, c.Marks|w.marks()
	} else if w.r.IntN(2) == 0 {
		c.Keys = canonicalKeys(append(c.Keys, attribution.KeyOrder+w.some("n1", "n2", "n3", "n4")))
		c.Name = w.some("Order Completed", "Order Completed", "Shipped")
	}
	c.Revenue = []int64{0, 1, -1, w.r.Int64N(2000) - 1000, w.r.Int64N(1 << 62), -1 << 63, 1<<63 - 1}[w.r.IntN(7)]
	return c
}

// twinReferrers are what installs carry: in all shapes that a referrer may have.
func twinReferrers() []string {
	return []string{
		"", "", "", "", "click_id=k1", "click_id=k2&utm_source=x", "click_id%3Dk1%26utm_source%3Dx", "?click_id=k2", " click_id=+k1%09&a=b ", "utm_source=other&utm_campaign=x",
		"utm_source=google-play&utm_medium=organic", "utm_source=(not%20set)&utm_medium=(not%20set)", "gclid=k2", "gclid=g9", "fbclid=&ttclid=k1", "wbraid=%zz&gbraid=k2",
		"click_id=a;b&gclid=k1", "click_id=%6b1&click_id=k2", "junk", "a%3Db;c", "100%", "https://www.google.com/", "https://shop.example/?utm_campaign=x#click_id=k1",
		"https://play.google.com/store/apps/details?id=a&referrer=click_id%3Dk1", "https://play.google.com/store/apps/details?referrer=%3Fclick_id%253Dk2&click_id=k1",
		"click_id={click_id}", "click_id=__CLICK__&gclid=k1", "click_id=00000000", "utm_source=\u00a0&utm_medium=\u2003organic\u2003", "click_id=" + strings.Repeat("x", 300), "click_id", "=k1", "&&", " ",
	}
}

// claimedKeys are the keys of the click ids that an install names.
func claimedKeys(c *attribution.Conversion) []string {
	s := attribution.Default()
	e := protocol.Event{Kind: protocol.KindTrack, Name: attribution.InstallEvent, ClickID: c.ClickID, Referrer: c.Referrer}
	f := attribution.Derive(&e, &s)
	return f.Conversions[0].Keys
}

func canonicalKeys(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// fill draws count facts.
func (w *twinWorld) fill(count int) {
	for i := range count {
		id := fmt.Sprintf("m%04d", i)
		switch w.r.IntN(10) {
		case 0, 1, 2, 3, 4:
			t := w.touch(id)
			if w.r.IntN(4) == 0 {
				t.Keys = canonicalKeys(append(t.Keys, w.fingerprints(w.r.IntN(6), 3)[w.r.IntN(3)]))
			}
			if w.r.IntN(5) == 0 {
				t = w.opening(id)
			}
			w.f.Touches = append(w.f.Touches, t)
			switch w.r.IntN(12) {
			case 0:
				w.f.Touches = append(w.f.Touches, t) // a retry
			case 1:
				other := w.touch(id) // the id used for something else
				other.App = t.App
				w.f.Touches = append(w.f.Touches, other)
			}
		case 5, 6, 7:
			c := w.conversion(id)
			w.f.Conversions = append(w.f.Conversions, c)
			if c.Install && w.r.IntN(3) == 0 {
				w.f.Touches = append(w.f.Touches, w.stated(&c))
			}
			if !c.Install && w.r.IntN(4) == 0 { // an opening of the app that counts as a conversion itself
				w.f.Touches = append(w.f.Touches, attribution.Touch{ID: id, App: c.App, Original: c.Original, Time: c.Time, Received: c.Received,
					Digest: c.Digest, Kind: attribution.Open, Opened: true, Keys: c.Keys})
			}
			if w.r.IntN(12) == 0 {
				other := w.conversion(id)
				other.App = c.App
				w.f.Conversions = append(w.f.Conversions, other)
			}
		default:
			a, b := w.key(), w.key()
			if w.r.IntN(3) == 0 {
				b = attribution.KeyClick + w.some("k1", "k2", "k3", "m0001", "m0002")
			}
			if a != b {
				at := w.time()
				w.f.Links = append(w.f.Links, attribution.Link{App: w.some("app", "app", "other"), A: min(a, b), B: max(a, b), Received: w.received(at)})
			}
		}
	}
}

// twinSettings draws valid settings.
func twinSettings(r *rand.Rand) attribution.Settings {
	s := attribution.Default()
	s.Generation = 1 + r.Uint64N(9)
	s.Lookback, s.ClickWindow = (1+r.Int64N(40))*attribution.Day, (1+r.Int64N(10))*attribution.Day
	s.ImpressionWindow, s.Lateness = (1+r.Int64N(48))*attribution.Hour, r.Int64N(5)*attribution.Day
	if r.IntN(2) == 0 {
		s.HalfLife = attribution.Hour + r.Int64N(90*attribution.Day)
	}
	s.PositionFirst = r.Int64N(attribution.Million + 1)
	s.PositionLast = r.Int64N(attribution.Million - s.PositionFirst + 1)
	if r.IntN(8) == 0 {
		s.PositionFirst, s.PositionLast = 0, 0
	}
	s.PositionMiddle = attribution.Million - s.PositionFirst - s.PositionLast
	s.Transform = []attribution.Transform{attribution.TransformNone, attribution.CollapseRepeats, attribution.IgnoreDirect}[r.IntN(3)]
	s.ImpressionsInMTA = r.IntN(2) == 0
	s.Reattribution = (1 + r.Int64N(30)) * attribution.Day
	s.Reengagement, s.Inactivity = (1+r.Int64N(40))*attribution.Day, r.Int64N(8)*attribution.Day
	s.Probabilistic = r.IntN(2) == 0
	s.ProbabilisticClick, s.ProbabilisticImpression = (1+r.Int64N(168))*attribution.Hour, (1+r.Int64N(168))*attribution.Hour
	actions := []attribution.Action{attribution.Off, attribution.Flag, attribution.Flag, attribution.Reject}
	for _, rule := range attribution.FraudRules() {
		*s.Fraud.Action(rule.Name) = actions[r.IntN(4)]
	}
	s.CountOrdersOnce, s.ExcludeUntrusted = r.IntN(3) > 0, r.IntN(3) == 0
	if r.IntN(3) == 0 {
		s.TrustedReferrers = nil
	}
	s.Fraud.MinClickToInstall, s.Fraud.MaxClicks, s.Fraud.MaxClicksWindow = r.Int64N(attribution.Hour+1), 1+r.Int64N(4), attribution.Second+r.Int64N(attribution.Day)
	if r.IntN(3) > 0 {
		s.Overrides = []attribution.Override{
			{LinkID: "l1", ClickWindow: attribution.Hour}, {MediaSource: "google", ClickWindow: 2 * attribution.Day, ImpressionWindow: 3 * attribution.Hour},
			{LinkID: "l2", ImpressionWindow: 2 * attribution.Hour, ProbabilisticImpression: attribution.Hour}, {MediaSource: "facebook", ClickWindow: 3 * attribution.Day, ProbabilisticClick: 30 * attribution.Hour},
		}[:1+r.IntN(4)]
	}
	return s
}

// TestTwinAgreesToTheLastMillionth computes random worlds in Go and in SQL.
func TestTwinAgreesToTheLastMillionth(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	store := open(t)
	compared, linked, met := 0, 0, tally{}
	for round := range 5 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		w := twinWorld{r: r, s: twinSettings(r), later: twinSettings(r)}
		if faults := append(w.s.Validate(), w.later.Validate()...); len(faults) > 0 {
			t.Fatal(faults)
		}
		w.fill(500)
		suffix := fmt.Sprintf("-%d", round)
		rename(&w.f, suffix)
		storeFacts(t, store, &w.f)
		n, long := compareTwin(t, store, &w.f, w.at, met)
		compared, linked = compared+n, linked+long
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
	if t.Logf("%d conversions, %d with three or more touches", compared, linked); linked < compared/10 {
		t.Error("the worlds are too small to tell anything")
	}
	t.Log(met)
	for _, what := range []string{
		"outcome non_organic", "outcome organic", "outcome re_attribution", "outcome reinstall", "outcome unattributed", "match click_id", "match referrer",
		"primary retargeting", "verdict duplicate", "verdict foreign_referrer", "verdict fraud_rejected", "verdict not_retargeting", "verdict unknown_click_id", "verdict won", "verdict claimed_campaign", "match stated", "repeat", "refund",
	} {
		if met[what] == 0 {
			t.Errorf("no %s in any world", what)
		}
	}
}

// TestTwinKeepsTheBounds gives people more touches, more keys and longer chains
// of links than are followed.
func TestTwinKeepsTheBounds(t *testing.T) {
	store, s := open(t), attribution.Default()
	r := rand.New(rand.NewPCG(1, 2))
	var f attribution.Facts
	touch := func(key string) {
		at := base - r.Int64N(40*attribution.Day)
		f.Touches = append(f.Touches, attribution.Touch{ID: fmt.Sprintf("t%05d", len(f.Touches)), App: "app", Original: at, Time: at, Received: at,
			Kind: []attribution.Kind{attribution.Click, attribution.Impression}[r.IntN(2)], MediaSource: "google", Keys: []string{key}})
	}
	link := func(a, b string) {
		f.Links = append(f.Links, attribution.Link{App: "app", A: min(a, b), B: max(a, b), Received: base})
	}
	for _, key := range []string{"user:many", "user:shared", "user:chain00", "device:kiosk", "user:zoe", "user:k0007"} {
		for _, install := range []bool{false, true} {
			f.Conversions = append(f.Conversions, attribution.Conversion{ID: fmt.Sprintf("%s-%t", key, install), App: "app", Original: base, Time: base, Received: base,
				Install: install, HasRevenue: true, Revenue: 9_999_999_999_999_999, Keys: []string{key}})
		}
	}
	for range 2600 {
		touch("user:many")
	}
	for hop := range 12 {
		link(fmt.Sprintf("user:chain%02d", hop), fmt.Sprintf("user:chain%02d", hop+1))
		touch(fmt.Sprintf("user:chain%02d", hop))
	}
	for n := range 20 {
		link("user:shared", fmt.Sprintf("device:%02d", n))
		for m := range 40 {
			anon := fmt.Sprintf("anon:%03d", (n*37+m*11)%500)
			link(fmt.Sprintf("device:%02d", n), anon)
			touch(anon)
		}
	}
	for n := range 2 * attribution.MaxLinks { // the second half was received first, and zoe's link late
		f.Links = append(f.Links, attribution.Link{App: "app", A: "device:kiosk", B: fmt.Sprintf("user:k%04d", n), Received: base - int64(n/attribution.MaxLinks)})
	}
	f.Links = append(f.Links, attribution.Link{App: "app", A: "device:kiosk", B: "user:zoe", Received: base + 1})
	for n := range 300 {
		touch(fmt.Sprintf("user:k%04d", n*3))
	}
	touch("device:kiosk")
	touch("user:zoe")
	storeFacts(t, store, &f)
	if compared, long := compareTwin(t, store, &f, func(string, int64) *attribution.Settings { return &s }, tally{}); compared != len(f.Conversions) || long < 4 {
		t.Errorf("%d of %d conversions compared, %d with a long path", compared, len(f.Conversions), long)
	}
}

// storeFacts stores facts without the events that state them.
func storeFacts(t testing.TB, w *Warehouse, f *attribution.Facts) {
	t.Helper()
	origins := newOrigins(nil)
	_, links := storeRows(t.Context(), w.server, linksTable(), bothWays(f.Links))
	_, touches := storeRows(t.Context(), w.server, touchesTable(origins), pointers(f.Touches))
	_, conversions := storeRows(t.Context(), w.server, conversionsTable(origins), pointers(f.Conversions))
	if err := errors.Join(links, touches, conversions); err != nil {
		t.Fatal(err)
	}
}

// TestTwinFollowsTheScripts holds the SQL against the text scripts that specify
// attribution, as far as they speak of paths and shares.
func TestTwinFollowsTheScripts(t *testing.T) {
	files, err := filepath.Glob("../attribution/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	store, n := open(t), 0
	worlds := make(map[string]*attribution.Facts) // by settings, so that SQL runs once for each
	settings := make(map[string]func(app string, ms int64) *attribution.Settings)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, cases, err := script.Parse(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			n++
			name := fmt.Sprintf("%+v %+v", c.Settings, c.Later)
			if worlds[name] == nil {
				worlds[name], settings[name] = &attribution.Facts{}, c.At
			}
			separate(worlds[name], &c.Facts, fmt.Sprintf("case%03d", n))
		}
	}
	for name, f := range worlds {
		rename(f, fmt.Sprintf("-%p", f))
		storeFacts(t, store, f)
		if compareTwin(t, store, f, settings[name], tally{}); t.Failed() {
			t.Fatalf("settings %s", name)
		}
	}
	t.Logf("%d cases under %d settings", n, len(worlds))
}

// separate adds facts whose ids and keys are nobody else's.
func separate(to, f *attribution.Facts, name string) {
	own := func(key string) string {
		kind, value, _ := strings.Cut(key, ":")
		return kind + ":" + name + value
	}
	all := func(keys []string) []string {
		mapped := make([]string, len(keys))
		for i, k := range keys {
			mapped[i] = own(k)
		}
		return mapped
	}
	click := func(id string) string {
		if id == "" {
			return ""
		}
		return name + id
	}
	for _, t := range f.Touches {
		t.ID, t.Keys, t.ClickID = name+t.ID, all(t.Keys), click(t.ClickID)
		to.Touches = append(to.Touches, t)
	}
	for _, c := range f.Conversions {
		c.ID, c.Keys, c.ClickID = name+c.ID, all(c.Keys), click(c.ClickID)
		c.Referrer = strings.Replace(strings.Replace(c.Referrer, "click_id=", "click_id="+name, 1), "gclid=", "gclid="+name, 1)
		to.Conversions = append(to.Conversions, c)
	}
	for _, l := range f.Links {
		l.A, l.B = own(l.A), own(l.B)
		to.Links = append(to.Links, l)
	}
}

// rename gives each world apps of its own.
func rename(f *attribution.Facts, suffix string) {
	for i := range f.Touches {
		f.Touches[i].App += suffix
	}
	for i := range f.Conversions {
		f.Conversions[i].App += suffix
	}
	for i := range f.Links {
		f.Links[i].App += suffix
	}
}

// tally counts what results say.
type tally map[string]int

func (met tally) note(r *attribution.Result) {
	met["outcome "+string(r.Install.Outcome)]++
	met["match "+string(r.Install.Match)]++
	met["fraud "+string(r.Install.Fraud)]++
	met["primary "+r.Primary()]++
	if r.RepeatOf != "" {
		met["repeat"]++
	}
	if r.Revenue < 0 && len(r.Touches) > 0 {
		met["refund"]++
	}
	for _, c := range r.Candidates {
		met["verdict "+string(c.Verdict)]++
	}
}

// compareTwin reports every difference, and returns how many conversions were
// compared and how many of them have a path of three touches or more.
func compareTwin(t *testing.T, store *Warehouse, f *attribution.Facts, at func(app string, ms int64) *attribution.Settings, met tally) (compared, long int) {
	t.Helper()
	conversions := make(map[[2]string]*attribution.Conversion)
	for i := range f.Conversions {
		c := &f.Conversions[i]
		if old := conversions[[2]string{c.App, c.ID}]; old == nil || cmp.Or(cmp.Compare(c.Received, old.Received), cmp.Compare(c.Digest, old.Digest), cmp.Compare(c.Time, old.Time)) < 0 {
			conversions[[2]string{c.App, c.ID}] = c
		}
	}
	want := make(map[string]map[string]*attribution.Row)
	for _, r := range attribution.Settle(f, at) {
		if want[r.App] == nil {
			want[r.App] = make(map[string]*attribution.Row)
		}
		want[r.App][r.ID] = &attribution.Row{Conversion: *conversions[[2]string{r.App, r.ID}], Result: r, Version: r.Version(0)}
	}
	for app, results := range want {
		rows, err := store.Twin(t.Context(), app, slices.Sorted(maps.Keys(results)), func(ms int64) *attribution.Settings { return at(app, ms) })
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(results) {
			t.Errorf("app %s: %d rows, want %d", app, len(rows), len(results))
		}
		for i := range rows {
			if err := attribution.SameRow(&rows[i], results[rows[i].Conversion.ID]); err != nil {
				t.Error(err)
			}
			if compared++; len(rows[i].Result.Touches) >= 3 {
				long++
			}
			met.note(&rows[i].Result)
		}
	}
	return compared, long
}

// BenchmarkTwin attributes conversions with four touches and three keys each,
// out of many thousand people.
func BenchmarkTwin(b *testing.B) {
	const people, chunk = 60_000, 20_000
	store, s := open(b), attribution.Default()
	var f attribution.Facts
	var ids []string
	for p := range people {
		user, anon, device := fmt.Sprintf("user:u%d", p), fmt.Sprintf("anon:a%d", p), fmt.Sprintf("device:d%d", p)
		for n := range 4 {
			at := base + int64(n)*attribution.Minute
			f.Touches = append(f.Touches, attribution.Touch{App: "app", ID: fmt.Sprintf("t%d-%d", p, n), Original: at, Time: at, Received: at,
				Kind: attribution.Click, MediaSource: "google", Keys: []string{anon, device}})
		}
		at := base + attribution.Day
		c := attribution.Conversion{App: "app", ID: fmt.Sprintf("o%d", p), Original: at, Time: at, Received: at, Name: "Order Completed",
			HasRevenue: true, Revenue: 1_000_000, Currency: "EUR", Keys: []string{anon, device, user}}
		f.Conversions, ids = append(f.Conversions, c), append(ids, c.ID)
		f.Links = append(f.Links, attribution.Link{App: "app", A: anon, B: user, Received: at}, attribution.Link{App: "app", A: device, B: user, Received: at})
	}
	storeFacts(b, store, &f)
	done := 0
	for b.Loop() {
		from := done % people
		rows, err := store.Twin(b.Context(), "app", ids[from:from+chunk], func(int64) *attribution.Settings { return &s })
		if err != nil || len(rows) != chunk || len(rows[0].Result.Touches) != 4 {
			b.Fatal(len(rows), err)
		}
		done += chunk
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "conversions/s")
}
