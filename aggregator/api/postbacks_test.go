package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/postback"
)

// tester is a receiver that takes everything.
type tester struct{}

func (tester) Test(_ context.Context, p deliveries.Postback) (deliveries.Tested, error) {
	sample := postback.Sample(p.App, time.Unix(0, 0))
	shown, err := p.Definition.Shown(&sample, p.Secrets.Named)
	return deliveries.Tested{Request: shown, Status: 200, Answer: "ok"}, err
}

func partner() map[string]any {
	return map[string]any{"name": "Partner", "enabled": true, "method": "GET", "format": "none", "events": []string{"install"},
		"url": "https://partner.example.com/pb?c={click_id}&token={secret.token}", "secrets": map[string]string{"token": "very-secret"}, "signing_secret": "key"}
}

func TestPostbacksOverHTTP(t *testing.T) {
	s := newSystem(t)
	app := s.app("Shop")
	s.user("marketer@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}})
	s.user("narrowed@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}, MediaSources: []string{"google"}})
	marketer := s.login("marketer@example.com")
	at := "apps/" + app + "/postbacks"

	made := marketer.post(at, partner()).want(201)
	var item deliveries.Item
	made.decode(&item)
	if !item.Signed || len(item.Secrets) != 1 || strings.Contains(string(made.body), "very-secret") {
		t.Fatal(string(made.body))
	}
	tested := marketer.post(at+"/"+item.ID+"/test", nil).want(200)
	if text := string(tested.body); strings.Contains(text, "very-secret") || !strings.Contains(text, "c=test-click-id") {
		t.Error(text)
	}
	changed := partner()
	delete(changed, "secrets")
	changed["enabled"] = false
	marketer.send("PUT", at+"/"+item.ID, changed, nil).want(200).decode(&item)
	if item.Enabled || len(item.Secrets) != 1 {
		t.Errorf("%+v", item)
	}
	marketer.get(at + "/" + item.ID + "/deliveries?state=dead&limit=5").want(200)
	marketer.get(at + "/templates").want(200)
	marketer.post(at+"/preview", partner()).want(200)
	marketer.post(at+"/"+item.ID+"/resend", map[string]any{}).want(200)
	marketer.post(at+"/"+item.ID+"/resend", map[string]any{"state": "due"}).want(400)

	s.login("narrowed@example.com").get(at).want(403)
	marketer.send("DELETE", at+"/"+item.ID, nil, nil).want(204)
	marketer.get(at + "/" + item.ID).want(404)
}

// TestPostbacksThatCannotBeSent holds that the answer says what to mend.
func TestPostbacksThatCannotBeSent(t *testing.T) {
	s := newSystem(t)
	owner, app := s.owner(), s.app("Shop")
	for url, want := range map[string]string{
		"http://partner.example.com/":            "https",
		"https://127.0.0.1/":                     "refused",
		"https://[::1]/":                         "refused",
		"https://0x7f.1/":                        "refused",
		"https://partner.example.com:22/":        "443",
		"https://{campaign}.example.com/":        "host",
		"https://partner.example.com/?{clickid}": "did you mean {click_id}",
	} {
		body := partner()
		body["url"] = url
		if text := string(owner.post("apps/"+app+"/postbacks", body).want(400).body); !strings.Contains(text, want) {
			t.Errorf("%s: %s", url, text)
		}
	}
}
