package daemon

import (
	"context"
	"net"
	"time"
)

// notifyWhenReady tells systemd READY=1 as soon as all readiness checks have passed once.
func (a *Admin) notifyWhenReady(ctx context.Context) {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if _, ok := a.Ready(ctx); ok {
			notifySystemd(a.notifySocket, "READY=1")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// notifySystemd sends one state as sd_notify(3) does. It is a courtesy: a supervisor that does
// not listen must not keep the process from working, so errors are dropped.
func notifySystemd(socket, state string) {
	if socket == "" {
		return
	}
	if socket[0] == '@' { // Linux's abstract name space
		socket = "\x00" + socket[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(state))
}
