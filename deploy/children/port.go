package children

import (
	"fmt"
	"net"
	"strconv"
)

// FreePort returns the preferred TCP port of the loopback interface, or another
// free one when that is 0 or taken. Nothing holds the port afterwards, so the
// caller must be ready for somebody else to be quicker.
func FreePort(preferred int) (int, error) {
	port, err := probePort(preferred)
	if err != nil && preferred != 0 {
		port, err = probePort(0)
	}
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	return port, nil
}

// serverPort is FreePort until the server has been up once. After that its
// clients know the port, and it must not move.
func serverPort(port int, known bool) (int, error) {
	if !known {
		return FreePort(port)
	}
	if _, err := probePort(port); err != nil {
		return 0, fmt.Errorf("listen again on port %d, which clients know: %w", port, err)
	}
	return port, nil
}

func probePort(port int) (int, error) {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
