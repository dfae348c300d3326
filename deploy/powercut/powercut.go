// Command powercut is a disk for tests whose power can be cut.
//
//	powercut --image FILE --mount DIR [--mode drop|subset|prefix|torn] [--seed N]
//
// It serves FILE as DIR/disk over FUSE. A loop device on top of that makes it a
// disk for a real file system:
//
//	losetup --find --show DIR/disk
//
// Written blocks stay in memory until the file system asks for a flush, as in
// the cache of a real disk. It says "ready", then obeys lines on its standard
// input and answers each with a line:
//
//	cut            lose the unflushed writes, as the mode says, and answer nothing more
//	fail writes    refuse writes with EIO
//	fail flushes   refuse flushes with EIO, keeping the writes in the cache
//	slow DURATION  let every flush take so much longer
//	heal           do as a good disk does again
//
// After a cut FILE holds what such a disk would hold when it is switched on
// again. At the end of the input it unmounts itself. It needs Linux, root and
// /dev/fuse.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

func main() {
	image := flag.String("image", "", "`file` that holds the disk")
	mount := flag.String("mount", "", "empty `directory` in which it is served")
	mode := flag.String("mode", "drop", "what a cut loses of what was not flushed: drop all of it, subset a random half, prefix the later part, torn likewise and half of a block")
	seed := flag.Uint64("seed", 1, "of what is random in a cut")
	flag.Parse()
	if err := run(*image, *mount, loss{*mode, rand.New(rand.NewPCG(*seed, 0))}); err != nil {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
}

// run serves the disk until the input ends.
func run(image, mount string, loss loss) error {
	if image == "" || mount == "" || flag.NArg() > 0 {
		return errors.New("--image and --mount are required, and nothing else is taken")
	}
	if !loss.known() {
		return fmt.Errorf("there is no mode %q: drop, subset, prefix and torn are", loss.mode)
	}
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open image: %w", err)
	}
	defer file.Close()
	d, err := newDisk(file)
	if err != nil {
		return fmt.Errorf("open image: %w", err)
	}
	server, err := serve(mount, d)
	if err != nil {
		return fmt.Errorf("serve %s (this needs root and /dev/fuse): %w", mount, err)
	}
	fmt.Println("ready")
	err = obey(os.Stdin, os.Stdout, d, loss)
	return errors.Join(err, server.Unmount())
}

// obey does what lines say, one after the other.
func obey(in io.Reader, out io.Writer, d *disk, loss loss) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		answer := "done"
		verb, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch {
		case verb == "cut":
			lost, kept, err := d.cut(loss)
			if err != nil {
				return fmt.Errorf("cut the power: %w", err)
			}
			answer = fmt.Sprintf("cut: %d blocks lost, %d kept of what was not flushed", lost, kept)
		case verb == "fail" && rest == "writes":
			d.set(faults{writes: true})
		case verb == "fail" && rest == "flushes":
			d.set(faults{flushes: true})
		case verb == "slow":
			delay, err := time.ParseDuration(rest)
			if err != nil {
				return fmt.Errorf("slow down: %w", err)
			}
			d.set(faults{delay: delay})
		case verb == "heal":
			d.set(faults{})
		default:
			return fmt.Errorf("obey %q: cut, fail writes, fail flushes, slow DURATION and heal are known", lines.Text())
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return lines.Err()
}
