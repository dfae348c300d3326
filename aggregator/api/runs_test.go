package api

import (
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
)

// runsOf is an app with people who may see it, and where its runs are.
func runsOf(t *testing.T, s *system) (app, learned, simulated, erasures string) {
	t.Helper()
	app = s.app("Shop")
	for email, role := range map[string]access.Assignment{
		"viewer@example.com":   {Role: access.Viewer, Apps: []string{app}},
		"other@example.com":    {Role: access.Viewer, Apps: []string{app}},
		"marketer@example.com": {Role: access.Marketer, Apps: []string{app}},
		"narrow@example.com":   {Role: access.Viewer, Apps: []string{app}, Countries: []string{"DE"}},
		"foreign@example.com":  {Role: access.Owner, Apps: []string{s.app("Other")}},
	} {
		s.user(email, role)
	}
	at := "apps/" + app
	return app, at + "/reports/data-driven", at + "/backfills", at + "/erasures"
}

// Everybody who sees reports sees runs; only who ordered one, or may configure attribution, ends it.
func TestRunsBelongToWhoOrderedThem(t *testing.T) {
	s := newSystem(t)
	s.owner()
	_, learned, _, _ := runsOf(t, s)
	viewer, other, marketer := s.login("viewer@example.com"), s.login("other@example.com"), s.login("marketer@example.com")
	for _, ends := range []*client{viewer, marketer} {
		var run apps.Run
		viewer.post(learned, map[string]any{"from": "2026-01-01", "to": "2026-02-01"}).want(202).decode(&run)
		other.get(learned + "/" + run.ID).want(200)
		other.post(learned+"/"+run.ID+"/cancel", nil).want(403)
		other.send("DELETE", learned+"/"+run.ID, nil, nil).want(403)
		ends.send("DELETE", learned+"/"+run.ID, nil, nil).want(409) // it is not finished
		ends.post(learned+"/"+run.ID+"/cancel", nil).want(204)
		ends.send("DELETE", learned+"/"+run.ID, nil, nil).want(204)
		ends.get(learned + "/" + run.ID).want(404)
	}
}

// Results of runs are about the whole app, and an erasure names a person.
func TestRunsAreSeenByWhoMaySeeAllOfThem(t *testing.T) {
	s := newSystem(t)
	owner := s.owner()
	_, learned, simulated, erasures := runsOf(t, s)
	var erasure, run apps.Run
	owner.post(erasures, map[string]any{"user_id": "ada"}).want(202).decode(&erasure)
	owner.post(learned, map[string]any{}).want(202).decode(&run)
	owner.get(erasures + "/" + erasure.ID).want(200)
	owner.get(erasures + "/" + run.ID).want(404)
	for _, c := range []*client{owner, s.login("viewer@example.com"), s.login("marketer@example.com")} {
		c.get(learned + "/" + erasure.ID).want(404)
		c.get(simulated + "/" + erasure.ID).want(404)
		c.get(learned + "/" + run.ID).want(200)
		c.get(simulated + "/" + run.ID).want(404)
	}
	s.login("viewer@example.com").get(erasures).want(403)
	narrow, foreign := s.login("narrow@example.com"), s.login("foreign@example.com")
	for _, path := range []string{learned, learned + "/" + run.ID, simulated} {
		narrow.get(path).want(403)
		foreign.get(path).want(404)
	}
	narrow.post(learned, map[string]any{}).want(403)
	foreign.post(erasures, map[string]any{"user_id": "ada"}).want(404)
}
