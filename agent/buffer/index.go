package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// place is where a whole block lies.
type place struct {
	file   *os.File
	offset int64
	length int
	events int
}

// index knows the blocks of a segment by their own checksums, and nothing else:
// the files are read from one end to the other, so damage at one place, also of
// Badger's bookkeeping, hides no block at another. Files are opened for reading
// only. A segment that takes no more blocks is read through its index alone.
type index struct {
	dir     string
	files   []*os.File
	places  map[uint64]place
	mark    mark   // the newest that lies in a log of keys
	epoch   uint64 // of the blocks
	foreign uint64 // the epoch of a block that is not of it, 0 if all are
}

// indexBlocks finds the blocks of an epoch in a directory; of any if epoch is 0.
// It fails only if a file cannot be opened.
func indexBlocks(dir string, epoch uint64) (ix *index, err error) {
	ix = &index{dir: dir, places: map[uint64]place{}, epoch: epoch}
	defer func() {
		if err != nil {
			err = errors.Join(err, ix.close())
		}
	}()
	var buf []byte
	// Blocks lie in the value log; very small ones beside their keys.
	for _, pattern := range [...]string{"*.vlog", "*.mem", "*.sst"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return ix, err
		}
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				return ix, fmt.Errorf("read segment: %w", err)
			}
			ix.files = append(ix.files, f)
			if info, err := f.Stat(); err == nil && int64(len(buf)) < min(info.Size(), scanWindow) {
				buf = make([]byte, min(info.Size(), scanWindow))
			}
			withMarks := pattern != "*.vlog"
			if err := scanBlocks(f, buf, func(offset int64, b *protocol.Block, length int) { ix.add(f, offset, b, length) },
				func(part []byte) {
					if withMarks {
						ix.mark = ix.mark.merge(findMark(part))
					}
				}); err != nil {
				return ix, fmt.Errorf("read segment file %s: %w", path, err)
			}
		}
	}
	return ix, nil
}

func (ix *index) add(f *os.File, offset int64, b *protocol.Block, length int) {
	switch {
	case b.Seq == 0:
		return
	case ix.epoch == 0:
		ix.epoch = b.Epoch
	case ix.epoch != b.Epoch:
		ix.foreign = b.Epoch
		return
	}
	if _, ok := ix.places[b.Seq]; !ok {
		ix.places[b.Seq] = place{f, offset, length, b.Count}
	}
}

// first and last are the sequences of the outermost blocks, 0 without any.
func (ix *index) first() uint64 {
	if len(ix.places) == 0 {
		return 0
	}
	return slices.Min(slices.Collect(maps.Keys(ix.places)))
}

func (ix *index) last() (last uint64) {
	for seq := range ix.places {
		last = max(last, seq)
	}
	return last
}

// sequences are those of the blocks, in order.
func (ix *index) sequences() []uint64 { return slices.Sorted(maps.Keys(ix.places)) }

// read returns a copy of a block.
func (ix *index) read(seq uint64) ([]byte, error) {
	p, ok := ix.places[seq]
	if !ok {
		return nil, fmt.Errorf("%w: block %d: it is nowhere in %s", errDamaged, seq, ix.dir)
	}
	block := make([]byte, p.length)
	if _, err := p.file.ReadAt(block, p.offset); err != nil {
		return nil, fmt.Errorf("%w: block %d: %w", errDamaged, seq, err)
	}
	return block, nil
}

func (ix *index) close() error {
	if ix == nil {
		return nil
	}
	var errs []error
	for _, f := range ix.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

const (
	// scanWindow holds any block whole.
	scanWindow = 2 << 20
	// badSector is the length that is passed over when a disk cannot read.
	badSector = 4 << 10
)

// scanBlocks visits every whole block of a file, in its order, and shows the
// bytes it reads, in overlapping parts. Bytes that the disk cannot read count
// as damaged.
func scanBlocks(f *os.File, buf []byte, visit func(offset int64, b *protocol.Block, length int), show func(part []byte)) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	for offset := int64(0); offset < size; {
		n := readAround(f, buf, offset, size)
		show(buf[:n])
		whole := offset+int64(n) >= size
		done := scanPart(buf[:n], whole, func(at int, b *protocol.Block, length int) { visit(offset+int64(at), b, length) })
		if whole {
			return nil
		}
		offset += int64(done)
	}
	return nil
}

// scanPart visits the blocks in a part of a file and returns where the next
// part begins: at the possible beginning of a block that is not whole here.
func scanPart(data []byte, last bool, visit func(at int, b *protocol.Block, length int)) (done int) {
	begin := protocol.BlockBegin()
	for at := 0; ; {
		next := bytes.Index(data[at:], begin)
		if next < 0 {
			return max(at, len(data)-markOverlap)
		}
		at += next
		length, err := protocol.BlockLength(data[at:])
		if !last && at > 0 && (len(data)-at < protocol.BlockHeaderSize || err == nil && at+length > len(data)) {
			return at
		}
		if err == nil && at+length <= len(data) {
			if b, err := protocol.ParseBlock(data[at : at+length]); err == nil {
				visit(at, &b, length)
				at += length
				continue
			}
		}
		at++
	}
}

// markOverlap is more than a mark with its key takes, and the beginning of a block.
const markOverlap = 128

// readAround fills buf from offset on, with zeros where the disk cannot read.
func readAround(f io.ReaderAt, buf []byte, offset, size int64) (n int) {
	want := int(min(int64(len(buf)), size-offset))
	for n < want {
		got, err := f.ReadAt(buf[n:want], offset+int64(n))
		n += got
		if err == nil || n >= want {
			continue
		}
		if errors.Is(err, io.EOF) { // shortened meanwhile
			clear(buf[n:want])
			return want
		}
		skip := min(want-n, badSector-(int(offset)+n)%badSector)
		clear(buf[n : n+skip])
		n += skip
	}
	return n
}

// findMark looks for the newest mark among keys and values as Badger writes
// them: the key, with a version that counts down from the largest number, then
// the value, behind a byte or three in a table.
func findMark(data []byte) (m mark) {
	key := append(markKey(), 0xff, 0xff, 0xff, 0xff)
	for {
		at := bytes.Index(data, key)
		if at < 0 {
			return m
		}
		data = data[at+len(key):]
		for _, gap := range [...]int{4, 4 + 3} {
			if len(data) >= gap+markSize {
				if found, ok := decodeMark(data[gap : gap+markSize]); ok {
					m = m.merge(found)
				}
			}
		}
	}
}

// blank says whether nothing was ever written to the files of a segment: it was
// made ahead of need.
func blank(dir string) (bool, error) {
	buf := make([]byte, scanWindow)
	for _, pattern := range [...]string{"*.vlog", "*.mem", "*.sst"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return false, err
		}
		for _, path := range paths {
			data, err := blankFile(path, buf)
			if err != nil || !data {
				return false, err
			}
		}
	}
	return true, nil
}

// blankFile says whether a log holds nothing behind the header of 20 bytes that
// Badger gives it.
func blankFile(path string, buf []byte) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	const header = 20
	for offset := int64(header); offset < info.Size(); offset += int64(len(buf)) {
		n := readAround(f, buf, offset, info.Size())
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return false, nil
		}
	}
	return true, nil
}
