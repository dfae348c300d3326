package robots

import "testing"

func load(t testing.TB) *List {
	t.Helper()
	list, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRobots(t *testing.T) {
	list := load(t)
	for _, agent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
		"APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)", "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)",
		"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36 (compatible; GoogleOther)",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "facebookexternalhit/1.1", "WhatsApp/2.23.20.0", "Twitterbot/1.0",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "curl/8.5.0", "Wget/1.21", "python-requests/2.32",
		"Mozilla/5.0 Chrome-Lighthouse", "Mozilla/5.0 (compatible; UptimeRobot/2.0)", "Slackbot-LinkExpanding 1.0", "NewUnknownBot/0.1", "Mozilla/5.0 (iPad) Googlebot/2.1",
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "TelegramBot (like TwitterBot)", "Mozilla/5.0 (compatible; bingbot/2.0)",
	} {
		if !list.Has(agent) {
			t.Errorf("%s is no robot", agent)
		}
	}
	for _, agent := range []string{
		"", "Mozilla/5.0 (Linux; Android 13; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
		"Dalvik/2.1.0 (Linux; U; Android 12; CUBOT_X18_Plus Build/SP1A)", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
		"okhttp/4.12.0", "Shop/12 CFNetwork/1490 Darwin/24.0", "Go-http-client/2.0", "analytics-node/3.1.0", "axios/1.7", "analytics-kotlin/1.19.0", "Apache-HttpClient/4.5",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9 Build/AP3A.240617.008) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/450.0]",
		"Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile Instagram 330.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
		"Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 TV Safari/537.36", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
	} {
		if list.Has(agent) {
			t.Errorf("%s is a robot", agent)
		}
	}
}

func TestTheWholeListIsRead(t *testing.T) {
	r := load(t)
	read := r.rest
	for _, some := range r.byStart {
		read = append(read, some...)
	}
	if len(read) < 1000 {
		t.Errorf("%d patterns", len(read))
	}
	for _, p := range read {
		if p.holds("") {
			t.Errorf("%s %v holds of nothing", p.word, p.re)
		}
	}
}

func BenchmarkRobot(b *testing.B) {
	list := load(b)
	for b.Loop() {
		if list.Has("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36") {
			b.Fatal()
		}
	}
}
