package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// allowed are the licences that what we hand out may be under, each by a sentence that only it
// has. Another one, or none, fails the release.
func allowed() map[string][]string {
	return map[string][]string{
		"Apache-2.0":   {"apache license", "version 2.0"},
		"MIT":          {"permission is hereby granted, free of charge"},
		"BSD-3-Clause": {"redistribution and use in source and binary forms", "neither the name"},
		"BSD-2-Clause": {"redistribution and use in source and binary forms"},
		"ISC":          {"permission to use, copy, modify, and/or distribute this software for any purpose"},
		"MPL-2.0":      {"mozilla public license", "version 2.0"}, // files of others, unchanged, whose source is public
		"Unlicense":    {"this is free and unencumbered software"},
	}
}

// order is that in which licences are looked for: the more particular first.
func order() []string {
	return []string{"Apache-2.0", "MPL-2.0", "BSD-3-Clause", "BSD-2-Clause", "MIT", "ISC", "Unlicense"}
}

// dependency is a module that a program is made of.
type dependency struct{ Path, Version, Dir string }

// licences returns the text that must go with a program: the licences of all modules in it.
func licences(ctx context.Context, program string) (string, error) {
	modules, err := dependencies(ctx, program)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "unmogrowp-%s is made of the modules below and of Go itself, each under its own licence.\n", program)
	var faults []error
	for _, m := range modules {
		text, kind, err := licenceOf(m.Dir)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", m.Path, m.Version, err))
			continue
		}
		fmt.Fprintf(&out, "\n%s\n%s %s: %s\n%s\n\n%s\n", strings.Repeat("=", 78), m.Path, m.Version, kind, strings.Repeat("-", 78), strings.TrimSpace(text))
	}
	return out.String(), errors.Join(faults...)
}

// dependencies lists the modules of a program, and Go's own library, by path.
func dependencies(ctx context.Context, program string) ([]dependency, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module,Standard", "./"+program) //nolint:gosec // our own words
	cmd.Env, cmd.Stdout = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), &out
	if err := run(cmd, "list the modules of "+program); err != nil {
		return nil, err
	}
	seen := make(map[string]dependency)
	for decoder := json.NewDecoder(&out); ; {
		var p struct{ Module *dependency }
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list the modules of %s: %w", program, err)
		}
		if p.Module != nil && p.Module.Path != module {
			seen[p.Module.Path] = *p.Module
		}
	}
	var all []dependency
	for _, d := range seen {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b dependency) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// licenceOf finds and names the licence of a module by its text.
func licenceOf(dir string) (text, kind string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", "", fmt.Errorf("look for a licence: %w", err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !(strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "UNLICENSE")) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", "", fmt.Errorf("read a licence: %w", err)
		}
		if kind := nameOf(string(data)); kind != "" {
			return string(data), kind, nil
		}
		return "", "", fmt.Errorf("%s is none of %s: leave the module out, or allow the licence in deploy/release with a reason",
			e.Name(), strings.Join(order(), ", "))
	}
	return "", "", errors.New("has no licence file: leave the module out")
}

func nameOf(text string) string {
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, kind := range order() {
		if !slices.ContainsFunc(allowed()[kind], func(sentence string) bool { return !strings.Contains(plain, sentence) }) {
			return kind
		}
	}
	return ""
}
