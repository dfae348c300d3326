package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of code that hides from the limits of files and functions: a type that says many things, a
// package that nobody can keep in mind, a line that nobody reads to its end.
const (
	maxTypeMethods     = 45
	maxExportedMethods = 30
	maxPackageFiles    = 35
	maxLineLength      = 160 // characters, a tab counts as one; tables may be wider
)

// allowances are the exceptions of the day when the limits were made. A figure may only shrink, none is
// added, and one that is no longer needed goes.
type allowances struct {
	methods  map[string]int // by package.Type
	exported map[string]int
	files    map[string]int // by package
	lines    map[string]int // lines that are too long, by package
}

// checkShapes holds types, packages and lines against their limits, tests apart.
func (c *checker) checkShapes(allowed allowances) {
	methods, exported := make(map[string]int), make(map[string]int)
	files, lines := make(map[string]int), make(map[string]int)
	first := make(map[string]*goFile)
	for _, f := range c.repo.files {
		if f.test || f.generated {
			continue
		}
		files[f.pkg]++
		lines[f.pkg] += c.longLines(f)
		if first[f.pkg] == nil {
			first[f.pkg] = f
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || len(fn.Recv.List) == 0 {
				continue
			}
			name := f.pkg + "." + typeOf(fn)
			methods[name]++
			if fn.Name.IsExported() {
				exported[name]++
			}
			if first[name] == nil {
				first[name] = f
			}
		}
	}
	for _, s := range []struct {
		rule, unit, mend string
		limit            int
		have, allowed    map[string]int
	}{
		{"type", "methods", "give what it says besides a type of its own", maxTypeMethods, methods, allowed.methods},
		{"type", "exported methods", "give what it says besides a type of its own", maxExportedMethods, exported, allowed.exported},
		{"package", "files", "give one of its nouns a package of its own", maxPackageFiles, files, allowed.files},
		{"line length", fmt.Sprintf("lines of more than %d characters", maxLineLength), "break the line where a reader takes a breath",
			0, lines, allowed.lines},
	} {
		for _, name := range slices.Sorted(maps.Keys(s.have)) {
			limit := max(s.limit, s.allowed[name])
			switch have := s.have[name]; {
			case have > limit:
				c.report(first[name], first[name].syntax.Package, s.rule, fmt.Sprintf("%s has %d %s, limit %d", name, have, s.unit, limit), s.mend)
			case have <= s.limit && s.allowed[name] > 0:
				c.report(first[name], first[name].syntax.Package, s.rule, fmt.Sprintf("%s keeps the limit", name),
					"take its allowance out of deploy/tidy/allowances.go")
			}
		}
	}
}

// typeOf is the name of a method's type.
func typeOf(fn *ast.FuncDecl) string {
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// longLines counts the lines that are too long and not of a table: an element of a composite literal
// that is one of several like it, a struct field with its tag, or a text in backquotes.
func (c *checker) longLines(f *goFile) int {
	inTable := make(map[int]bool)
	cover := func(n ast.Node) {
		for line := c.repo.fset.Position(n.Pos()).Line; line <= c.repo.fset.Position(n.End()).Line; line++ {
			inTable[line] = true
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				switch e := e.(type) {
				case *ast.CompositeLit:
					cover(e)
				case *ast.KeyValueExpr:
					if _, row := e.Value.(*ast.CompositeLit); row && len(n.Elts) > 1 {
						cover(e)
					}
				}
			}
		case *ast.Field:
			if n.Tag != nil {
				cover(n)
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.HasPrefix(n.Value, "`") {
				cover(n)
			}
		}
		return true
	})
	count := 0
	for _, t := range c.repo.texts {
		if t.name != f.name {
			continue
		}
		for i, line := range strings.Split(t.body, "\n") {
			if utf8.RuneCountInString(line) > maxLineLength && !inTable[i+1] {
				count++
			}
		}
	}
	return count
}
