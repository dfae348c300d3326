package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const blocks = 64

func openDisk(t *testing.T) (*disk, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, blocks*blockSize), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	d, err := newDisk(file)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func mustWrite(t *testing.T, d *disk, fill byte, at, n int) {
	t.Helper()
	if err := d.write(bytes.Repeat([]byte{fill}, n), int64(at)); err != nil {
		t.Fatal(err)
	}
}

func TestReadsSeeWhatWasWrittenWhetherFlushedOrNot(t *testing.T) {
	d, _ := openDisk(t)
	mustWrite(t, d, 1, 0, 3*blockSize)
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, 2, blockSize-10, 20) // across two blocks
	got := make([]byte, 3*blockSize)
	if n, err := d.read(got, 0); n != len(got) || err != nil {
		t.Fatal(n, err)
	}
	want := bytes.Repeat([]byte{1}, 3*blockSize)
	copy(want[blockSize-10:], bytes.Repeat([]byte{2}, 20))
	if !bytes.Equal(got, want) {
		t.Error("other bytes than were written")
	}
}

// TestCutKeepsWhatWasFlushed holds every mode to its permitted losses.
func TestCutKeepsWhatWasFlushed(t *testing.T) {
	for _, mode := range []string{"drop", "subset", "prefix", "torn"} {
		t.Run(mode, func(t *testing.T) {
			d, path := openDisk(t)
			mustWrite(t, d, 1, 0, blocks*blockSize)
			if err := d.flush(); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, d, 2, 0, blocks*blockSize)
			lost, kept, err := d.cut(loss{mode, rand.New(rand.NewPCG(7, 0))})
			if err != nil || lost+kept != blocks || lost == 0 || (kept == 0) != (mode == "drop") {
				t.Fatalf("%d lost, %d kept: %v", lost, kept, err)
			}
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			whole, half := 0, 0
			for block := 0; block < len(image); block += blockSize {
				switch n := bytes.Count(image[block:block+blockSize], []byte{2}); n {
				case blockSize:
					whole++
				case blockSize / 2:
					half++
				case 0:
				default:
					t.Errorf("%d bytes of a block are new", n)
				}
			}
			if whole != kept || (half == 1) != (mode == "torn") || half > 1 {
				t.Errorf("%d blocks are new and %d half new, %d were kept", whole, half, kept)
			}
			if d.write([]byte{3}, 0) == nil || d.flush() == nil {
				t.Error("a disk without power answers")
			}
		})
	}
}

func TestFaultsAreSwitchedOnAndOff(t *testing.T) {
	d, _ := openDisk(t)
	var out strings.Builder
	orders := func(lines string) {
		t.Helper()
		if err := obey(strings.NewReader(lines), &out, d, loss{mode: "drop"}); err != nil {
			t.Fatal(err)
		}
	}
	orders("fail writes\n")
	if d.write([]byte{1}, 0) == nil {
		t.Error("a write went through")
	}
	orders("fail flushes\n")
	mustWrite(t, d, 1, 0, 1)
	if d.flush() == nil {
		t.Error("a flush went through")
	}
	orders("heal\nslow 1ms\n")
	if err := d.flush(); err != nil {
		t.Error(err)
	}
	orders("cut\n")
	if want := "done\ndone\ndone\ndone\ncut: 0 blocks lost, 0 kept of what was not flushed\n"; out.String() != want {
		t.Errorf("answers %q", out.String())
	}
	if err := obey(strings.NewReader("explode\n"), &out, d, loss{}); err == nil {
		t.Error("what is not known was obeyed")
	}
}
