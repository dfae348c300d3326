package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Times of watching.
const (
	pollEvery    = 2 * time.Second // asks for the generation, whatever was or was not announced
	minReconnect = 100 * time.Millisecond
	maxReconnect = 5 * time.Second
)

// Follow listens to a channel until ctx ends, then returns nil. Poll runs after each connection was made and every
// pollEvery, notified with the payload of each announcement, lost after each break.
func (a *Pool) Follow(ctx context.Context, channel string, poll func(context.Context) error,
	notified func(context.Context, string) error, lost ...func()) error {
	pause := minReconnect
	for ctx.Err() == nil {
		began := time.Now()
		// Whatever broke the connection, the answer is to make another; Postgres being away shows
		// in readiness and in every other call.
		_ = a.listen(ctx, channel, poll, notified)
		for _, f := range lost {
			f()
		}
		if time.Since(began) > maxReconnect {
			pause = minReconnect
		}
		if daemon.Sleep(ctx, pause+rand.N(pause)) != nil {
			return nil
		}
		pause = min(2*pause, maxReconnect)
	}
	return nil
}

func (a *Pool) listen(ctx context.Context, channel string, poll func(context.Context) error, notified func(context.Context, string) error) error {
	conn, err := pgx.ConnectConfig(ctx, a.config)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		if err := poll(ctx); err != nil {
			return err
		}
		if err := await(ctx, conn, notified); err != nil {
			return err
		}
	}
}

// await passes announcements on until it is time to poll again.
func await(ctx context.Context, conn *pgx.Conn, notified func(context.Context, string) error) error {
	turn, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	for {
		notice, err := conn.WaitForNotification(turn)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case turn.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("listen: %w", err)
		}
		if err := notified(ctx, notice.Payload); err != nil {
			return err
		}
	}
}
