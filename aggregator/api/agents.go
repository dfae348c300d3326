package api

import (
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func listAgents(c *call) (any, error) {
	agents, err := c.Accounts.Agents.List(c.ctx)
	if err != nil {
		return nil, err
	}
	return pageOf(agents), nil
}

func readAgent(c *call) (any, error) {
	agents, err := c.Accounts.Agents.List(c.ctx)
	if err != nil {
		return nil, err
	}
	for _, agent := range agents {
		if agent.ID == c.param("agent") {
			return agent, nil
		}
	}
	return nil, postgres.ErrNotFound
}

type enrollmentBody struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	Zone   string `json:"zone,omitempty"`
}

type enrollmentAnswer struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func enrollmentToken(c *call) (any, error) {
	var body enrollmentBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	token, expires, err := c.Enroller.Token(c.ctx, body.Name, body.Region, body.Zone)
	if err != nil {
		return nil, err
	}
	return enrollmentAnswer{Token: token, Expires: expires.UTC()}, nil
}

type agentBody struct {
	URL *string `json:"url,omitempty"` // where SDKs reach it; empty takes it off the list of edges
}

func changeAgent(c *call) (any, error) {
	var body agentBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.URL != nil {
		if err := c.Accounts.Agents.SetAgentURL(c.ctx, c.param("agent"), *body.URL); err != nil {
			return nil, err
		}
	}
	return readAgent(c)
}

func revokeAgent(c *call) (any, error) {
	return nil, c.Accounts.Agents.RevokeAgent(c.ctx, c.param("agent"))
}

func clusterState(c *call) (any, error) {
	state, err := c.Cluster.State(c.ctx)
	if err != nil {
		return nil, err
	}
	state.Members = append([]Member{}, state.Members...)
	return state, nil
}
