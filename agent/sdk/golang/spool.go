package unmogrowp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// spool keeps batches on the disk while no agent takes them: one file a batch,
// first the path and then a message a line. A file is complete and synced before
// it gets its name, and removed once the agent has answered.
type spool struct {
	dir   string
	max   int64
	files []spooled // oldest first
	bytes int64
	next  uint64
	told  string // the file whose damaged messages were returned
}

type spooled struct {
	name  string
	bytes int64
}

// maxSpooled bounds the bytes read of a file: a batch and some.
const maxSpooled = 4 << 20

// errSpoolFull is the error of put when there is no room.
var errSpoolFull = errors.New("the spool is full")

func openSpool(dir string, maxBytes int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir) // sorted: oldest first
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir, max: maxBytes}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".part") { // of a process that was killed while it wrote
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".batch") {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, spooled{e.Name(), info.Size()})
		s.bytes += info.Size()
		var number uint64
		if _, err := fmt.Sscanf(e.Name(), "%016x-", &number); err == nil {
			s.next = max(s.next, number+1)
		}
	}
	return s, nil
}

// put writes a batch behind the others.
func (s *spool) put(messages []message) error {
	var b bytes.Buffer
	b.WriteString(messages[0].path)
	for _, m := range messages {
		b.WriteByte('\n')
		b.Write(m.json)
	}
	if s.bytes+int64(b.Len()) > s.max {
		return errSpoolFull
	}
	name := fmt.Sprintf("%016x-%s.batch", s.next, uuid.NewString()) // unlike any other, whoever writes here
	if err := s.write(name, b.Bytes()); err != nil {
		return err
	}
	s.next++
	s.files = append(s.files, spooled{name, int64(b.Len())})
	s.bytes += int64(b.Len())
	return nil
}

func (s *spool) write(name string, content []byte) error {
	part := filepath.Join(s.dir, name+".part")
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(part, filepath.Join(s.dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return syncDir(s.dir)
}

// syncDir makes a new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every file system can; the file itself is synced
	return d.Close()
}

// oldest reads the oldest batch, and once and apart its damaged lines. A file that
// cannot be read is set aside under another name and told in the error. Without a
// name the spool is empty.
func (s *spool) oldest() (name string, good, bad []message, err error) {
	if len(s.files) == 0 {
		return "", nil, nil, nil
	}
	f := s.files[0]
	content, err := s.read(f)
	path, lines, found := bytes.Cut(content, []byte("\n"))
	if err == nil && (!found || string(path) != pathBatch && string(path) != pathTouch) {
		err = errors.New("it does not begin with a path that messages go to")
	}
	if err != nil {
		s.drop(f.name)
		if !errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(err, os.Rename(filepath.Join(s.dir, f.name), filepath.Join(s.dir, f.name+".bad")))
		}
		return f.name, nil, nil, err
	}
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		m := message{path: string(path), json: line}
		if len(line) <= maxMessage && json.Valid(line) {
			good = append(good, m)
		} else if s.told != f.name {
			bad = append(bad, m)
		}
	}
	s.told = f.name
	return f.name, good, bad, nil
}

func (s *spool) read(f spooled) ([]byte, error) {
	if f.bytes > maxSpooled {
		return nil, fmt.Errorf("it has %d bytes, a batch has at most %d", f.bytes, maxSpooled)
	}
	return os.ReadFile(filepath.Join(s.dir, f.name))
}

// remove forgets a batch that was answered. If the file stays it is sent again,
// and counts once.
func (s *spool) remove(name string) {
	_ = os.Remove(filepath.Join(s.dir, name))
	s.drop(name)
}

func (s *spool) drop(name string) {
	s.files = slices.DeleteFunc(s.files, func(f spooled) bool {
		if f.name == name {
			s.bytes -= f.bytes
		}
		return f.name == name
	})
}
