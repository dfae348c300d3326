package system

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// A revocation at one aggregator takes effect within ten seconds at every agent.
func TestRevocation(t *testing.T) {
	const within = 10 * time.Second
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 2, 2)
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	s := newSender(c)
	s.must(c.Agents[0], 1, 1)
	s.must(c.Agents[1], 1, 1)
	s.awaitStored()

	victim := c.Agents[0]
	status, err := c.agentStatus(victim)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	k.Call("POST", "agents/"+status.Agent+"/revoke", nil, nil)
	c.Await("the revoked agent is shut out", func() error {
		now, err := c.agentStatus(victim)
		if err == nil && now.Uplink.Connected {
			err = fmt.Errorf("connected to %s", now.Uplink.Node)
		}
		return err
	})
	if took := time.Since(began); took > within {
		t.Errorf("the revoked agent was shut out after %s", took)
	}
	c.Await("the revoked agent takes nothing more", func() error {
		if status, _ := s.send(victim, 1, 0); status != http.StatusServiceUnavailable {
			return fmt.Errorf("answered %d", status)
		}
		return nil
	})

	var keys struct {
		Data []struct {
			ID   string `json:"id"`
			Kind string `json:"kind"`
		} `json:"data"`
	}
	k.Call("GET", "apps/"+c.App+"/keys", nil, &keys)
	began = time.Now()
	for _, key := range keys.Data {
		if key.Kind == "client" {
			k.Call("DELETE", "apps/"+c.App+"/keys/"+key.ID, nil, nil)
		}
	}
	c.Await("the revoked key is refused", func() error {
		if status, _ := s.send(c.Agents[1], 1, 0); status != http.StatusUnauthorized {
			return fmt.Errorf("answered %d", status)
		}
		return nil
	})
	if took := time.Since(began); took > within {
		t.Errorf("the revoked key was refused after %s", took)
	}
	s.awaitStored()
}
