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
	listener, err := net.Listen("tcp", loopback(preferred))
	if err != nil && preferred != 0 {
		listener, err = net.Listen("tcp", loopback(0))
	}
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
