// Package tidy holds the house rules as a test: who may import whom, how long things may get, no
// hidden state, no goroutine without an owner, and what must not appear in texts. It reads the
// syntax of the whole repository without building it. Run it with
//
//	go test ./deploy/tidy
//
// Each finding names the file and line, the rule, and how to mend it. A rule that is in the way
// is changed here, with its reason, and not evaded.
package tidy

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the import path of the repository.
const module = "github.com/unmogrowp/unmogrowp"

// Finding is one breach of one rule.
type Finding struct {
	File string // slash-separated, below the root
	Line int
	Rule string // which rule, in a word or two
	What string // the breach
	Mend string // what to do about it
}

// String formats the finding so that editors can jump to it.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; %s", f.File, f.Line, f.Rule, f.What, f.Mend)
}

// Check reads the repository below root and lists what breaks a rule, in order of file and line.
// floors says what each package is and may import.
func Check(root fs.FS, floors map[string]Entry, allowed allowances) ([]Finding, error) {
	r, err := read(root)
	if err != nil {
		return nil, err
	}
	c := &checker{repo: r, floors: floors}
	c.checkFloors()
	c.checkVariables()
	for _, f := range r.files {
		c.checkSizes(f)
		c.checkStatements(f)
		c.checkComments(f)
		c.checkPure(f)
	}
	c.checkShapes(allowed)
	c.checkPackageComments()
	c.checkNames()
	c.checkClauses()
	for _, t := range r.texts {
		c.checkText(t)
	}
	slices.SortFunc(c.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return c.findings, nil
}

// checker gathers findings about one repository.
type checker struct {
	repo     *repository
	floors   map[string]Entry
	findings []Finding
}

func (c *checker) report(f *goFile, pos token.Pos, rule, what, mend string) {
	c.findings = append(c.findings, Finding{
		File: f.name, Line: c.repo.fset.Position(pos).Line, Rule: rule, What: what, Mend: mend,
	})
}

// repository holds the files that were read.
type repository struct {
	fset  *token.FileSet
	files []*goFile
	texts []text
}

// goFile is one parsed Go file.
type goFile struct {
	name      string // below the root
	pkg       string // directory below the root: the package's path without the module
	test      bool
	generated bool
	lines     int
	syntax    *ast.File
}

// text is a file as it stands.
type text struct {
	name string
	body string
}

// read parses all Go files and keeps all texts, leaving out what others wrote or built.
func read(root fs.FS) (*repository, error) {
	r := &repository{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if foreign(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !isText(name) {
			return nil
		}
		body, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		r.texts = append(r.texts, text{name: name, body: string(body)})
		if path.Ext(name) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(r.fset, name, body, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		r.files = append(r.files, &goFile{
			name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
			generated: ast.IsGenerated(syntax), lines: strings.Count(string(body), "\n"), syntax: syntax,
		})
		return nil
	})
	return r, err
}

// foreign says whether a directory holds nothing that the rules are about.
func foreign(dir string) bool {
	switch path.Base(dir) {
	case ".git", ".data", ".cache", ".svelte-kit", "node_modules", "dist", "bin", "testdata":
		return true
	}
	return dir == "vendor" // of the root: what others wrote
}

func isText(name string) bool {
	switch path.Ext(name) {
	case ".go", ".md", ".sql", ".svelte", ".ts", ".js", ".css", ".html", ".yaml", ".yml", ".sh", ".mk", ".tmpl":
		return true
	}
	base := path.Base(name)
	return base == "Makefile" || base == "Dockerfile" || name == ".ci/run"
}
