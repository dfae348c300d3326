package intake

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Refusal is an agent that was turned away although it had a certificate of this
// installation.
type Refusal struct {
	Agent  string // as its certificate says; empty if that names none
	Remote string // address
	Reason string
	Folded int64 // refusals before this one that were not recorded, being too many
}

// What strangers may make a node do in a second. Refusals over that are counted
// in the next one; enrolments over that are told to come back; and connections
// over that have to show first that their address is theirs.
const (
	refusalsPerSecond   = 5
	refusalsBurst       = 100
	enrolmentsPerSecond = 20
	enrolmentsBurst     = 200
	greetingsPerSecond  = 50
	greetingsBurst      = 200
)

// doorman holds strangers back.
type doorman struct {
	refusals   *rate.Limiter
	enrolments *rate.Limiter
	greetings  *rate.Limiter
	folded     atomic.Int64
}

func newDoorman() *doorman {
	return &doorman{refusals: rate.NewLimiter(refusalsPerSecond, refusalsBurst), enrolments: rate.NewLimiter(enrolmentsPerSecond, enrolmentsBurst),
		greetings: rate.NewLimiter(greetingsPerSecond, greetingsBurst)}
}

// crowded says whether so many connections begin that the next one costs
// nothing until its address has answered: whoever sends from addresses that are
// not theirs never gets further (RFC 9000, section 8.1.2).
func (d *doorman) crowded(now time.Time) bool { return !d.greetings.AllowN(now, 1) }

// record puts a refusal where it is seen.
func (in *Intake) record(ctx context.Context, agent string, remote net.Addr, reason string) {
	if !in.doorman.refusals.AllowN(in.o.Now(), 1) {
		in.doorman.folded.Add(1)
		return
	}
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	refusal := Refusal{Agent: agent, Remote: remote.String(), Reason: reason, Folded: in.doorman.folded.Swap(0)}
	if err := in.o.Registry.RecordRefusal(within, refusal); err != nil {
		in.doorman.folded.Add(refusal.Folded + 1)
		in.o.Logger.Error("refusal not recorded in the audit log", "agent", agent, "reason", reason, "error", err)
	}
}
