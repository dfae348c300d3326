// Reference writes the reference pages of docs/operations from the code: every setting of the two
// programs and every metric. Run it with
//
//	make reference
//
// Its test, a part of make check, fails while a page differs from the code.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	pages, err := Pages(os.DirFS(root))
	if err == nil {
		for name, text := range pages {
			if err = os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil { //nolint:gosec // a page for everybody to read
				break
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}
