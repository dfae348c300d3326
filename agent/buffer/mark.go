package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// mark is where the queue stands. It is written with every block into Badger,
// and after the block's fsync into the marker file: two places that fail
// independently. So a write-ahead log that Badger cut short after a damage
// does not make the lost tail look as if it had never been.
type mark struct {
	rewinds uint64 // how often a replay has moved the low-water mark back
	low     uint64 // all blocks up to this one are acknowledged
	floor   uint64 // all blocks below this one are deleted
	tail    uint64 // the last block written
	chain   uint64 // running hash of all blocks up to the tail
}

const markSize = 5*8 + 4

func (m mark) encode() []byte {
	b := make([]byte, 0, markSize)
	for _, v := range [...]uint64{m.rewinds, m.low, m.floor, m.tail, m.chain} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func decodeMark(b []byte) (m mark, ok bool) {
	if len(b) < markSize {
		return m, false
	}
	body := b[:markSize-4]
	if binary.BigEndian.Uint32(b[markSize-4:]) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		return m, false
	}
	for i, p := range [...]*uint64{&m.rewinds, &m.low, &m.floor, &m.tail, &m.chain} {
		*p = binary.BigEndian.Uint64(body[8*i:])
	}
	return m, true
}

// merge takes the later of two marks, part by part.
func (m mark) merge(other mark) mark {
	if other.tail > m.tail {
		m.tail, m.chain = other.tail, other.chain
	}
	m.floor = max(m.floor, other.floor)
	switch {
	case other.rewinds > m.rewinds:
		m.rewinds, m.low = other.rewinds, other.low
	case other.rewinds == m.rewinds:
		m.low = max(m.low, other.low)
	}
	return m
}

// markerFile holds the newest mark in two slots that are written in turn, so
// that a torn write leaves the other one.
type markerFile struct {
	mu   sync.Mutex
	f    *os.File
	next int64 // slot
	err  error // the first failed write; told by sync
}

const markerSlot = 4096

func openMarker(dir string) (*markerFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, markerName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// A disk that others fill is to have room for the marks all the same. Some file
	// systems cannot promise.
	_ = reserve(f, 2*markerSlot)
	return &markerFile{f: f}, nil
}

const markerName = "marker"

// readMarker returns the newest mark in the marker file, and how many of its two
// slots are damaged or empty.
func readMarker(dir string) (newest mark, bad int, err error) {
	f, err := os.Open(filepath.Join(dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return newest, 2, nil
	}
	if err != nil {
		return newest, 2, err
	}
	defer f.Close()
	buf := make([]byte, markSize)
	for slot := range int64(2) {
		n, _ := f.ReadAt(buf, slot*markerSlot)
		if m, ok := decodeMark(buf[:n]); ok {
			newest = newest.merge(m)
		} else {
			bad++
		}
	}
	return newest, bad, nil
}

// note writes a mark without waiting for the disk: a killed process loses
// nothing by that, and after a power cut Badger's copy is at hand.
func (m *markerFile) note(v mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.f.WriteAt(v.encode(), m.next*markerSlot); err != nil && m.err == nil {
		m.err = fmt.Errorf("write marker: %w", err)
	}
	m.next = 1 - m.next
}

// sync makes the marks noted so far durable.
func (m *markerFile) sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.err; err != nil {
		if errors.Is(err, unix.ENOSPC) { // the next one may have room
			m.err = nil
		}
		return err
	}
	if err := m.f.Sync(); err != nil {
		m.err = fmt.Errorf("sync marker: %w", err)
	}
	return m.err
}

func (m *markerFile) close() error { return errors.Join(m.sync(), m.f.Close()) }
