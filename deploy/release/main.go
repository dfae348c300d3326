// Release makes the files that users get: binaries as archives, deb and rpm packages for both
// programs, a software bill of materials and the third-party licences of each, and checksums over
// all. The same commit with the same Go gives the same bytes. Run it with
//
//	make release
//
// which builds the console first. Everything lands in dist/.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// job is one release.
type job struct {
	out      string    // the directory that is made
	version  string    // as v1.2.3, or what git describe says
	revision string    // the commit
	at       time.Time // of the commit: every time stamp in the files
	targets  []target
	packages bool // deb and rpm, which need nfpm
	sbom     bool // which needs cyclonedx-gomod
}

// target is one program for one platform.
type target struct{ program, os, arch string }

func main() {
	var j job
	var unix int64
	flag.StringVar(&j.out, "out", "dist", "directory to write to; it must not exist or be a release")
	flag.StringVar(&j.version, "version", os.Getenv("VERSION"), "version to stamp")
	flag.StringVar(&j.revision, "revision", "", "commit to stamp")
	flag.Int64Var(&unix, "time", 0, "time of the commit in Unix seconds")
	flag.BoolVar(&j.packages, "packages", true, "make deb and rpm packages")
	flag.BoolVar(&j.sbom, "sbom", true, "write bills of materials")
	wanted := flag.String("targets", "", "program/os/arch, comma-separated; empty: all")
	papers := flag.String("licences", "", "only print the third-party licences of this program")
	flag.Parse()
	if *papers != "" {
		text, err := licences(context.Background(), *papers)
		fmt.Print(text)
		exit(err)
		return
	}
	j.at = time.Unix(unix, 0).UTC()
	err := j.choose(*wanted)
	if err == nil {
		err = j.run(context.Background())
	}
	exit(err)
}

// exit ends the program if there is an error.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// choose reads the targets.
func (j *job) choose(text string) error {
	if text == "" {
		text = "agent/linux/amd64,agent/linux/arm64,agent/darwin/arm64,aggregator/linux/amd64,aggregator/linux/arm64"
	}
	for item := range strings.SplitSeq(text, ",") {
		parts := strings.Split(item, "/")
		if len(parts) != 3 || (parts[0] != "agent" && parts[0] != "aggregator") {
			return fmt.Errorf("target %q is not program/os/arch, such as agent/linux/amd64", item)
		}
		j.targets = append(j.targets, target{parts[0], parts[1], parts[2]})
	}
	if j.version == "" || j.revision == "" || j.at.Unix() == 0 {
		return errors.New("-version, -revision and -time are needed: call make release")
	}
	return nil
}

func (j *job) run(ctx context.Context) error {
	if err := j.clear(); err != nil {
		return err
	}
	notices := make(map[string]string) // by program
	for _, t := range j.targets {
		fmt.Println("release:", t.program, t.os, t.arch)
		binary, err := j.build(ctx, t)
		if err != nil {
			return err
		}
		if notices[t.program] == "" {
			if notices[t.program], err = licences(ctx, t.program); err != nil {
				return err
			}
		}
		if err := j.archive(t, binary, notices[t.program]); err != nil {
			return err
		}
		if j.sbom {
			if err := j.materials(ctx, t, binary); err != nil {
				return err
			}
		}
		if j.packages && t.os == "linux" {
			if err := j.pack(ctx, t, notices[t.program]); err != nil {
				return err
			}
		}
	}
	return j.checksums()
}

// clear empties the directory of an earlier release, and no other.
func (j *job) clear() error {
	if _, err := os.Stat(j.out); errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(filepath.Join(j.out, "bin"), 0o755) //nolint:gosec // a directory for everybody to read
	}
	entries, err := os.ReadDir(j.out)
	if err != nil {
		return fmt.Errorf("look into %s: %w", j.out, err)
	}
	if _, err := os.Stat(filepath.Join(j.out, sums)); err != nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(j.out, "bin")); err != nil {
			return fmt.Errorf("%s is not empty and no release: name another directory by -out", j.out)
		}
	}
	if err := os.RemoveAll(j.out); err != nil {
		return fmt.Errorf("remove the release before: %w", err)
	}
	return os.MkdirAll(filepath.Join(j.out, "bin"), 0o755) //nolint:gosec // as above
}

// name is what all files of a target begin with.
func (j *job) name(t target) string {
	return fmt.Sprintf("unmogrowp-%s_%s_%s_%s", t.program, strings.TrimPrefix(j.version, "v"), t.os, t.arch)
}
