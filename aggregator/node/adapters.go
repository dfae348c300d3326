package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/api"
	"github.com/unmogrowp/unmogrowp/aggregator/authority"
	"github.com/unmogrowp/unmogrowp/aggregator/cluster"
	"github.com/unmogrowp/unmogrowp/aggregator/intake"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// The parts do not know each other's types. What fits but for names is fitted
// here.

// authorityStore keeps the authority's things in Postgres.
type authorityStore struct {
	*postgres.Pool
	*agents.Agents
}

func (s authorityStore) CreateEnrollment(ctx context.Context, e authority.Enrollment) error {
	return s.Agents.CreateEnrollment(ctx, agents.Enrollment(e))
}

func (s authorityStore) ConsumeEnrollment(ctx context.Context, secretHash []byte) (authority.Agent, error) {
	a, err := s.Agents.ConsumeEnrollment(ctx, secretHash)
	if errors.Is(err, postgres.ErrNotFound) {
		return authority.Agent{}, authority.ErrToken
	}
	return authority.Agent{ID: a.ID, Name: a.Name, Region: a.Region, Zone: a.Zone}, err
}

// registry tells intake of agents.
type registry struct {
	*agents.Agents
	pool      *postgres.Pool
	directory *directory
}

func (r registry) RegisterBuffer(ctx context.Context, agent string, b intake.Buffer) (intake.Known, error) {
	known, err := r.Agents.RegisterBuffer(ctx, agent, agents.Buffer(b))
	switch {
	case errors.Is(err, agents.ErrClone):
		err = fmt.Errorf("%w: %w", intake.ErrClone, err)
	case errors.Is(err, agents.ErrBehind):
		err = fmt.Errorf("%w: %w", intake.ErrBehind, err)
	}
	return intake.Known(known), err
}

// RecordRefusal puts it into the audit log.
func (r registry) RecordRefusal(ctx context.Context, refusal intake.Refusal) error {
	host, _, err := net.SplitHostPort(refusal.Remote)
	if err != nil {
		host = refusal.Remote
	}
	ctx = postgres.WithActor(ctx, postgres.Actor{Kind: "agent", ID: refusal.Agent, IP: host})
	detail := map[string]any{"reason": refusal.Reason}
	if refusal.Folded > 0 {
		detail["not_recorded_before"] = refusal.Folded
	}
	return r.pool.Record(ctx, "agent.connect", postgres.Denied, refusal.Agent, "", detail)
}

func (r registry) Revoked(agent string) bool { return r.directory.Revoked(agent) }

// issuer speaks the wire's messages for the authority.
type issuer struct {
	*authority.Authority
	agents *agents.Agents
}

func (i issuer) Enroll(ctx context.Context, secret string, csr []byte) (*protocol.Enrolled, error) {
	agent, cert, err := i.Authority.Enroll(ctx, secret, csr)
	if err != nil {
		return nil, err
	}
	return &protocol.Enrolled{Agent: agent.ID, Name: agent.Name, Region: agent.Region, Certificate: cert, Authority: i.Certificate()}, nil
}

func (i issuer) Renew(ctx context.Context, agent string, csr []byte) (*protocol.Enrolled, error) {
	cert, err := i.Authority.Renew(ctx, agent, csr)
	if err != nil {
		return nil, err
	}
	return &protocol.Enrolled{Agent: agent, Certificate: cert, Authority: i.Certificate()}, nil
}

// RenewExpired issues a certificate to an agent that has proven the key of one that has
// ended.
func (i issuer) RenewExpired(ctx context.Context, agent, serial string, csr []byte) (*protocol.Enrolled, error) {
	if err := i.agents.MayRenewExpired(ctx, agent, serial); err != nil {
		return nil, err
	}
	return i.Renew(ctx, agent, csr)
}

// clusterView shows the cluster in the console.
type clusterView struct {
	cluster    *cluster.Cluster
	attributor *recompute.Attributor
	accounts   *accounts.Accounts
	self       string
	now        func() time.Time
}

func (v clusterView) State(ctx context.Context) (api.ClusterState, error) {
	mismatched, err := v.attributor.Mismatched(ctx)
	if err != nil {
		return api.ClusterState{}, err
	}
	watermark, err := v.accounts.Watermark(ctx, recompute.WatermarkName)
	if err != nil {
		return api.ClusterState{}, err
	}
	lag := int64(0) // beyond the time for which the watermark always stands still
	if !watermark.IsZero() {
		lag = max(0, (v.now().Sub(watermark) - v.attributor.Period()).Milliseconds())
	}
	state := api.ClusterState{Mismatched: int64(mismatched)}
	for _, m := range v.cluster.Members() {
		member := api.Member{ID: m.ID, Address: m.Address, Region: m.Region, Zone: m.Zone, State: "alive", Lag: lag, Self: m.ID == v.self}
		if m.Draining {
			member.State = "draining"
		}
		state.Members = append(state.Members, member)
	}
	return state, nil
}
