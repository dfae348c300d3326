package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	module = "github.com/unmogrowp/unmogrowp"
	sums   = "SHA256SUMS"

	nfpm      = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
	cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
)

// build makes a static binary that carries no path of this machine.
func (j *job) build(ctx context.Context, t target) (string, error) {
	binary := filepath.Join(j.out, "bin", j.name(t))
	stamp := fmt.Sprintf("-s -w -buildid= -X %[1]s/protocol/daemon.version=%[2]s -X %[1]s/protocol/daemon.revision=%[3]s", module, j.version, j.revision)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamp, "-o", binary, "./"+t.program) //nolint:gosec // our own words
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOFLAGS=")
	return binary, run(cmd, "build "+t.program)
}

func run(cmd *exec.Cmd, what string) error {
	var said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &said
	}
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, said.Bytes())
	}
	return nil
}

// archive packs the binary with its papers.
func (j *job) archive(t target, binary, notices string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("pack %s: %w", t.program, err)
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return fmt.Errorf("pack %s: %w", t.program, err)
	}
	files := []struct {
		name string
		mode int64
		data []byte
	}{
		{"unmogrowp-" + t.program, 0o755, program},
		{"LICENSE", 0o644, licence},
		{"THIRD_PARTY_LICENCES", 0o644, []byte(notices)},
	}
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	pack := tar.NewWriter(zip)
	for _, f := range files {
		header := &tar.Header{Format: tar.FormatUSTAR, Name: j.name(t) + "/" + f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: j.at}
		if err := pack.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %s: %w", t.program, err)
		}
		if _, err := pack.Write(f.data); err != nil {
			return fmt.Errorf("pack %s: %w", t.program, err)
		}
	}
	if err := pack.Close(); err != nil {
		return fmt.Errorf("pack %s: %w", t.program, err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("pack %s: %w", t.program, err)
	}
	return j.write(j.name(t)+".tar.gz", out.Bytes())
}

func (j *job) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(j.out, name), data, 0o644) //nolint:gosec // for everybody to read
}

// materials writes the modules of a binary, in CycloneDX's JSON, without the time of writing.
func (j *job) materials(ctx context.Context, t target, binary string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "run", cyclonedx, "bin", "-json", "-noserial", "-version", j.version, binary) //nolint:gosec // our own words
	cmd.Env, cmd.Stdout = append(os.Environ(), "GOFLAGS=-mod=mod"), &out
	if err := run(cmd, "list materials of "+t.program); err != nil {
		return err
	}
	var document map[string]any
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		return fmt.Errorf("list materials of %s: %w", t.program, err)
	}
	if metadata, ok := document["metadata"].(map[string]any); ok {
		delete(metadata, "timestamp")
	}
	text, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		return fmt.Errorf("list materials of %s: %w", t.program, err)
	}
	return j.write(j.name(t)+".cdx.json", append(text, '\n'))
}

// pack makes the deb and the rpm of a target.
func (j *job) pack(ctx context.Context, t target, notices string) error {
	binary := filepath.Join(j.out, "bin", j.name(t))
	papers, err := j.scratch(t, "licences", []byte(notices))
	if err := errors.Join(err, os.Chtimes(binary, j.at, j.at)); err != nil {
		return fmt.Errorf("pack %s: %w", t.program, err)
	}
	words := map[string]string{"PACKAGE_ARCH": t.arch, "PACKAGE_VERSION": packageVersion(j.version), "PACKAGE_BINARY": binary,
		"PACKAGE_PAPERS": papers, "PROGRAM": t.program}
	for _, name := range []string{"postinstall.sh", "preremove.sh", t.program + ".yaml"} {
		text, err := os.ReadFile("deploy/release/" + name)
		if err != nil {
			return fmt.Errorf("pack %s: %w", t.program, err)
		}
		filled := os.Expand(string(text), func(word string) string {
			if value, ours := words[word]; ours {
				return value
			}
			return "$" + word // the shell's
		})
		if words[name], err = j.scratch(t, name, []byte(filled)); err != nil {
			return err
		}
	}
	for _, format := range []string{"deb", "rpm"} {
		file := filepath.Join(j.out, j.name(t)+"."+format)
		args := []string{"run", nfpm, "package", "--config", words[t.program+".yaml"], "--packager", format, "--target", file}
		cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own words
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", j.at.Unix()))
		if err := run(cmd, "pack "+t.program+" as "+format); err != nil {
			return err
		}
	}
	return nil
}

// scratch writes a file that goes into packages and is not handed out by itself.
func (j *job) scratch(t target, what string, data []byte) (string, error) {
	name := filepath.Join(j.out, "bin", t.program+"."+what)
	if err := os.WriteFile(name, data, 0o644); err != nil { //nolint:gosec // for everybody to read
		return "", fmt.Errorf("pack %s: %w", t.program, err)
	}
	return name, os.Chtimes(name, j.at, j.at)
}

// packageVersion is a version that package managers order rightly: what git describe says of a
// commit after v1.2.3 comes after it, and a repository without a tag is 0.0.0.
func packageVersion(version string) string {
	v := strings.TrimPrefix(version, "v")
	if v == "" || v[0] < '0' || v[0] > '9' || !strings.Contains(v, ".") {
		return "0.0.0+" + strings.ReplaceAll(v, "-", ".")
	}
	tag, rest, after := strings.Cut(v, "-")
	if !after {
		return tag
	}
	return tag + "+" + strings.ReplaceAll(rest, "-", ".")
}

// checksums writes the list that sha256sum -c takes.
func (j *job) checksums() error {
	entries, err := os.ReadDir(j.out) // in order of names
	if err != nil {
		return fmt.Errorf("sum up: %w", err)
	}
	var list strings.Builder
	for _, e := range entries {
		if e.IsDir() || e.Name() == sums {
			continue
		}
		data, err := os.ReadFile(filepath.Join(j.out, e.Name()))
		if err != nil {
			return fmt.Errorf("sum up: %w", err)
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return j.write(sums, []byte(list.String()))
}
