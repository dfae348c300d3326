package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// The library ends the whole process when a client's connection is reset while
// it reads from it, which is what happens to the connections of a client that
// is killed. So the native port is served here: bytes go to and fro untouched,
// and a reset becomes an orderly end of the stream.

// lingering is how long the library may go on answering a client that is gone.
const lingering = 10 * time.Second

// relay serves "public=private": clients connect to the first address, the
// library listens on the second.
func relay(ports string) error {
	public, private, ok := strings.Cut(ports, "=")
	if !ok {
		return fmt.Errorf("%q is not PUBLIC=PRIVATE", ports)
	}
	l, err := net.Listen("tcp", public)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	go accept(l, private)
	return nil
}

// accept serves clients for the life of the process.
func accept(public net.Listener, private string) {
	for {
		client, err := public.Accept()
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors: some will be given back
			continue
		}
		go serve(client, private)
	}
}

// serve couples one client with a connection of its own to the library.
func serve(client net.Conn, private string) {
	defer client.Close()
	conn, err := net.Dial("tcp", private)
	if err != nil {
		return // not up yet: the client sees its connection close
	}
	library := conn.(*net.TCPConn)
	defer library.Close()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_, err := io.Copy(client, library)
		if err != nil {
			// Nobody listens any more. Reading on keeps the library from being reset.
			_ = library.SetReadDeadline(time.Now().Add(lingering))
			_, _ = io.Copy(io.Discard, library)
		}
		if half, ok := client.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(library, client) // ended or reset: for the library it is the end
	_ = library.CloseWrite()
	_ = library.SetReadDeadline(time.Now().Add(lingering))
	wg.Wait()
}
