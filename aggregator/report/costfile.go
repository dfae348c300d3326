package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxCosts bounds the costs of one import.
const MaxCosts = 50_000

// Cost is the price of one day of advertising, as far down as it is known. Country is a code
// of two capital letters.
type Cost struct {
	Date        string  `json:"date"` // 2026-01-31, in the app's calendar
	MediaSource string  `json:"media_source"`
	Campaign    string  `json:"campaign,omitempty"`
	AdSet       string  `json:"adset,omitempty"`
	Ad          string  `json:"ad,omitempty"`
	Country     string  `json:"country,omitempty"`
	Currency    string  `json:"currency,omitempty"` // that of the import if it is missing
	Cost        Decimal `json:"cost"`
	Impressions int64   `json:"impressions,omitempty"`
	Clicks      int64   `json:"clicks,omitempty"`

	Micros int64 `json:"-"` // Cost in millionths, once it is checked
}

// CostKey tells costs apart: a later import of the same key replaces.
type CostKey [6]string

// Key is what tells the cost apart from others.
func (c *Cost) Key() CostKey {
	return CostKey{c.Date, c.MediaSource, c.Campaign, c.AdSet, c.Ad, c.Country}
}

// CheckCosts completes rows and reports their faults; currency and source
// are for rows that name none. Rows of one key are added up, for an export can be finer
// than our key.
func CheckCosts(costs []Cost, currency, source string) ([]Cost, error) {
	if len(costs) == 0 || len(costs) > MaxCosts {
		return nil, invalid("give 1 to %d costs at once, not %d", MaxCosts, len(costs))
	}
	at := make(map[CostKey]int, len(costs))
	var list []Cost
	for i := range costs {
		c := costs[i]
		if err := c.check(currency, source); err != nil {
			return nil, invalid("row %d: %v", i+1, err)
		}
		j, twice := at[c.Key()]
		if !twice {
			at[c.Key()] = len(list)
			list = append(list, c)
			continue
		}
		sum := &list[j]
		if sum.Currency != c.Currency {
			return nil, invalid("row %d: the same day, source, campaign, ad set, ad and country are there twice, in %s and in %s", i+1, sum.Currency, c.Currency)
		}
		sum.Micros, sum.Impressions, sum.Clicks = sum.Micros+c.Micros, sum.Impressions+c.Impressions, sum.Clicks+c.Clicks
		if sum.Micros > maxCost {
			return nil, invalid("row %d: the costs of one key add up to more than %d", i+1, maxCost/1_000_000)
		}
	}
	for i := range list {
		list[i].Cost = Millionths(list[i].Micros)
	}
	return list, nil
}

// maxCost bounds one cost, in millionths: a trillion of the currency's units.
const maxCost = 1_000_000_000_000 * 1_000_000

func (c *Cost) check(currency, source string) error {
	if c.Currency == "" {
		c.Currency = currency
	}
	if c.MediaSource = strings.TrimSpace(c.MediaSource); c.MediaSource == "" {
		c.MediaSource = source
	}
	day, err := time.Parse(time.DateOnly, c.Date)
	if err != nil || day.Year() < 2000 || day.Year() > 2099 {
		return invalid("date is %.40q: give one such as 2026-01-31", c.Date)
	}
	if c.Micros, err = readMoney(string(c.Cost)); err != nil {
		return err
	}
	switch {
	case c.MediaSource == "":
		return invalid("media_source is missing")
	case c.Currency == "" || !isCurrency(c.Currency):
		return invalid("currency is %.20q: give a code such as EUR", c.Currency)
	case c.Country != "" && (len(c.Country) != 2 || strings.Trim(c.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != ""):
		return invalid("country is %.40q: give a code such as DE", c.Country)
	case c.Impressions < 0 || c.Clicks < 0 || c.Impressions > 1<<50 || c.Clicks > 1<<50:
		return invalid("impressions and clicks must not be negative")
	}
	for name, text := range map[string]string{"media_source": c.MediaSource, "campaign": c.Campaign, "adset": c.AdSet, "ad": c.Ad} {
		if len(text) > maxName {
			return invalid("%s is longer than %d bytes", name, maxName)
		}
	}
	return nil
}

// readMoney reads an amount such as 60, 1234.5 or 1,234.50 as millionths, rounded half
// up. A comma before exactly three digits separates thousands, as in the exports of the
// networks; before one or two digits it is a decimal point.
func readMoney(text string) (int64, error) {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00a0\u202f'€$£¥", r) {
			return -1
		}
		return r
	}, text)
	if i, comma := strings.LastIndexByte(plain, '.'), strings.LastIndexByte(plain, ','); comma > i && len(plain)-comma-1 != 3 {
		plain = strings.ReplaceAll(plain[:comma], ".", "") + "." + plain[comma+1:]
	}
	plain = strings.ReplaceAll(plain, ",", "")
	if plain == "" || len(plain) > 40 || strings.Trim(plain, "0123456789.") != "" || strings.Count(plain, ".") > 1 || plain == "." {
		return 0, invalid("cost is %.40q: give an amount of 0 or more such as 12.50", text)
	}
	value, ok := new(big.Rat).SetString(plain)
	if !ok {
		return 0, invalid("cost is %.40q: give an amount such as 12.50", text)
	}
	value.Mul(value, big.NewRat(1_000_000, 1))
	n := roundAway(value.Num(), value.Denom())
	if !n.IsInt64() || n.Int64() > maxCost {
		return 0, invalid("cost is %.40q, which is more than %d", text, maxCost/1_000_000)
	}
	return n.Int64(), nil
}

