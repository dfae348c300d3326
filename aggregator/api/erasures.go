package api

import (
	"net/http"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// runErasure is the kind of runs that erase a person, as package runs names it.
const runErasure = "erasure"

func erasureRoutes() []route {
	const erasures = "apps/{app}/erasures"
	one := apps.Run{}
	return []route{
		{method: "GET", path: erasures, rule: needs(access.PrivacyManage), handle: listRuns(runErasure), summary: "Erasures, latest first: pending, running, done or failed", reply: page[apps.Run]{}},
		{method: "POST", path: erasures, rule: needs(access.PrivacyManage), handle: startErasure, summary: "Erase a person: events up to now, what was made of them, and their part in what others are credited with; sent again, they are not stored", body: erasureBody{}, reply: one, status: http.StatusAccepted},
		{method: "GET", path: erasures + "/{run}", rule: needs(access.PrivacyManage), handle: readRun(runErasure), summary: "An erasure and, when it is done, how much it removed", reply: one},
	}
}

// erasureBody names the person by one id.
type erasureBody struct {
	UserID      string `json:"user_id,omitempty"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	DeviceID    string `json:"device_id,omitempty"`
}

func startErasure(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	var body erasureBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	var keys []string
	for _, id := range [...]struct{ prefix, id string }{
		{attribution.KeyUser, body.UserID}, {attribution.KeyAnon, body.AnonymousID}, {attribution.KeyDevice, body.DeviceID},
	} {
		if id.id == "" {
			continue
		}
		key := attribution.Key(id.prefix, id.id)
		if key == "" {
			return nil, badRequest("The id stands for nobody: it is too long, or a placeholder.")
		}
		keys = append(keys, key)
	}
	if len(keys) != 1 {
		return nil, badRequest("Give one of user_id, anonymous_id and device_id.")
	}
	return answerOf(c.Accounts.Runs.CreateRun(c.ctx, app.ID, runErasure, "", map[string]string{"key": keys[0]}))
}
