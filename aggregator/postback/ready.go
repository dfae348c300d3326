package postback

// Ready is a definition to start from. What stands in angle brackets in its address or body is to be
// replaced before it can be used; Source is the page of the receiver that its shape comes from.
type Ready struct {
	ID         string     `json:"id"`
	Title      string     `json:"title"`
	Source     string     `json:"source"`
	About      string     `json:"about"`
	Secrets    []string   `json:"secrets,omitempty"` // that it wants
	Definition Definition `json:"definition"`
}

// ReadyMade lists the definitions to start from.
func ReadyMade() []Ready {
	return []Ready{
		clickBack(), webhook(), meta(), tiktok(), googleAds(),
		byURL("unity", "Unity Ads", "https://docs.unity.com/acquire/", "https://<YOUR ADDRESS FROM UNITY>/?click_id={click_id}&gaid={gaid}&idfa={idfa}&event={event_name}&revenue={revenue}&currency={currency}&ts={event_time}"),
		byURL("applovin", "AppLovin", "https://support.axon.ai/", "https://<YOUR ADDRESS FROM APPLOVIN>/?click_id={click_id}&idfa={idfa}&gaid={gaid}&event={event_name}&revenue={revenue}&currency={currency}&ts={event_time}"),
		byURL("ironsource", "ironSource", "https://developers.is.com/", "https://<YOUR ADDRESS FROM IRONSOURCE>/?dynamicParameter={click_id}&advertiserId={gaid}{idfa}&event={event_name}&revenue={revenue}"),
		byURL("moloco", "Moloco", "https://help.moloco.com/", "https://<YOUR ADDRESS FROM MOLOCO>/?click_id={click_id}&gaid={gaid}&idfa={idfa}&event_name={event_name}&event_time={event_time}&revenue={revenue}&currency={currency}"),
	}
}

func byURL(id, title, source, address string) Ready {
	return Ready{
		ID: id, Title: title, Source: source,
		About:      "The click id and the event in the address. Ask the network for the address that is yours, and compare the names of its parameters.",
		Definition: Definition{Name: title, Template: id, Enabled: true, Method: get, Format: FormatNone, URL: address},
	}
}

func clickBack() Ready {
	r := byURL("click_back", "Click id back to a network", "", "https://<THE NETWORK'S HOST>/postback?clickid={click_id}&event={event_name}&payout={revenue}&currency={currency}")
	r.About = "What almost every affiliate network takes."
	return r
}

func webhook() Ready {
	return Ready{
		ID: "webhook", Title: "Signed webhook", Source: "https://www.standardwebhooks.com/",
		About: "Everything about the conversion as JSON, to a server of yours. Set a signing secret, and check the signature.",
		Definition: Definition{
			Name: "Webhook", Template: "webhook", Enabled: true, Method: post, Format: FormatJSON, URL: "https://<YOUR HOST>/attribution", Corrections: true, Unattributed: true,
			Body: `{"app": "{app_id}", "conversion": "{conversion_id}", "event": "{event_name}", "outcome": {outcome}, "time": "{event_time_iso}",
 "revenue": {revenue}, "currency": {currency}, "order_id": {order_id}, "country": {country}, "platform": {platform},
 "media_source": {media_source}, "campaign": {campaign}, "adset": {adset}, "ad": {ad}, "keyword": {keyword},
 "link": {link_id}, "click_id": {click_id}, "touch": {touch_id}, "match": {match}}`,
		},
	}
}

func meta() Ready {
	return Ready{
		ID: "meta_capi", Title: "Meta Conversions API", Source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters",
		About: "Addresses of people are sent hashed, and only where they did not deny the purpose ads.", Secrets: []string{"access_token"},
		Definition: Definition{
			Name: "Meta Conversions API", Template: "meta_capi", Enabled: true, Method: post, Format: FormatJSON,
			URL: "https://graph.facebook.com/v24.0/<DATASET ID>/events?access_token={secret.access_token}",
			Body: `{"data": [{"event_name": "{event_name}", "event_time": {event_time}, "event_id": "{conversion_id}", "action_source": "website",
 "user_data": {"em": ["{email_sha256}"], "ph": ["{phone_sha256}"], "external_id": ["{user_id_sha256}"], "client_user_agent": {user_agent}, "client_ip_address": {ip}},
 "custom_data": {"currency": {currency}, "value": {revenue}, "order_id": {order_id}}}]}`,
		},
	}
}

func tiktok() Ready {
	return Ready{
		ID: "tiktok_events", Title: "TikTok Events API", Source: "https://business-api.tiktok.com/portal/docs?id=1771100865818625",
		About: "Addresses of people are sent hashed, and only where they did not deny the purpose ads.", Secrets: []string{"access_token"},
		Definition: Definition{
			Name: "TikTok Events API", Template: "tiktok_events", Enabled: true, Method: post, Format: FormatJSON, MediaSources: []string{"tiktok"},
			URL: "https://business-api.tiktok.com/open_api/v1.3/event/track/", Headers: map[string]string{"Access-Token": "{secret.access_token}"},
			Body: `{"event_source": "web", "event_source_id": "<PIXEL CODE>", "data": [{"event": "{event_name}", "event_time": {event_time}, "event_id": "{conversion_id}",
 "user": {"ttclid": {param.ttclid}, "email": {email_sha256}, "phone": {phone_sha256}, "external_id": {user_id_sha256}, "ip": {ip}, "user_agent": {user_agent}},
 "properties": {"currency": {currency}, "value": {revenue}, "order_id": {order_id}}}]}`,
		},
	}
}

func googleAds() Ready {
	return Ready{
		ID: "google_ads", Title: "Google Ads offline conversions", Source: "https://developers.google.com/google-ads/api/docs/conversions/upload-clicks",
		About: "Uploads the conversion by its gclid. The access token ends after an hour: put a proxy of yours that holds the refresh token in front, or renew the secret.", Secrets: []string{"access_token", "developer_token"},
		Definition: Definition{
			Name: "Google Ads", Template: "google_ads", Enabled: true, Method: post, Format: FormatJSON, MediaSources: []string{"google"},
			URL:     "https://googleads.googleapis.com/v22/customers/<CUSTOMER ID>:uploadClickConversions",
			Headers: map[string]string{"Authorization": "Bearer {secret.access_token}", "Developer-Token": "{secret.developer_token}"},
			Body: `{"conversions": [{"gclid": "{param.gclid}", "conversionAction": "customers/<CUSTOMER ID>/conversionActions/<ACTION ID>",
 "conversionDateTime": "{event_time_google}", "conversionValue": {revenue}, "currencyCode": {currency}, "orderId": {order_id}}], "partialFailure": true}`,
		},
	}
}
