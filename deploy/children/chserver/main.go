// Command chserver is a ClickHouse server made of the embeddable library
// libchdb: it loads the library without cgo and hands its arguments to the
// library's own main function. See children.ClickHouse for the arguments.
//
//	chserver 127.0.0.1:9000=127.0.0.1:40001 /path/to/libchdb.so clickhouse --config-file=config.xml ...
//
// Clients use the first port; the second is the library's, see relay.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: chserver PUBLIC=PRIVATE LIBRARY clickhouse [ARGUMENT...]")
		os.Exit(2)
	}
	if err := relay(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "chserver:", err)
		os.Exit(1)
	}
	if err := run(os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "chserver:", err)
		os.Exit(1)
	}
}

// run blocks for the life of the server. The library installs its own signal
// handlers, so SIGTERM reaches it and not the Go runtime.
func run(library string, args []string) error {
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
