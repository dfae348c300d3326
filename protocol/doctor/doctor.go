// Package doctor checks the machine and network of a program before it is
// started, and names anything that is missing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Check looks at one thing that a program of configuration C needs, and returns
// its finding or its fault.
type Check[C any] struct {
	Name string
	Run  func(context.Context, C) (string, error)
}

// checkTimeout is for one check.
const checkTimeout = 10 * time.Second

// Run makes all checks, one after another, and writes a line about each. It
// returns an error if any found a fault.
func Run[C any](ctx context.Context, out io.Writer, config C, checks ...Check[C]) error {
	width, bad := 0, 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		within, cancel := context.WithTimeout(ctx, checkTimeout)
		found, err := c.Run(within, config)
		cancel()
		verdict := "ok  "
		if err != nil {
			verdict, found = "FAIL", err.Error()
			bad++
		}
		if _, err := fmt.Fprintf(out, "%s  %-*s  %s\n", verdict, width, c.Name, found); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(checks))
	}
	return nil
}

// Names resolves the hosts of addresses of the form host:port.
func Names(ctx context.Context, addresses []string) (string, error) {
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return "", err
		}
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return "", fmt.Errorf("%s: %w", address, err)
		}
	}
	return fmt.Sprintf("%d configured, all names resolve", len(addresses)), nil
}

// wantedUDPBuffer is what QUIC asks the kernel for, in bytes.
const wantedUDPBuffer = 7 << 20

// UDP asks for a receive buffer as large as QUIC's and reports the size that
// the kernel granted. A smaller one is slower, and no fault.
func UDP() (string, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(wantedUDPBuffer); err != nil {
		return "", err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	got := 0
	var optErr error
	if err := raw.Control(func(fd uintptr) { got, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) }); err != nil || optErr != nil {
		return "", errors.Join(err, optErr)
	}
	if got/2 < wantedUDPBuffer { // the kernel reports twice the size that it grants
		return fmt.Sprintf("%d KiB; for full speed set net.core.rmem_max and wmem_max to 7500000", got/2>>10), nil
	}
	return fmt.Sprintf("%d KiB", got/2>>10), nil
}

// Files compares how many files may be open with how many are wanted.
func Files(wanted uint64) (string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return "", err
	}
	if limit.Cur < wanted {
		return "", fmt.Errorf("the limit is %d, %d are wanted: raise it (ulimit -n)", limit.Cur, wanted)
	}
	return fmt.Sprint(limit.Cur), nil
}
