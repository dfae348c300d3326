package report

import (
	"fmt"
	"strings"
	"testing"
)

// TestCostFilesOfTheNetworksAreRecognised reads lines as each network's export has them.
func TestCostFilesOfTheNetworksAreRecognised(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"ours": {"date,media_source,campaign,country,currency,cost,impressions,clicks\n2026-11-19,metaads,c1,DE,EUR,60.5,100,7\n",
			"ours: 2026-11-19 metaads c1// DE EUR 60.500000 100 7; "},
		"Google Ads": {"Campaign report\n\"November 1, 2026 - November 19, 2026\"\nDay,Campaign,Ad group,Currency " +
			"code,Impr.,Clicks,Cost\n2026-11-19,\"Search, brand\",Exact,EUR,\"12,345\",678,\"1,234.50\"\nTotal: Campaigns,--,--,EUR,\"12,345\",678,\"1,234.50\"\n",
			"google_ads: 2026-11-19 google Search, brand/Exact/  EUR 1234.500000 12345 678; skipped 1 "},
		"Meta": {"\ufeffCampaign name,Ad set name,Ad name,Day,Amount spent (USD),Impressions,Link clicks,Reporting starts,Reporting " +
			"ends\nSpring,Broad,Video 1,2026-11-19,12.345678,1000,12,2026-11-19,2026-11-19\n",
			"meta: 2026-11-19 meta Spring/Broad/Video 1  USD 12.345678 1000 12; "},
		"TikTok": {"Date;Campaign name;Ad group name;Currency;Cost;Impressions;Clicks (destination)\n2026-11-19 00:00:00;Launch;G1;EUR;7,5;10;1\nTotal of 1 " +
			"results;;;;7,5;10;1\n",
			"tiktok: 2026-11-19 tiktok Launch/G1/  EUR 7.500000 10 1; skipped 1 "},
		"Apple Search Ads": {"Date,Campaign Name,Ad Group Name,Country or Region,Spend,Currency,Impressions,Taps\n2026-11-19,Brand,AG,DE,3.10,EUR,50,4\n",
			"apple_search_ads: 2026-11-19 apple_search_ads Brand/AG/ DE EUR 3.100000 50 4; "},
		"a day of two meanings": {"date,media_source,cost\n11/12/2026,x,1\n", "line 2: the day \"11/12/2026\" can be read in more than one way"},
		"no number":             {"date,media_source,cost\n2026-11-19,x,cheap\n", "line 2: cost is \"cheap\""},
		"negative":              {"date,media_source,cost\n2026-11-19,x,-1\n", "line 2: cost is \"-1\""},
		"no columns":            {"a,b\n1,2\n", "no line of the file names columns"},
		"empty":                 {"", "no line of the file names columns"},
	} {
		file, err := ParseCosts([]byte(c.file))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = file.Format + ": "
			for _, r := range file.Costs {
				got += fmt.Sprintf("%s %s %s/%s/%s %s %s %s %d %d; ", r.Date, r.MediaSource, r.Campaign, r.AdSet, r.Ad, r.Country, r.Currency, r.Cost,
					r.Impressions, r.Clicks)
			}
			if file.Skipped > 0 {
				got += fmt.Sprintf("skipped %d ", file.Skipped)
			}
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

// TestCostsAreCheckedAndAddedUp has rows of one key, which an export finer than ours has.
func TestCostsAreCheckedAndAddedUp(t *testing.T) {
	row := func(change func(*Cost)) Cost {
		c := Cost{Date: "2026-11-19", MediaSource: " metaads ", Campaign: "c1", Cost: "60", Clicks: 1}
		change(&c)
		return c
	}
	got, err := CheckCosts([]Cost{row(func(*Cost) {}), row(func(c *Cost) { c.Cost = "0.0000005" }), row(func(c *Cost) { c.Ad = "a" })}, "EUR", "")
	if err != nil || len(got) != 2 || got[0].Cost != "60.000001" || got[0].Clicks != 2 || got[0].MediaSource != "metaads" || got[1].Currency != "EUR" {
		t.Fatalf("%+v %v", got, err)
	}
	for want, change := range map[string]func(*Cost){
		"row 2: date is":             func(c *Cost) { c.Date = "yesterday" },
		"row 2: currency is":         func(c *Cost) { c.Currency = "euro" },
		"row 2: country is":          func(c *Cost) { c.Country = "Germany" },
		"row 2: cost is":             func(c *Cost) { c.Cost = "" },
		"row 2: media_source is":     func(c *Cost) { c.MediaSource = " " },
		"must not be negative":       func(c *Cost) { c.Clicks = -1 },
		"row 2: campaign is longer":  func(c *Cost) { c.Campaign = strings.Repeat("x", maxName+1) },
		"row 2: the same day, sourc": func(c *Cost) { c.Currency = "USD" },
		"more than 1000000000000":    func(c *Cost) { c.Cost = "1000000000001" },
	} {
		if _, err := CheckCosts([]Cost{row(func(*Cost) {}), row(change)}, "EUR", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestFiltersAreReadAsPeopleWriteThem covers signs that belong to a value.
func TestFiltersAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"media_source:google":                  "[{media_source false [google]}]",
		"media_source:google,tiktok":           "[{media_source false [google tiktok]}]",
		"media_source:a|media_source:b":        "[{media_source false [a b]}]",
		"country:!DE":                          "[{country true [DE]}]",
		"!country:DE":                          "[{country true [DE]}]",
		"campaign:":                            "[{campaign false []}]",
		`campaign:50%\, off\!,\!x`:             "[{campaign false [50%, off! !x]}]",
		"campaign:a:b|sub1:x|campaign:!c":      "[{campaign false [a:b]} {sub1 false [x]} {campaign true [c]}]",
		"country:!DE,FR":                       "[{country true [DE]} {country false [FR]}]",
		"luck:1":                               "error",
		"media_source":                         "error",
		"payload:x') OR 1=1 --|media_source:a": "error",
	} {
		got := "error"
		if list, err := ParseFilters(strings.Split(text, "|")); err == nil {
			got = fmt.Sprint(list)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
