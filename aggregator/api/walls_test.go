package api

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// TestARequestReachesNoFurtherThanItsRoute is what both databases are told of a request.
func TestARequestReachesNoFurtherThanItsRoute(t *testing.T) {
	all := access.Assignment{Role: access.Owner, AllApps: true}
	some := func(apps ...string) access.Assignment {
		return access.Assignment{Role: access.Viewer, Apps: apps}
	}
	for name, c := range map[string]struct {
		roles []access.Assignment
		app   string
		want  access.AppList
	}{
		"an owner, one app":       {[]access.Assignment{all}, "a", access.AppList{IDs: []string{"a"}}},
		"an owner":                {[]access.Assignment{all}, "", access.AppList{All: true}},
		"of two apps, one":        {[]access.Assignment{some("a", "b")}, "b", access.AppList{IDs: []string{"b"}}},
		"of two apps":             {[]access.Assignment{some("a"), some("b")}, "", access.AppList{IDs: []string{"a", "b"}}},
		"somebody without a role": {nil, "", access.AppList{}},
	} {
		if got := reach(access.Principal{User: "u", Assignments: c.roles}, c.app); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestTheWarehouseIsAskedWithThePassOfTheRequest: also for whoever may see everything.
func TestTheWarehouseIsAskedWithThePassOfTheRequest(t *testing.T) {
	s := newSystem(t)
	owner, shop := s.owner(), s.app("Shop")
	s.app("Other")
	owner.get("apps/" + shop + "/reports/overview").want(200)
	if got := s.reports.pass; got.All || !slices.Equal(got.Apps, []string{shop}) {
		t.Errorf("the pass is for %+v, want %s alone", got, shop)
	}
}

// TestWhatIsAboutWholeAppsIsNotForWhoSeesAPart: nothing of it could be narrowed.
func TestWhatIsAboutWholeAppsIsNotForWhoSeesAPart(t *testing.T) {
	s := newSystem(t)
	owner, shop := s.owner(), s.app("Shop")
	at := "apps/" + shop
	s.user("analyst@example.com", access.Assignment{Role: access.Analyst, Apps: []string{shop}, MediaSources: []string{"mail"}})
	s.user("marketer@example.com", access.Assignment{Role: access.Marketer, Apps: []string{shop}, Countries: []string{"DE"}})
	analyst, marketer := s.login("analyst@example.com"), s.login("marketer@example.com")
	for _, path := range []string{"/conversions/known/around", "/late-touches", "/conflicts"} {
		owner.get(at + path).want(200)
		analyst.get(at + path).want(403)
	}
	owner.post(at+"/attribution/preview", map[string]any{"settings": map[string]any{}}).want(200)
	marketer.post(at+"/attribution/preview", map[string]any{"settings": map[string]any{}}).want(403)
	marketer.post(at+"/backfills", map[string]any{"name": "x", "settings": map[string]any{}}).want(403)
}

func TestAQuestionBeyondTheLimitsIsNoInternalError(t *testing.T) {
	cause := errors.New("code: 158, SELECT secret FROM inside")
	for busy, want := range map[bool]int{false: http.StatusUnprocessableEntity, true: http.StatusServiceUnavailable} {
		p := problemOf(fmt.Errorf("read overview: %w", &report.LimitError{Busy: busy, Cause: cause}))
		if p.Status != want || strings.Contains(p.Detail, "SELECT") || !strings.Contains(p.Detail, "shorter range") || (p.retryAfter > 0) != busy {
			t.Errorf("busy %v: %+v", busy, p)
		}
	}
}
