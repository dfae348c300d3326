package buffer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// found is what lies in the directory of the segments.
type found struct {
	segments []*segment // that have blocks, in order
	spares   []string   // made ahead, never written to
	strays   []string   // written to, but with no block that is whole, nor a note of its first one
	deleted  []string   // whose deletion was begun
	number   int        // the highest
}

// survey finds the segments on disk and where they begin. It only reads.
func (st *store) survey(epoch uint64) (f found, err error) {
	entries, err := os.ReadDir(filepath.Join(st.dir, segmentsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		path := filepath.Join(st.dir, segmentsDir, e.Name())
		n, ok := segmentNumber(e.Name())
		if !ok {
			if strings.HasPrefix(e.Name(), deadPrefix) {
				f.deleted = append(f.deleted, path)
			}
			continue
		}
		f.number = max(f.number, n)
		if !e.IsDir() {
			continue
		}
		s := &segment{dir: path}
		if err := f.place(s, epoch); err != nil {
			return f, err
		}
	}
	slices.SortStableFunc(f.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(f.segments); i++ {
		if a, b := f.segments[i-1], f.segments[i]; a.first == b.first {
			return f, fmt.Errorf("segments %s and %s both begin with block %d: the directory was put together from two; move one away, or use an empty directory", a.dir, b.dir, a.first)
		}
	}
	return f, nil
}

// place sorts a segment by its contents: one with blocks, a spare, or a stray.
func (f *found) place(s *segment, epoch uint64) error {
	known := false
	if s.first, known = s.readFirst(); known {
		f.segments = append(f.segments, s)
		return nil
	}
	ix, err := indexBlocks(s.dir, epoch)
	if err != nil {
		return err
	}
	s.first = ix.first()
	if err := ix.close(); err != nil {
		return err
	}
	if s.first > 0 {
		f.segments = append(f.segments, s)
		return nil
	}
	empty, err := blank(s.dir)
	if empty {
		f.spares = append(f.spares, s.dir)
	} else {
		f.strays = append(f.strays, s.dir)
	}
	return err
}

// adopt makes a segment of the single store that earlier versions had. Its blocks
// lie in its tree, uncompressed, where an index finds them as well.
func (st *store) adopt() error {
	old := filepath.Join(st.dir, "badger")
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(st.dir, segmentsDir), 0o700); err != nil {
		return err
	}
	return os.Rename(old, segmentPath(st.dir, 1))
}

// load takes the segments on disk over. It removes the leftovers of a process
// that was killed while it made or deleted a segment; nothing that was ever
// written to is removed.
func (st *store) load(f found) error {
	if err := os.MkdirAll(filepath.Join(st.dir, segmentsDir), 0o700); err != nil {
		return err
	}
	for _, dir := range append(f.deleted, f.spares...) {
		if err := os.RemoveAll(dir); err != nil {
			st.log.Warn("buffer has left an empty segment", "segment", dir, "error", err)
		}
	}
	for _, dir := range f.strays {
		noteDamage(st.log, dir, "it holds no whole block")
		if err := st.setAside(dir); err != nil {
			return err
		}
	}
	st.number = f.number
	for _, s := range st.list {
		st.sealed[s] = s.size()
		if _, known := s.readFirst(); !known {
			st.log.Warn("buffer segment did not say where it begins; its blocks did", "segment", s.dir, "first", s.first)
			if err := s.noteFirst(); err != nil {
				st.log.Warn("buffer segment does not say where it begins", "segment", s.dir, "error", err)
			}
		}
	}
	return syncDir(filepath.Join(st.dir, segmentsDir))
}

// The area of the segments set aside: those that have lost blocks, once their
// other blocks are acknowledged and have served their time.
const (
	asideDir   = "damaged"
	damageFile = "damage"
)

// noteDamage writes into a segment a line about a loss. A segment with such a
// note is never deleted by itself.
func noteDamage(log interface{ Warn(string, ...any) }, dir, what string) {
	f, err := os.OpenFile(filepath.Join(dir, damageFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, what)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		log.Warn("buffer damage is not noted beside the segment", "segment", dir, "damage", what, "error", err)
	}
}

// readDamage returns the note, and whether there is one.
func readDamage(dir string) (string, bool) {
	info, err := os.Stat(filepath.Join(dir, damageFile))
	if err != nil {
		return "", false
	}
	if info.Size() > 64<<10 {
		return fmt.Sprintf("a note of %d bytes", info.Size()), true
	}
	text, err := os.ReadFile(filepath.Join(dir, damageFile))
	if err != nil {
		return err.Error(), true
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.TrimSpace(string(text))), true
}

// setAside moves a segment, or a directory that may have been one, to where
// only an operator deletes it.
func (st *store) setAside(dir string) error {
	area := filepath.Join(st.dir, asideDir)
	if err := os.MkdirAll(area, 0o700); err != nil {
		return fmt.Errorf("set segment aside: %w", err)
	}
	target := filepath.Join(area, filepath.Base(dir))
	for n := 2; ; n++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			break
		}
		target = filepath.Join(area, fmt.Sprintf("%s-%d", filepath.Base(dir), n))
	}
	if err := os.Rename(dir, target); err != nil {
		return fmt.Errorf("set segment aside: %w", err)
	}
	st.log.Error("buffer has set a damaged segment aside; `agent buffer damaged` lists it", "segment", dir, "to", target)
	return errors.Join(syncDir(area), syncDir(filepath.Dir(dir)))
}

