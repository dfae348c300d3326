package ingest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// clicked is a door with the links of the scripts, whose ids tell its time, and
// the id of a click on one of them.
func clicked(t *testing.T, slug string, now *time.Time) (*door, string) {
	t.Helper()
	d := newDoor(t, func(o *Options) {
		o.Now = func() time.Time { return *now }
		o.NewID = func() string { return idAt(*now) }
	})
	for _, l := range scriptLinks() {
		d.book.links[l.Slug] = l
	}
	d.send("GET", "/c/"+slug, "", "User-Agent: iPhone")
	return d, d.buffer.taken()[0].ID
}

// idAt is a UUID of version 7 of a time.
func idAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id.String()
}

func (d *door) deepLink(parameters string) (int, string) {
	w := d.send("GET", "/v1/deeplink?"+parameters, "", basic(clientKey), "User-Agent: iPhone")
	var answer struct {
		DeepLink string `json:"deep_link"`
		Error    struct{ Code string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return w.Code, err.Error()
	}
	return w.Code, answer.DeepLink + answer.Error.Code
}

func TestDeferredDeepLinkIsAnsweredOnce(t *testing.T) {
	now := noon()
	d, id := clicked(t, "spring", &now)
	now = now.Add(deepLinkWindow - time.Second)
	for _, step := range []struct {
		parameters, want string
	}{
		{"", "400 missing_click_id"},
		{"click_id=" + strings.Replace(id, ".spring", ".plain", 1), "404 no_deep_link"}, // has none
		{"click_id=" + strings.Replace(id, ".spring", ".other", 1), "404 no_deep_link"},
		{"click_id=" + id[:20], "404 no_deep_link"},
		{"click_id=" + uuid.NewString() + ".spring", "404 no_deep_link"}, // not an id of ours
		{"referrer=" + url.QueryEscape("utm_source=newsletter&click_id="+id), "200 shop://sale?click=" + id},
		{"click_id=" + id, "404 no_deep_link"},
	} {
		if code, text := d.deepLink(step.parameters); fmt.Sprint(code, " ", text) != step.want {
			t.Errorf("%s: %d %s, want %s", step.parameters, code, text, step.want)
		}
	}
}

func TestDeferredDeepLinkEndsAfterItsWindow(t *testing.T) {
	now := noon()
	d, id := clicked(t, "spring", &now)
	now = now.Add(deepLinkWindow + time.Second)
	if code, text := d.deepLink("click_id=" + id); code != 404 {
		t.Errorf("%d %s", code, text)
	}
}

func TestAnotherAgentAnswersForAClick(t *testing.T) {
	now := noon()
	_, id := clicked(t, "spring", &now)
	other, _ := clicked(t, "plain", &now)
	if code, text := other.deepLink("click_id=" + id); code != 200 || text != "shop://sale?click="+id {
		t.Errorf("%d %s", code, text)
	}
	stale, _ := clicked(t, "plain", &now)
	stale.book.stale = true
	delete(stale.book.links, "spring")
	if code, text := stale.deepLink("click_id=" + id); code != 503 || text != "link_not_known_yet" {
		t.Errorf("%d %s", code, text)
	}
}

func TestDeepLinkIsForTheLinksAppOnly(t *testing.T) {
	now := noon()
	d, id := clicked(t, "spring", &now)
	for key, want := range map[string]int{"": 401, "nobody": 401, restrictedKey: 404} {
		w := d.send("GET", "/v1/deeplink?click_id="+id+"&writeKey="+key, "")
		if w.Code != want {
			t.Errorf("key %q: %d %s", key, w.Code, w.Body)
		}
	}
	if w := d.send("HEAD", "/v1/deeplink?click_id="+id, "", basic(clientKey)); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := d.send("GET", "/v1/deeplink?platform=android&click_id="+id, "", basic(clientKey)); w.Code != 200 ||
		!strings.Contains(w.Body.String(), `"deep_links":{"ios":"shop://sale?click=`+id+`"},"media_source":"newsletter","campaign":"spring"`) ||
		strings.Contains(w.Body.String(), `"deep_link":`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestOpenedIsBounded(t *testing.T) {
	var o opened
	now := noon()
	for i := range 5 * maxOpened {
		if !o.first(fmt.Sprint(i), now) {
			t.Fatal(i)
		}
		if len(o.young)+len(o.old) > 2*maxOpened {
			t.Fatalf("%d remembered", len(o.young)+len(o.old))
		}
	}
	if o.first(fmt.Sprint(5*maxOpened-maxOpened), now) {
		t.Error("forgot one of the last")
	}
}
