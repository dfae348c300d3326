//go:build !linux

package buffer

import (
	"errors"
	"os"
)

// trimMapped does nothing where the kernel cannot be asked.
func trimMapped(string, string) error { return nil }

// writeMapped does nothing likewise.
func writeMapped(string, string) error { return nil }

// reserve is for file systems that can.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }
