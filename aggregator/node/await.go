package node

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// The purposes that /readyz?for=… asks about.
const (
	purposeIntake  = "intake"  // storing what agents send
	purposeConsole = "console" // people and their programs
)

// Between two attempts to reach the databases.
const (
	firstPause = 500 * time.Millisecond
	longPause  = 10 * time.Second
)

// awaitDatabases opens the databases and goes on trying while one of them does not answer. Whatever
// else is wrong (a password, a schema, a setting) ends the start: waiting would not mend it.
func (n *Node) awaitDatabases(ctx context.Context) error {
	pause := firstPause
	for {
		err := n.databases(ctx)
		if err == nil || ctx.Err() != nil || !unreachable(err) {
			return err
		}
		n.reason.Store(&err)
		n.o.Log.Warn("a database does not answer, trying again", "pause", pause, "error", err)
		if closeErr := n.closeDatabases(); closeErr != nil {
			n.o.Log.Debug("connections not closed in order", "error", closeErr)
		}
		if err := daemon.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longPause)
	}
}

// reached is the readiness check of a start: it fails with the reason for waiting.
func (n *Node) reached(context.Context) error {
	if err := n.reason.Load(); err != nil {
		return *err
	}
	return nil
}

// unreachable says whether an error is a database's absence, which may end by itself.
func unreachable(err error) bool {
	var network *net.OpError
	var name *net.DNSError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer):
		// Postgres starts, stops, or has no connection left.
		return answer.Code == "57P03" || answer.Code == "57P01" || answer.Code == "53300"
	case errors.As(err, &network), errors.As(err, &name):
		return true
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, syscall.ECONNREFUSED, syscall.ECONNRESET} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
