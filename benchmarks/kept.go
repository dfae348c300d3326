package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// generated is what lies in the databases of the cells about stored conversions. It is written
// down when all of it is there, so that half of it is never taken for the whole.
type generated struct {
	App    string `json:"app"`
	From   int64  `json:"from"`
	Keys   int    `json:"keys"`
	People int    `json:"conversions"`
}

const generatedFile = "generated.json"

// openStored returns databases with the generated people in them: those of a directory that was
// kept, without the results computed on them, or new ones. The server is to be stopped also after
// an error.
func (s *suite) openStored(ctx context.Context, dir string) (*server, *population, error) {
	data, err := os.ReadFile(filepath.Join(dir, generatedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s.generateStored(ctx, dir)
	}
	var g generated
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", generatedFile, err)
	}
	if g.Keys != s.keys || g.People != s.people {
		return nil, nil, fmt.Errorf("%s has %d touch keys and %d conversions, which are not the %d and %d asked for: name another directory", dir, g.Keys, g.People, s.keys, s.people)
	}
	server, err := reopenConsole(ctx, dir)
	if err != nil {
		return server, nil, err
	}
	p, err := openPopulation(server.core.clickHouse.DSN("unmogrowp"), g.App, time.Now())
	if err != nil {
		return server, nil, err
	}
	p.from = g.From
	return server, p, errors.Join(p.forget(ctx), p.settle(ctx))
}

// generateStored makes the databases and the people.
func (s *suite) generateStored(ctx context.Context, dir string) (*server, *population, error) {
	server, err := startConsole(ctx, dir)
	if err != nil {
		return server, nil, err
	}
	if err := server.program.Stop(); err != nil { // it would attribute the generated conversions
		return server, nil, err
	}
	server.program = nil
	p, err := openPopulation(server.core.clickHouse.DSN("unmogrowp"), server.core.app, time.Now())
	if err != nil {
		return server, nil, err
	}
	fmt.Fprintf(s.log, "generating %s touch keys ", group(float64(s.keys)))
	if err := p.touches(ctx, s.keys, func(int) { fmt.Fprint(s.log, ".") }); err != nil {
		return server, p, err
	}
	fmt.Fprintf(s.log, " and %s conversions\n", group(float64(s.people)))
	if err := p.conversions(ctx, s.people); err != nil {
		return server, p, err
	}
	if err := p.settle(ctx); err != nil {
		return server, p, err
	}
	text, err := json.Marshal(generated{App: p.app, From: p.from, Keys: s.keys, People: s.people})
	if err != nil {
		return server, p, err
	}
	return server, p, os.WriteFile(filepath.Join(dir, generatedFile), text, 0o600)
}
