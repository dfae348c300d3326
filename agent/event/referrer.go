package event

import "strings"

// maxUnescaped is how often a referrer may be escaped as a whole, or hold another.
const maxUnescaped = 4

// readReferrer takes the parameters of a store's install referrer, which may be escaped as a
// whole once or twice, be the address of a store page, or hold the referrer within a parameter of
// that name. It returns the referrer in plain form, "" if it says nothing. The store says
// "organic" where there was no campaign; that is kept, and no campaign.
func (q *query) readReferrer(referrer string) string {
	plain := strings.TrimSpace(referrer)
	for range maxUnescaped {
		if address, found := strings.CutPrefix(plain, "?"); found {
			plain = address
		}
		if strings.Contains(plain, "://") && strings.Contains(plain, "?") {
			_, plain, _ = strings.Cut(plain, "?")
		}
		if !strings.Contains(plain, "=") && strings.Contains(plain, "%") {
			plain = unescape(plain)
			continue
		}
		*q = query{}
		q.parse(plain)
		if q.nested == "" || q.clickID != "" || q.source != "" || q.networkID != "" {
			break
		}
		plain = q.nested
	}
	q.readAppsFlyer(plain)
	q.source, q.medium, q.campaign = readTwice(q.source), readTwice(q.medium), readTwice(q.campaign)
	if organic := q.source == "google-play" || foldEqualTo(q.medium, "organic"); organic || q.source == "(direct)" {
		clickID := q.clickID
		*q = query{clickID: clickID}
		if clickID == "" && organic {
			return "utm_source=google-play&utm_medium=organic"
		}
	}
	if *q == (query{}) && !strings.Contains(plain, "=") {
		return "" // null, undefined, a word
	}
	if q.clickID == "" && q.source == "" && q.medium == "" && q.campaign == "" && q.networkID == "" && storeSays(plain) {
		return ""
	}
	return plain
}

// readAppsFlyer takes the names that AppsFlyer has for the source and the campaign.
func (q *query) readAppsFlyer(referrer string) {
	if q.source != "" || !strings.Contains(referrer, "pid=") {
		return
	}
	parameters(referrer, func(name, value string) {
		switch {
		case name == "pid" && q.source == "" && !unnamed(value):
			q.source = short(value)
		case name == "c" && q.campaign == "" && !unnamed(value):
			q.campaign = short(value)
		}
	})
}

// readTwice reads a value that was escaped once more than its referrer, "" if it names nothing.
func readTwice(value string) string {
	if strings.Contains(value, "%") {
		if plain := unescape(value); unnamed(plain) || !strings.Contains(plain, "%") {
			value = plain
		}
	}
	if unnamed(value) {
		return ""
	}
	return value
}

// storeSays says whether the parameters of a referrer are those of a store that knows of no campaign.
func storeSays(referrer string) bool {
	nothing := true
	parameters(referrer, func(name, value string) {
		if !strings.HasPrefix(name, "utm_") {
			nothing = false
		}
	})
	return nothing
}

func foldEqualTo(s, lower string) bool { return len(s) == len(lower) && foldEqual(s, lower) }

// ReferrerClickID is the click id in an install referrer, "" if there is none.
func ReferrerClickID(referrer string) string {
	var q query
	q.readReferrer(clip(referrer, MaxReferrer))
	return q.clickID
}
