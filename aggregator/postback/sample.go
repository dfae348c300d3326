package postback

import "time"

// Sample is a made-up conversion, for previews and tests. Nobody has its ids.
func Sample(app string, now time.Time) Fact {
	return Fact{
		App: app, ConversionID: "test-conversion", Event: "Order Completed", Time: now.Truncate(time.Second),
		Revenue: "19.99", Currency: "EUR", OrderID: "test-order", Country: "DE", Platform: "android",
		MediaSource: "test_source", Campaign: "test campaign", AdSet: "test ad set", Ad: "test ad", Keyword: "test keyword",
		Sub: [5]string{"sub one", "sub two", "sub three", "sub four", "sub five"}, LinkID: "test-link", ClickID: "test-click-id", TouchID: "test-touch",
		ClickTime: now.Add(-time.Hour).Truncate(time.Second), Match: "click_id",
		UserID: "test-user", AnonymousID: "test-device", GAID: "00000000-0000-4000-8000-000000000001", Email: "test@example.com", Phone: "+49 30 1234567",
		IP: "192.0.2.1", UserAgent: "test", AdsConsent: true,
		Params: map[string]string{"gclid": "test-gclid", "ttclid": "test-ttclid", "fbclid": "test-fbclid"},
	}
}
