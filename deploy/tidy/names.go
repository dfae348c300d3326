package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// architecture is the text whose names of functions have to be true.
const architecture = "docs/ARCHITECTURE.md"

// lives are the sections of it that are lists to jump along, and how many functions each may
// name: what takes more than that is not told, but recited.
var lives = map[string]int{
	"## Life of an event":      20,
	"## Life of a question":    12,
	"## Life of a computation": 12,
}

// codeName is a name in backticks: package.Function, package.Type, package.Type.Method or
// Type.Method. Names of files and paths are none.
var codeName = regexp.MustCompile("`(?:[a-z0-9/]+/)?((?:[A-Za-z]\\w*\\.)+[A-Za-z]\\w*)`")

// checkNames looks for functions that the architecture names and nobody declares.
func (c *checker) checkNames() {
	declared := c.declared()
	for _, t := range c.repo.texts {
		if t.name != architecture {
			continue
		}
		section, named := "", make(map[string]bool)
		for i, line := range strings.Split(t.body, "\n") {
			if strings.HasPrefix(line, "## ") {
				section, named = line, make(map[string]bool)
			}
			for _, m := range codeName.FindAllStringSubmatch(line, -1) {
				name := m[1]
				if isText(name) || strings.HasPrefix(name, "go.") { // a file
					continue
				}
				if named[name] = true; !declared[name] {
					c.findings = append(c.findings, Finding{File: t.name, Line: i + 1, Rule: "names", What: "nobody declares " + name,
						Mend: "name what does it now: package.Function, package.Type.Method or Type.Method"})
				}
				if limit, ok := lives[section]; ok && len(named) == limit+1 {
					c.findings = append(c.findings, Finding{File: t.name, Line: i + 1, Rule: "names",
						What: fmt.Sprintf("more than %d functions in %q", limit, section), Mend: "name those that a reader has to open, or let fewer do the work"})
				}
			}
		}
	}
}

// declared are the names of all functions, types and methods, in each way that a text may write them.
func (c *checker) declared() map[string]bool {
	names := make(map[string]bool)
	for _, f := range c.repo.files {
		if f.test {
			continue
		}
		pkg := path.Base(f.pkg)
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[pkg+"."+d.Name.Name] = true
				if typ := receiver(d); typ != "" {
					names[pkg+"."+typ+"."+d.Name.Name], names[typ+"."+d.Name.Name] = true, true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if typ, ok := spec.(*ast.TypeSpec); ok {
						names[pkg+"."+typ.Name.Name] = true
						c.declareFields(names, pkg, typ)
					}
				}
			}
		}
	}
	return names
}

// declareFields adds the methods of an interface and the fields of a struct.
func (c *checker) declareFields(names map[string]bool, pkg string, typ *ast.TypeSpec) {
	var fields *ast.FieldList
	switch t := typ.Type.(type) {
	case *ast.InterfaceType:
		fields = t.Methods
	case *ast.StructType:
		fields = t.Fields
	default:
		return
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			names[pkg+"."+typ.Name.Name+"."+n.Name], names[typ.Name.Name+"."+n.Name] = true, true
		}
	}
}

// receiver is the type that a method belongs to; empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}
