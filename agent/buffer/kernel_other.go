//go:build !linux

package buffer

import (
	"errors"
	"os"
)

// mapping is for kernels that can be asked and advised.
type mapping struct{}

func mapped(string) (mapping, error) { return mapping{}, errors.ErrUnsupported }

func (mapping) writeOnly() error        { return errors.ErrUnsupported }
func (mapping) release(low, high int64) {}

// syncData returns once the data written to a file is on the disk.
func syncData(f *os.File) error { return f.Sync() }

// reserve is for file systems that can.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }
