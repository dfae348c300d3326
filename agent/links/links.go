// Package links holds everything an agent needs in order to serve without
// asking anyone: apps, write keys and tracking links. The aggregator sends them
// as one snapshot over the uplink; the table keeps the latest on disk, so that
// an agent that starts while it is cut off accepts events and redirects clicks
// as before.
package links

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Table answers who a key belongs to and where a link leads. Reads take no lock
// and never see half of a snapshot.
type Table struct {
	path  string
	found error // why the stored snapshot could not be used

	current atomic.Pointer[snapshot]
	fresh   atomic.Bool

	mu sync.Mutex // one Replace at a time
}

// snapshot is one generation of settings; it never changes once it is current.
type snapshot struct {
	version protocol.Settings // timeline and generation only
	skipped int
	encoded []byte
	apps    map[string]protocol.App
	keys    map[[sha256.Size]byte]protocol.Key
	links   map[string]protocol.Link
	hosts   map[string]string // link host to app
	edges   []protocol.Edge
}

// copyEnding names the second file: an agent that is cut off can do without
// neither, so that damage to one must leave the other.
const copyEnding = ".copy"

// Open reads the snapshot stored at path, or its copy. Without one the table is
// empty and not fresh. A damaged file is set aside as path + ".damaged" and the
// table starts empty, because the aggregator sends the snapshot again; Damage
// names the fault.
func Open(path string) (*Table, error) {
	t := &Table{path: path}
	t.current.Store(&snapshot{})
	settings, err := readFile(path)
	if err != nil {
		if copied, copyErr := readFile(path + copyEnding); copyErr == nil {
			t.found = fmt.Errorf("read settings %s: %w; its copy is used", path, err)
			t.current.Store(index(copied))
			return t, nil // the next Replace writes both again
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, protocol.ErrMalformed):
		t.found = fmt.Errorf("read settings %s: %w; set aside as %s.damaged", path, err, filepath.Base(path))
		if err := os.Rename(path, path+".damaged"); err != nil {
			return nil, fmt.Errorf("set damaged settings aside: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open settings: %w", err)
	default:
		t.current.Store(index(settings))
	}
	return t, nil
}

// Replace makes s current and stores it, synced, before it returns. A snapshot
// older than the current one is ignored: of an earlier timeline, or of the same one and
// an earlier generation. Entries that cannot be used, such as a
// key whose hash is not 32 bytes, are skipped and counted by Skipped; they do
// not keep the others out. After an error the former snapshot stays current.
func (t *Table) Replace(s protocol.Settings) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.current.Load()
	if s.Before(&old.version) {
		return nil
	}
	encoded, err := encode(&s)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	next := index(&s)
	next.encoded = encoded
	if !bytes.Equal(encoded, old.encoded) {
		for _, path := range [...]string{t.path, t.path + copyEnding} {
			if err := writeFile(path, encoded); err != nil {
				return fmt.Errorf("store settings: %w", err)
			}
		}
	}
	t.current.Store(next)
	return nil
}

// Key returns the write key with this SHA-256 digest.
func (t *Table) Key(hash [sha256.Size]byte) (protocol.Key, bool) {
	k, ok := t.current.Load().keys[hash]
	return k, ok
}

// App returns the app with this id.
func (t *Table) App(id string) (protocol.App, bool) {
	a, ok := t.current.Load().apps[id]
	return a, ok
}

// Link returns the tracking link with this slug.
func (t *Table) Link(slug string) (protocol.Link, bool) {
	l, ok := t.current.Load().links[slug]
	return l, ok
}

// Host returns the app that has a link host of this name, in lower case and without a port.
func (t *Table) Host(name string) (protocol.App, bool) {
	s := t.current.Load()
	if id, ok := s.hosts[name]; ok {
		return s.apps[id], true
	}
	return protocol.App{}, false
}

// Edges are the agents that SDKs can reach. The caller changes nothing in the list.
func (t *Table) Edges() []protocol.Edge { return t.current.Load().edges }

// Version is the timeline and the generation of the current snapshot, 0 while there
// is none.
func (t *Table) Version() (timeline, generation uint64) {
	v := &t.current.Load().version
	return v.Timeline, v.Generation
}

// Skipped is how many entries of the current snapshot could not be used.
func (t *Table) Skipped() int { return t.current.Load().skipped }

// Damage says why the file that Open found could not be used, nil if it could.
func (t *Table) Damage() error { return t.found }

// Fresh reports whether the aggregator has lately said that this snapshot is
// its newest. Only then is an unknown key wrong rather than perhaps too new.
func (t *Table) Fresh() bool { return t.fresh.Load() }

// SetFresh is called by the uplink when it learns whether the snapshot is
// current.
func (t *Table) SetFresh(fresh bool) { t.fresh.Store(fresh) }

func index(s *protocol.Settings) *snapshot {
	n := &snapshot{
		version: protocol.Settings{Timeline: s.Timeline, Generation: s.Generation},
		apps:    make(map[string]protocol.App, len(s.Apps)),
		keys:    make(map[[sha256.Size]byte]protocol.Key, len(s.Keys)),
		links:   make(map[string]protocol.Link, len(s.Links)),
		hosts:   make(map[string]string),
		edges:   s.Edges,
	}
	for _, a := range s.Apps {
		if a.ID == "" {
			n.skipped++
			continue
		}
		n.apps[a.ID] = a
		for _, host := range a.LinkHosts {
			n.hosts[host] = a.ID
		}
	}
	for _, k := range s.Keys {
		if len(k.Hash) != sha256.Size {
			n.skipped++
			continue
		}
		n.keys[[sha256.Size]byte(k.Hash)] = k
	}
	for _, l := range s.Links {
		if l.Slug == "" || l.App == "" {
			n.skipped++
			continue
		}
		n.links[l.Slug] = l
	}
	return n
}
