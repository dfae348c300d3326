package buffer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

const damagedBlocks = 200

// TestOneDamageCostsItsBlocksOnly does one damage to a directory with 200 blocks
// that were acknowledged to clients, UNMOGROWP_BUFFER_DAMAGES times: a flipped bit, a
// file cut short, a run of zeros, a missing file, in every kind of file. What lies
// where the damage was may be lost, is named then, and nothing else is. No file is
// removed, and looking changes nothing.
func TestOneDamageCostsItsBlocksOnly(t *testing.T) {
	rounds := 60
	if n, err := strconv.Atoi(os.Getenv("UNMOGROWP_BUFFER_DAMAGES")); err == nil {
		rounds = n
	}
	images := []image{makeImage(t, false), makeImage(t, true)}
	memory, err := os.MkdirTemp("/dev/shm", "damages") // every start syncs a dozen times
	if err != nil {
		memory = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(memory) })
	tally := map[string]int{}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 11))
		im := &images[seed%2]
		dir := filepath.Join(memory, "damaged")
		im.restore(t, dir)
		d := im.damage(t, dir, r)
		if lost, err := checkDamaged(t, im, dir, d); err != nil {
			t.Errorf("seed %d, killed=%t, %s: %v", seed, im.killed, d, err)
		} else if lost > 0 {
			tally["blocks lost"] += lost
			tally["damages that cost a block"]++
		}
		tally[d.op]++
		tally[kindOf(d.path)]++
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(rounds, "damages:", tally)
	if tally["damages that cost a block"] == 0 {
		t.Fatal("no damage hit a block: the test is too weak")
	}
}

// image is a directory to damage: its files without the zeros at their ends.
type image struct {
	killed bool
	files  map[string]imageFile
	paths  []string
	kinds  map[string][]string
	places map[uint64][]placed
}

type imageFile struct {
	data []byte
	size int64
}

// placed is where a block lies.
type placed struct {
	path          string
	offset, until int64
}

