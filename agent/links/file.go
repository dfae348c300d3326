package links

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxFile bounds the bytes read back: the largest frame, its header and the sum.
const maxFile = protocol.MaxSettingsFrame + 1024

// The file is the SHA-256 of the rest, and the settings as one frame of the
// protocol.
func encode(s *protocol.Settings) ([]byte, error) {
	frame, err := protocol.AppendMessage(make([]byte, sha256.Size, 4096), s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(frame[sha256.Size:])
	copy(frame, sum[:])
	return frame, nil
}

func decode(data []byte) (*protocol.Settings, error) {
	if len(data) <= sha256.Size {
		return nil, fmt.Errorf("%w: %d bytes are too few", protocol.ErrMalformed, len(data))
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return nil, fmt.Errorf("%w: checksum differs", protocol.ErrMalformed)
	}
	m, err := protocol.ReadMessage(bytes.NewReader(data[sha256.Size:]))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", protocol.ErrMalformed, err)
	}
	s, ok := m.(*protocol.Settings)
	if !ok {
		return nil, fmt.Errorf("%w: %T in place of settings", protocol.ErrMalformed, m)
	}
	return s, nil
}

func readFile(path string) (*protocol.Settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: more than %d bytes", protocol.ErrMalformed, maxFile)
	}
	return decode(data)
}

// writeFile replaces path at once or not at all, also across a power cut: the
// new file is synced before it takes the name, the directory after.
func writeFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := writeSynced(temporary, data); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
