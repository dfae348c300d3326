package main

import (
	"fmt"
	"os"
	"strings"
)

// environment is what dev.env holds: how to reach the system and log in. Its
// order is the file's.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) get(name string) string { return e.values[name] }

// write stores the environment so that a shell can source it.
func (e *environment) write(path string) error {
	var b strings.Builder
	b.WriteString("# How to reach the running system. Source it: . " + shellQuote(path) + "\n")
	for _, name := range e.names {
		fmt.Fprintf(&b, "%s=%s\n", name, shellQuote(e.values[name]))
	}
	return replaceFile(path, []byte(b.String()))
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// readEnvironment reads what write wrote. A missing file is empty.
func readEnvironment(path string) (*environment, error) {
	e := &environment{}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		value = strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
		e.set(name, strings.ReplaceAll(value, `'\''`, "'"))
	}
	return e, nil
}
