package api

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
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

func TestAQuestionBeyondTheLimitsIsNoInternalError(t *testing.T) {
	cause := errors.New("code: 158, SELECT secret FROM inside")
	for busy, want := range map[bool]int{false: http.StatusUnprocessableEntity, true: http.StatusServiceUnavailable} {
		p := problemOf(fmt.Errorf("read overview: %w", &report.LimitError{Busy: busy, Cause: cause}))
		if p.Status != want || strings.Contains(p.Detail, "SELECT") || !strings.Contains(p.Detail, "shorter range") || (p.retryAfter > 0) != busy {
			t.Errorf("busy %v: %+v", busy, p)
		}
	}
}