// CostFile holds the costs of a file.
type CostFile struct {
	Costs   []Cost
	Format  string // ours, google_ads, meta, tiktok or apple_search_ads
	Skipped int    // lines of totals
}

// costFormat knows the columns of one kind of file, in small letters, the most telling
// ones in mark: a file that has one of these is of that kind.
type costFormat struct {
	name, source string
	mark         []string
	columns      map[string][]string
}

// costFormats are the exports that are recognised, by the names that their columns have in
// English.
func costFormats() []costFormat {
	return []costFormat{
		{"ours", "", []string{"media_source"}, map[string][]string{"date": {"date"}, "media_source": {"media_source"}, "campaign": {"campaign"},
			"adset": {"adset"}, "ad": {"ad"},
			"country": {"country"}, "currency": {"currency"}, "cost": {"cost"}, "impressions": {"impressions"}, "clicks": {"clicks"}}},
		{"apple_search_ads", "apple_search_ads", []string{"taps", "local spend"}, map[string][]string{"date": {"date", "day"},
			"campaign": {"campaign name", "campaign"}, "adset": {"ad group name", "ad group"}, "ad": {"ad name"},
			"country": {"country or region", "countries or regions", "storefront"}, "currency": {"currency"}, "cost": {"spend", "local spend"},
			"impressions": {"impressions"}, "clicks": {"taps"}}},
		{"google_ads", "google", []string{"impr.", "ad group", "currency code", "campaign"}, map[string][]string{"date": {"day", "date"},
			"campaign": {"campaign"}, "adset": {"ad group"}, "ad": {"ad name", "ad"},
			"country": {"country/territory (user location)", "country/territory (matched)", "country/territory", "country"}, "currency": {"currency code",
				"currency"}, "cost": {"cost"}, "impressions": {"impr.", "impressions"}, "clicks": {"clicks"}}},
		{"meta", "meta", []string{"amount spent", "ad set name", "reporting starts"}, map[string][]string{"date": {"day", "reporting starts", "date"},
			"campaign": {"campaign name"}, "adset": {"ad set name"}, "ad": {"ad name"},
			"country": {"country"}, "currency": {"currency"}, "cost": {"amount spent"}, "impressions": {"impressions"}, "clicks": {"link clicks", "clicks (all)"}}},
		{"tiktok", "tiktok", []string{"ad group name", "adgroup name", "by day", "stat_time_day", "clicks (destination)", "campaign name"},
			map[string][]string{"date": {"date", "by day", "stat_time_day", "day"}, "campaign": {"campaign name"},
				"adset": {"ad group name", "adgroup name"}, "ad": {"ad name"}, "country": {"country/region", "country"}, "currency": {"currency"},
				"cost":        {"cost", "spend", "total cost"},
				"impressions": {"impressions", "impression"}, "clicks": {"clicks (destination)", "clicks"}}},
	}
}

