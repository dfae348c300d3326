package accounts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// The channels of NOTIFY.
const (
	settingsChannel = "unmogrowp_settings" // payload: the generation
	peopleChannel   = "unmogrowp_people"   // payload: a user id
)

// Times of watching.
const (
	pollEvery    = 2 * time.Second // asks for the generation, whatever was or was not announced
	minReconnect = 100 * time.Millisecond
	maxReconnect = 5 * time.Second
)

// Watch calls changed whenever the settings may have changed, and once at the start, until ctx ends.
// It listens on a connection of its own, comes back when that breaks, and asks for the generation
// every two seconds, since announcements are lost while it is away. Changed runs on the caller's
// goroutine, never twice at a time.
func (a *Accounts) Watch(ctx context.Context, changed func()) error {
	var seen uint64
	poll := func(ctx context.Context) error {
		generation, err := a.Generation(ctx)
		if err == nil && generation != seen {
			seen = generation
			changed()
		}
		return err
	}
	return a.watch(ctx, settingsChannel, poll, func(ctx context.Context, _ string) error { return poll(ctx) })
}

// WatchPeople calls changed with the id of a person whose roles, password or state changed, or whose
// session was ended, and with an empty id when any may have: at the start and after an interruption.
func (a *Accounts) WatchPeople(ctx context.Context, changed func(user string)) error {
	away := true
	poll := func(context.Context) error {
		if away {
			away = false
			changed("")
		}
		return nil
	}
	return a.watch(ctx, peopleChannel, poll, func(_ context.Context, user string) error {
		changed(user)
		return nil
	}, func() { away = true })
}

// watch listens until ctx ends, then returns nil. Poll runs after each connection was made and every
// pollEvery, notified with the payload of each announcement, lost after each break.
func (a *Accounts) watch(ctx context.Context, channel string, poll func(context.Context) error,
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

func (a *Accounts) listen(ctx context.Context, channel string, poll func(context.Context) error, notified func(context.Context, string) error) error {
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