// makeImage fills a queue of several segments with large, small and tiny blocks.
// A killed process leaves its newest segments open.
func makeImage(t *testing.T, killed bool) image {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	q, err := Open(Options{Dir: dir, BallastBytes: -1, MinFree: 1, segmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range damagedBlocks {
		switch id := fmt.Sprint(i); i % 4 {
		case 0:
			mustAppend(t, q, noise(id, 3000), 1)
		case 1: // so small that it lies beside its key
			mustAppend(t, q, protocol.AppendEvent(nil, &protocol.Event{App: "a", ID: id, Kind: protocol.KindTrack}), 1)
		default:
			mustAppend(t, q, event(id), 1)
		}
	}
	if err := q.Bury(mustRead(t, q, 3), "for the test", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := q.Tell(); err != nil { // writes where the queue has been
		t.Fatal(err)
	}
	im := image{killed: killed}
	if killed {
		for im.read(dir) != nil { // a segment was being made
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if !killed {
		if err := im.read(dir); err != nil {
			t.Fatal(err)
		}
	}
	im.find(t)
	return im
}

func mustRead(t *testing.T, q *Queue, seq uint64) []byte {
	t.Helper()
	block, _, err := q.read(seq)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func (im *image) read(dir string) error {
	im.files, im.paths, im.kinds = map[string]imageFile{}, nil, map[string][]string{}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		im.files[name] = imageFile{bytes.Clone(bytes.TrimRight(data, "\x00")), int64(len(data))}
		im.paths = append(im.paths, name)
		im.kinds[kindOf(name)] = append(im.kinds[kindOf(name)], name)
		return nil
	})
}

func kindOf(path string) string {
	if ext := filepath.Ext(path); ext != "" {
		return ext
	}
	return filepath.Base(path)
}

// find notes where each block lies.
func (im *image) find(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "find")
	im.restore(t, dir)
	im.places = map[uint64][]placed{}
	for _, name := range im.paths {
		switch filepath.Ext(name) {
		case ".vlog", ".mem", ".sst":
		default:
			continue
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		err = scanBlocks(f, make([]byte, scanWindow), func(offset int64, b *protocol.Block, length int) {
			im.places[b.Seq] = append(im.places[b.Seq], placed{name, offset, offset + int64(length)})
		}, func([]byte) {})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if len(im.places) != damagedBlocks {
		t.Fatalf("%d blocks lie in the image", len(im.places))
	}
}

func (im *image) restore(t *testing.T, dir string) {
	t.Helper()
	for name, f := range im.files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.data, 0o600), os.Truncate(path, f.size)); err != nil {
			t.Fatal(err)
		}
	}
}

// damage describes one change to a file: the bytes from low to high were
// altered.
type damage struct {
	op, path  string
	low, high int64
}

func (d damage) String() string { return fmt.Sprintf("%s %s at %d", d.op, d.path, d.low) }

func (im *image) damage(t *testing.T, dir string, r *rand.Rand) damage {
	t.Helper()
	kinds := make([]string, 0, len(im.kinds))
	for kind := range im.kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	kind := kinds[r.IntN(len(kinds))]
	if r.IntN(4) == 0 { // what holds nearly all that matters
		kind = ".vlog"
	}
	names := im.kinds[kind]
	d := damage{path: names[r.IntN(len(names))]}
	file := im.files[d.path]
	path := filepath.Join(dir, d.path)
	at := r.Int64N(int64(max(len(file.data), 1)))
	var err error
	switch op := r.IntN(4); {
	case op == 0 || file.size == 0:
		d.op, d.high = "missing", file.size
		err = os.Remove(path)
	case op == 1:
		d.op, d.low, d.high = "cut", at, file.size
		err = os.Truncate(path, at)
	case op == 2:
		d.op, d.low = "zeros", at&^511
		d.high = min(d.low+4096, file.size)
		err = overwrite(path, d.low, make([]byte, d.high-d.low))
	default:
		d.op, d.low, d.high = "flip", at, at+1
		old := byte(0)
		if len(file.data) > 0 {
			old = file.data[at]
		}
		err = overwrite(path, at, []byte{old ^ 1<<r.IntN(8)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func overwrite(path string, at int64, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, at)
	return errors.Join(err, f.Close())
}

// hit says whether a damage may have cost a block.
func (im *image) hit(seq uint64, d damage) bool {
	for _, p := range im.places[seq] {
		if p.path != d.path || p.until <= d.low || p.offset >= d.high {
			return false // this copy is whole
		}
	}
	return true
}

// checkDamaged looks at a damaged directory, then starts a queue in it, and returns
// how many blocks were lost.
func checkDamaged(t *testing.T, im *image, dir string, d damage) (lost int, err error) {
	t.Helper()
	before := snapshot(t, dir)
	o := Options{Dir: dir, BallastBytes: -1, MinFree: 1, segmentBytes: 64 << 10, Logger: slog.New(slog.DiscardHandler)}
	v, err := Look(o)
	if err != nil {
		return 0, fmt.Errorf("look: %w", err)
	}
	seen, err := readAll(t, func(visit func(uint64, []byte) error) error { return v.Each(t.Context(), visit) })
	named := map[uint64]bool{}
	for _, l := range v.Lost() {
		for seq := l.First; seq <= l.Last; seq++ {
			named[seq] = true
		}
	}
	if err := errors.Join(err, v.Close()); err != nil {
		return 0, err
	}
	if after := snapshot(t, dir); !slices.Equal(before, after) {
		return 0, errors.New("looking has changed the directory")
	}
	for seq := uint64(1); seq <= damagedBlocks; seq++ {
		switch {
		case seen[seq] == named[seq]:
			return 0, fmt.Errorf("block %d: read %t, named as lost %t", seq, seen[seq], named[seq])
		case named[seq] && !im.hit(seq, d):
			return 0, fmt.Errorf("block %d is lost, where the damage was not", seq)
		}
	}
	q, err := Open(o)
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	again, err := readAll(t, func(visit func(uint64, []byte) error) error { return q.Each(t.Context(), visit) })
	stats := q.Stats()
	if err := errors.Join(err, q.Close()); err != nil {
		return 0, err
	}
	if len(again) != len(seen) || stats.Lost != int64(len(named)) || stats.NextSeq != damagedBlocks+1 {
		return 0, fmt.Errorf("started: %d blocks of %d, %d reported lost of %d, next is %d", len(again), len(seen), stats.Lost, len(named), stats.NextSeq)
	}
	return len(named), kept(before, snapshot(t, dir), im)
}

func readAll(t *testing.T, each func(visit func(uint64, []byte) error) error) (map[uint64]bool, error) {
	t.Helper()
	seen := map[uint64]bool{}
	err := each(func(seq uint64, block []byte) error {
		if list := events(t, block); len(list) == 1 && list[0].ID == fmt.Sprint(seq-1) {
			seen[seq] = true
		}
		return nil
	})
	return seen, err
}

// snapshot lists the files with their lengths and hashes.
func snapshot(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		list = append(list, fmt.Sprintf("%s %d %x", name, len(data), sha256.Sum256(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// kept checks that a start has left every file of a segment that held blocks as it
// was.
func kept(before, after []string, im *image) error {
	for _, line := range before {
		name := strings.Fields(line)[0]
		dir := filepath.Dir(name)
		if filepath.Dir(dir) != segmentsDir || filepath.Base(name) == firstFile || !im.hasBlocks(dir) {
			continue // rewritten in place, or a segment that was only made ahead
		}
		moved := strings.Replace(line, segmentsDir, asideDir, 1)
		if !slices.Contains(after, line) && !slices.Contains(after, moved) {
			return fmt.Errorf("the start has changed or removed %s", name)
		}
	}
	return nil
}

func (im *image) hasBlocks(dir string) bool {
	for _, places := range im.places {
		for _, p := range places {
			if filepath.Dir(p.path) == dir {
				return true
			}
		}
	}
	return false
}