// ParseCosts reads a file of costs: our columns, or those of an export of Google Ads,
// Meta, TikTok or Apple Search Ads. Lines before the header and lines of totals are
// skipped.
func ParseCosts(text []byte) (CostFile, error) {
	lines := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	lines.FieldsPerRecord, lines.TrimLeadingSpace, lines.LazyQuotes = -1, true, true
	lines.Comma = separator(text)
	var file CostFile
	var format costFormat
	var at map[string]int
	currency := ""
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return file, invalid("the file of costs cannot be read: %v", err)
		}
		line, _ := lines.FieldPos(0)
		if at == nil {
			format, at, currency = recognise(record)
			continue
		}
		c, total, err := costOf(record, at)
		if err != nil {
			return file, invalid("line %d: %v", line, err)
		}
		if total {
			file.Skipped++
			continue
		}
		if c.Currency == "" {
			c.Currency = currency
		}
		if c.MediaSource == "" {
			c.MediaSource = format.source
		}
		if file.Costs = append(file.Costs, c); len(file.Costs) > MaxCosts {
			return file, invalid("the file has more than %d costs: give it in parts", MaxCosts)
		}
	}
	if at == nil {
		return file, invalid("no line of the file names columns that are known: date, media_source, campaign, adset, ad, country, currency, cost, " +
			"impressions and clicks, or those of an export of Google Ads, Meta, TikTok or Apple Search Ads in English")
	}
	file.Format = format.name
	return file, nil
}

// separator is a semicolon or a tabulator where the file has more of them than commas.
func separator(text []byte) rune {
	head := text[:min(len(text), 4096)]
	best, most := ',', bytes.Count(head, []byte(","))
	for _, r := range []rune{';', '\t'} {
		if n := bytes.Count(head, []byte(string(r))); n > most {
			best, most = r, n
		}
	}
	return best
}

// recognise finds the format whose columns a line names: the first that has a date, a cost
// and a column that marks it. A currency may stand behind the name of the cost.
func recognise(record []string) (costFormat, map[string]int, string) {
	header, currency := make([]string, len(record)), ""
	for i, name := range record {
		name = strings.ToLower(strings.TrimSpace(name))
		if before, code, found := strings.Cut(name, " ("); found && len(code) == 4 && code[3] == ')' {
			name, currency = before, strings.ToUpper(code[:3])
		}
		header[i] = name
	}
	for _, f := range costFormats() {
		at := make(map[string]int)
		for column, names := range f.columns {
			for _, name := range names {
				if i := slices.Index(header, name); i >= 0 {
					at[column] = i
					break
				}
			}
		}
		_, dated := at["date"]
		_, costs := at["cost"]
		if dated && costs && slices.ContainsFunc(f.mark, func(m string) bool { return slices.Contains(header, m) }) {
			return f, at, currency
		}
	}
	return costFormat{}, nil, ""
}

// costOf reads a line; total says that it is a sum of others.
func costOf(record []string, at map[string]int) (c Cost, total bool, err error) {
	text := func(column string) string {
		if i, ok := at[column]; ok && i < len(record) {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	if date := text("date"); date == "" || strings.HasPrefix(strings.ToLower(record[0]), "total") || date == "--" {
		return c, true, nil
	}
	c = Cost{MediaSource: text("media_source"), Campaign: text("campaign"), AdSet: text("adset"), Ad: text("ad"), Country: text("country"),
		Currency: strings.ToUpper(text("currency"))}
	if c.Date, err = readDay(text("date")); err != nil {
		return c, false, err
	}
	if c.Micros, err = readMoney(text("cost")); err != nil {
		return c, false, err
	}
	c.Cost = Millionths(c.Micros)
	for column, into := range map[string]*int64{"impressions": &c.Impressions, "clicks": &c.Clicks} {
		digits := strings.NewReplacer(",", "", "\u00a0", "", " ", "", "--", "").Replace(text(column))
		if digits == "" {
			continue
		}
		if *into, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return c, false, invalid("%s is %.40q: give a whole number", column, text(column))
		}
	}
	return c, false, nil
}

// readDay reads the ways in which exports write a day that cannot be mistaken.
func readDay(text string) (string, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006/01/02", "20060102", "02.01.2006",
		"Jan 2, 2006", "2 Jan 2006"} {
		if day, err := time.Parse(layout, text); err == nil {
			return day.Format(time.DateOnly), nil
		}
	}
	return "", invalid("the day %.40q can be read in more than one way, or in none: write it as 2026-01-31", text)
}
