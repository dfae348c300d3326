// Command chserver is a ClickHouse server made of the embeddable library
// libchdb: it loads the library without cgo and hands its arguments to the
// library's own main function. See children.ClickHouse for the arguments.
//
//	chserver /path/to/libchdb.so clickhouse --path=DIR --tcp_port=9000 ...
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: chserver LIBRARY clickhouse [ARGUMENT...]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "chserver:", err)
		os.Exit(1)
	}
}

// run blocks for the life of the server. The library installs its own signal
// handlers, so SIGTERM reaches it and not the Go runtime.
//
// SIGPIPE is ignored before: the library's threads get it when a client dies in
// the middle of an answer, and the Go runtime, which knows nothing of those
// threads, would abort the server. Ignored, the write fails and the query ends.
func run(library string, args []string) error {
	signal.Ignore(syscall.SIGPIPE)
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load library: %w", err)
	}
	if _, err := purego.Dlsym(handle, "query_stable_v2"); err != nil {
		return fmt.Errorf("find query_stable_v2 in %s: %w", library, err)
	}
	var serve func(argc int32, argv unsafe.Pointer) uintptr
	purego.RegisterLibFunc(&serve, handle, "query_stable_v2")

	// C wants argv to end with a null pointer. The strings are Go memory: they
	// are pinned because the library keeps pointers to them for its whole life.
	var pinner runtime.Pinner
	defer pinner.Unpin()
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		bytes := append([]byte(arg), 0)
		pinner.Pin(&bytes[0])
		argv[i] = &bytes[0]
	}
	pinner.Pin(&argv[0])
	if serve(int32(len(args)), unsafe.Pointer(&argv[0])) == 0 {
		return errors.New("the server ended without a result")
	}
	return nil
}
