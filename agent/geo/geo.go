// Package geo tells in which country an address is, by a database file that the operator supplies:
// MaxMind's format, in which GeoLite2, GeoIP2, DB-IP and IPinfo publish theirs. A newer file in its
// place is taken while the agent runs; a damaged one is reported and the old one stays.
package geo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

const (
	maxFile   = 256 << 20        // bytes; a database of cities has 60 MB, one of countries 10
	lookEvery = 10 * time.Second // at the file
)

// Locator answers from the newest good file. Any number of goroutines may ask it.
type Locator struct {
	log     *slog.Logger
	current atomic.Pointer[database] // nil without a file
}

// database is one version of the file, held in memory: a file that is mapped and then overwritten in
// place would end the process.
type database struct {
	path   string
	reader *maxminddb.Reader
	stamp  stamp
}

// stamp tells versions of the file apart.
type stamp struct {
	size int64
	time time.Time
}

// Open reads the database at path; an empty path is none, with which no country is known.
func Open(path string, log *slog.Logger) (*Locator, error) {
	l := &Locator{log: log}
	return l, l.Use(path)
}

// Use takes the database at path in place of the present one, which stays if there is an error.
func (l *Locator) Use(path string) error {
	if path == "" {
		l.current.Store(nil)
		return nil
	}
	d, err := read(path)
	if err != nil {
		return fmt.Errorf("open database of countries: %w", err)
	}
	l.current.Store(d)
	return nil
}

func read(path string) (*database, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, limit %d: a database of countries is enough", path, info.Size(), maxFile)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: give a file in MaxMind's format (.mmdb)", path, err)
	}
	if err := reader.Verify(); err != nil {
		return nil, fmt.Errorf("check %s: %w: load it down again", path, err)
	}
	return &database{path: path, reader: reader, stamp: stamp{size: info.Size(), time: info.ModTime()}}, nil
}

// Country is the ISO 3166 code of the country of an address, such as "DE", and "" if it is not known.
func (l *Locator) Country(address netip.Addr) string {
	d := l.current.Load()
	if d == nil {
		return ""
	}
	found := d.reader.Lookup(address)
	var code string
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		if found.DecodePath(&code, path...) == nil && isCode(code) {
			return code
		}
	}
	return ""
}

// isCode says whether a text is the code of a country, which it is also where others have a name.
func isCode(text string) bool {
	return len(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z'
}

// Run takes newer files until ctx ends.
func (l *Locator) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var refused stamp
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			refused = l.look(refused)
		}
	}
}

// look takes the file if it is another than the one in use and than the one that was refused before. It
// returns the stamp of the file that is refused now.
func (l *Locator) look(refused stamp) stamp {
	old := l.current.Load()
	if old == nil {
		return stamp{}
	}
	info, err := os.Stat(old.path)
	if err != nil {
		return refused // between two files there may be none
	}
	now := stamp{size: info.Size(), time: info.ModTime()}
	if now == old.stamp || now == refused {
		return refused
	}
	d, err := read(old.path)
	if err != nil {
		l.log.Error("database of countries is not taken, the former stays in use", "error", err)
		return now
	}
	if l.current.CompareAndSwap(old, d) { // else Use was faster
		l.log.Info("database of countries taken", "path", d.path, "built", d.reader.Metadata.BuildTime())
	}
	return stamp{}
}