// SetAside is something damaged that only an operator deletes.
type SetAside struct {
	Name   string `json:"name"`
	InUse  bool   `json:"in_use"` // still a segment of the queue: blocks in it wait, or are kept for a replay
	Bytes  int64  `json:"bytes"`  // on disk
	Blocks int    `json:"blocks"` // that are whole
	First  uint64 `json:"first,omitempty"`
	Last   uint64 `json:"last,omitempty"` // the outermost of them
	Note   string `json:"note"`           // describes the losses
}

// aside lists everything set aside and the damaged segments in use.
func (st *store) aside(epoch uint64) (list []SetAside, err error) {
	st.mu.Lock()
	segments := slices.Clone(st.list)
	st.mu.Unlock()
	var errs []error
	describe := func(dir string, inUse bool) {
		a := SetAside{Name: filepath.Base(dir), InUse: inUse, Bytes: sizeOf(dir)}
		a.Note, _ = readDamage(dir)
		ix, err := indexBlocks(dir, epoch)
		if err != nil {
			errs = append(errs, err)
			return
		}
		a.Blocks, a.First, a.Last = len(ix.places), ix.first(), ix.last()
		errs = append(errs, ix.close())
		list = append(list, a)
	}
	entries, err := os.ReadDir(filepath.Join(st.dir, asideDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if path := filepath.Join(st.dir, asideDir, e.Name()); e.IsDir() {
			describe(path, false)
		} else if info, err := e.Info(); err == nil { // a table that an earlier version has moved
			list = append(list, SetAside{Name: e.Name(), Bytes: allocated(info), Note: "a file of an earlier version"})
		}
	}
	for _, s := range segments {
		if _, damaged := readDamage(s.dir); damaged {
			describe(s.dir, true)
		}
	}
	return list, errors.Join(errs...)
}

// asideTotals counts and measures everything set aside.
func (st *store) asideTotals() (count, bytes int64) {
	area := filepath.Join(st.dir, asideDir)
	entries, _ := os.ReadDir(area)
	for _, e := range entries {
		count++
		if e.IsDir() {
			bytes += sizeOf(filepath.Join(area, e.Name()))
		} else if info, err := e.Info(); err == nil {
			bytes += allocated(info)
		}
	}
	return count, bytes
}

// asidePath checks the name of something that was set aside.
func (st *store) asidePath(name string) (string, error) {
	path := filepath.Join(st.dir, asideDir, name)
	if name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		return "", fmt.Errorf("nothing that was set aside is called %q", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("nothing that was set aside is called %q: %w", name, err)
	}
	return path, nil
}
