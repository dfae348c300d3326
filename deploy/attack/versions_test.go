package attack

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// mended are the first versions of modules without a fault that is publicly
// known and that a program such as ours could be reached through.
func mended() map[string]string {
	return map[string]string{
		"go":                                     "1.25.1", // GO-2025-3955, patterns that bypass CrossOriginProtection
		"github.com/quic-go/quic-go":             "0.59.1", // CVE-2026-40898, CVE-2025-59530, CVE-2025-29785, CVE-2024-22189
		"github.com/golang-jwt/jwt/v5":           "5.2.2",  // CVE-2025-30204
		"github.com/jackc/pgx/v5":                "5.9.2",  // CVE-2026-33815, CVE-2026-33816, CVE-2026-41889
		"github.com/ClickHouse/clickhouse-go/v2": "2.44.0", // slots of the pool lost by cancelled requests
		"github.com/hashicorp/memberlist":        "0.7.0",  // remote crashes by whoever holds the key
		"github.com/dgraph-io/badger/v4":         "4.9.6",  // deleted data that came back
	}
}

// mendedPackages are the same for the console, which ships no server.
func mendedPackages() map[string]string {
	return map[string]string{"svelte": "5.53.5", "@sveltejs/kit": "2.53.3"}
}

// attack84Versions holds the modules of the programs against the versions without known flaws.
func attack84Versions(s *suite) {
	have := s.modules()
	have["go"] = strings.TrimPrefix(runtime.Version(), "go")
	for module, least := range mended() {
		s.count(1)
		if version := have[module]; version == "" || older(version, least) {
			s.Errorf("%s is %q, want at least %s", module, version, least)
		}
	}
	s.sums(have)
	for _, dir := range []string{"console", "agent/sdk/web", "deploy/children/npm", "deploy/system/sdk"} {
		s.locked(filepath.Join("..", "..", dir, "package-lock.json"))
	}
	s.noRawHTML()
}

// modules are those that the programs are made of, by go.mod.
func (s *suite) modules() map[string]string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		s.Fatal(err)
	}
	have := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+) v(\S+)`).FindAllStringSubmatch(string(text), -1) {
		have[m[1]] = m[2]
	}
	if strings.Contains(string(text), "=>") || len(have) < 20 {
		s.Errorf("go.mod replaces a module, or names only %d", len(have))
	}
	return have
}

// older compares versions number by number.
func older(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range b {
		if i >= len(a) {
			return true
		}
		x, _ := strconv.Atoi(regexp.MustCompile(`^\d+`).FindString(a[i]))
		y, _ := strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return strings.Contains(version, "-rc") || strings.Contains(version, "-beta")
}

// sums wants a hash for every module.
func (s *suite) sums(modules map[string]string) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.sum"))
	if err != nil {
		s.Fatal(err)
	}
	for module, version := range modules {
		if module != "go" && !strings.Contains(string(text), module+" v"+version+" h1:") {
			s.Errorf("go.sum has no hash of %s %s", module, version)
		}
	}
}

// locked wants that every package of npm has one version, a hash, and comes from
// the registry.
func (s *suite) locked(path string) {
	s.Helper()
	s.count(1)
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			Link, InBundle               bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		s.Fatal(err)
	}
	for name, p := range lock.Packages {
		if name == "" || p.Link || p.InBundle {
			continue
		}
		name = name[strings.LastIndex(name, "node_modules/")+len("node_modules/"):]
		if !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" && !strings.HasPrefix(p.Resolved, "https://") {
			s.Errorf("%s: %s %s has no hash, or comes from %q", path, name, p.Version, p.Resolved)
		}
		if least := mendedPackages()[name]; least != "" && older(p.Version, least) {
			s.Errorf("%s: %s is %s, want at least %s", path, name, p.Version, least)
		}
	}
}

// noRawHTML wants that the console draws no text as HTML.
func (s *suite) noRawHTML() {
	s.Helper()
	err := filepath.WalkDir(filepath.Join("..", "..", "console", "src"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, word := range []string{"{@html", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if strings.Contains(string(text), word) {
				s.Errorf("%s has %s", path, word)
			}
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}
