package api

import (
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// TestANarrowedPersonHasOnlyTheLinksOfTheirSources: the others are as if they were not there, whatever
// is done with them, and nothing becomes theirs or ceases to be.
func TestANarrowedPersonHasOnlyTheLinksOfTheirSources(t *testing.T) {
	s := newSystem(t)
	boss, app := s.owner(), s.app("Shop")
	links := "apps/" + app + "/links"
	link := func(source string) map[string]any {
		return map[string]any{"media_source": source, "fallback": "https://example.com/"}
	}
	var theirs, own apps.Link
	boss.send("POST", links, link("mail"), nil).want(201).decode(&theirs)
	boss.send("POST", links, link("google"), nil).want(201).decode(&own)
	s.user("g@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}, MediaSources: []string{"google"}})
	c := s.login("g@example.com")
	list := func() (ids []string) {
		var page page[apps.Link]
		c.get(links).want(200).decode(&page)
		for _, l := range page.Data {
			ids = append(ids, l.ID)
		}
		return ids
	}
	if ids := list(); len(ids) != 1 || ids[0] != own.ID {
		t.Errorf("sees %v, want %s alone", ids, own.ID)
	}
	evil := link("google")
	evil["fallback"] = "https://evil.example/"
	c.get(links + "/" + theirs.ID).want(404)
	c.send("PUT", links+"/"+theirs.ID, evil, nil).want(404)
	c.send("DELETE", links+"/"+theirs.ID, nil, nil).want(404)
	c.send("POST", links, link("mail"), nil).want(403)
	c.send("PUT", links+"/"+own.ID, link("mail"), nil).want(403)
	var after apps.Link
	boss.get(links + "/" + theirs.ID).want(200).decode(&after)
	if after.Fallback != theirs.Fallback || after.MediaSource != "mail" {
		t.Errorf("the other's link became %+v", after)
	}
	c.send("PUT", links+"/"+own.ID, evil, nil).want(200)
	c.send("POST", links, link("google"), nil).want(201)
	c.send("DELETE", links+"/"+own.ID, nil, nil).want(204)
	s.user("de@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}, Countries: []string{"DE"}})
	s.login("de@example.com").send("POST", links, link("google"), nil).want(403)
}

// TestANarrowedPersonSeesOnlyTheOverridesOfTheirSources: and of settings before these nothing.
func TestANarrowedPersonSeesOnlyTheOverridesOfTheirSources(t *testing.T) {
	s := newSystem(t)
	boss, app := s.owner(), s.app("Shop")
	path := "apps/" + app + "/attribution"
	var version apps.SettingsVersion
	boss.get(path).want(200).decode(&version)
	version.Overrides = []attribution.Override{{MediaSource: "mail", ClickWindow: 3_600_000}, {MediaSource: "google", ClickWindow: 7_200_000}}
	boss.send("PUT", path, version.Settings, nil).want(200)
	s.user("g@example.com", access.Assignment{Role: access.Marketer, Apps: []string{app}, MediaSources: []string{"google"}})
	c := s.login("g@example.com")
	var seen apps.SettingsVersion
	c.get(path).want(200).decode(&seen)
	if len(seen.Overrides) != 1 || seen.Overrides[0].MediaSource != "google" {
		t.Errorf("overrides = %+v", seen.Overrides)
	}
	c.get(path + "/versions").want(403)
	c.send("PUT", path, version.Settings, nil).want(403)
}

// TestASlugStaysWithItsApp: it is printed somewhere, so no other app gets it.
func TestASlugStaysWithItsApp(t *testing.T) {
	s := newSystem(t)
	boss, app, other := s.owner(), s.app("Shop"), s.app("Other")
	body := map[string]any{"slug": "spring", "media_source": "mail", "fallback": "https://example.com/"}
	var made apps.Link
	boss.send("POST", "apps/"+app+"/links", body, nil).want(201).decode(&made)
	boss.send("POST", "apps/"+other+"/links", body, nil).want(409)
	boss.send("DELETE", "apps/"+app+"/links/"+made.ID, nil, nil).want(204)
	boss.send("POST", "apps/"+other+"/links", body, nil).want(409)
	boss.send("POST", "apps/"+app+"/links", body, nil).want(201)
}
