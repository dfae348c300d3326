package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
)

// blockSize is the size that a disk writes as a whole, unless it tears.
const blockSize = 4096

// disk is a file behind a cache that a cut loses.
type disk struct {
	file *os.File
	size int64

	mu     sync.Mutex
	cache  map[int64][]byte // blocks that were written since the last flush, by number
	order  []int64          // their numbers, in the order of their first writes
	faults faults
	off    bool // after a cut
}

// faults are the ways in which the disk fails.
type faults struct {
	writes, flushes bool
	delay           time.Duration // of each flush
}

func newDisk(file *os.File) (*disk, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 || info.Size()%blockSize != 0 {
		return nil, errors.New("its size must be a multiple of 4096 bytes")
	}
	return &disk{file: file, size: info.Size(), cache: map[int64][]byte{}}, nil
}

func (d *disk) set(f faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
}

// read reads written bytes, flushed or not.
func (d *disk) read(p []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return 0, syscall.EIO
	}
	n, err := d.file.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	for part := range parts(at, n) {
		if block, ok := d.cache[part.block]; ok {
			copy(p[part.from:part.to], block[part.within:])
		}
	}
	return n, nil
}

// write puts blocks into the cache.
func (d *disk) write(p []byte, at int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off || d.faults.writes || at < 0 || at+int64(len(p)) > d.size {
		return syscall.EIO
	}
	for part := range parts(at, len(p)) {
		block, ok := d.cache[part.block]
		if !ok {
			block = make([]byte, blockSize)
			if _, err := d.file.ReadAt(block, part.block*blockSize); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			d.cache[part.block] = block
			d.order = append(d.order, part.block)
		}
		copy(block[part.within:], p[part.from:part.to])
	}
	return nil
}

// flush makes all earlier writes durable.
func (d *disk) flush() error {
	d.mu.Lock()
	delay := d.faults.delay
	d.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off || d.faults.flushes {
		return syscall.EIO
	}
	_, err := d.settle(len(d.order), func(int) int { return blockSize })
	return err
}

// cut loses a part of the cache and refuses everything from then on.
func (d *disk) cut(l loss) (lost, kept int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	count := len(d.order)
	kept, err = d.settle(count, l.keeper(count))
	return count - kept, kept, err
}

// settle writes so much of each of the cached blocks to the file as keep says,
// and empties the cache. It returns how many were written as a whole.
func (d *disk) settle(count int, keep func(i int) (bytes int)) (whole int, err error) {
	for i, number := range d.order[:count] {
		bytes := keep(i)
		if bytes == 0 {
			continue
		}
		if _, err := d.file.WriteAt(d.cache[number][:bytes], number*blockSize); err != nil {
			return whole, err
		}
		if bytes == blockSize {
			whole++
		}
	}
	clear(d.cache)
	d.order = d.order[:0]
	return whole, nil
}

// part is the part of a range of bytes that lies in one block.
type part struct {
	block    int64
	within   int // the block
	from, to int // in the range
}

// parts divides n bytes from at by blocks.
func parts(at int64, n int) func(yield func(part) bool) {
	return func(yield func(part) bool) {
		for from := 0; from < n; {
			within := int((at + int64(from)) % blockSize)
			to := min(from+blockSize-within, n)
			if !yield(part{(at + int64(from)) / blockSize, within, from, to}) {
				return
			}
			from = to
		}
	}
}

// loss says how a cut treats blocks that were not flushed.
type loss struct {
	mode   string
	random *rand.Rand
}

func (l loss) known() bool {
	switch l.mode {
	case "drop", "subset", "prefix", "torn":
		return true
	}
	return false
}

// keeper says how many bytes of each of so many blocks reach the disk. They come
// in the order in which they were first written.
func (l loss) keeper(count int) func(i int) int {
	if count == 0 || l.mode == "drop" {
		return func(int) int { return 0 }
	}
	if l.mode == "subset" { // a disk may write in any order
		return func(int) int { return l.random.IntN(2) * blockSize }
	}
	end := l.random.IntN(count)
	return func(i int) int {
		switch {
		case i < end:
			return blockSize
		case i == end && l.mode == "torn":
			return blockSize / 2
		}
		return 0
	}
}
