package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// variable is a variable of a package.
type variable struct {
	file  *goFile
	ident *ast.Ident
	spec  *ast.ValueSpec
	doc   string
	value ast.Expr // nil if it has none of its own
}

// checkVariables allows package variables only as named constants that the language cannot
// express: errors, compiled expressions, tables. Nothing may change them after the start, because
// many nodes share one process.
func (c *checker) checkVariables() {
	all := make(map[string]*variable) // by package and name
	for _, f := range c.repo.files {
		for _, v := range packageVars(f) {
			if v.ident.Name == "_" {
				continue
			}
			all[f.pkg+"."+v.ident.Name] = v
			if why := mutableKind(v); why != "" && !f.test {
				c.report(f, v.ident.Pos(), "no package state", fmt.Sprintf("variable %s %s", v.ident.Name, why),
					"make it a field of the part that owns it")
			}
		}
	}
	for _, f := range c.repo.files {
		c.checkChanges(f, all)
	}
}

func packageVars(f *goFile) []*variable {
	var vars []*variable
	for _, decl := range f.syntax.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, s := range gen.Specs {
			spec := s.(*ast.ValueSpec)
			for i, ident := range spec.Names {
				v := &variable{file: f, ident: ident, spec: spec, doc: gen.Doc.Text() + spec.Doc.Text()}
				if len(spec.Values) == len(spec.Names) {
					v.value = spec.Values[i]
				}
				vars = append(vars, v)
			}
		}
	}
	return vars
}

// mutableKind says why a variable can only be there to change; empty if it may be a table.
func mutableKind(v *variable) string {
	if v.value == nil {
		kind := exprName(v.spec.Type)
		switch {
		case kind == "embed.FS" || kind == "sync.Pool":
			return ""
		case kind == "string" && strings.Contains(v.doc, "linker"):
			return ""
		}
		return "has no value, so something must set it"
	}
	value := v.value
	if unary, ok := value.(*ast.UnaryExpr); ok && unary.Op == token.AND {
		if strings.HasPrefix(strings.ToLower(v.ident.Name), "err") {
			return ""
		}
		value = unary.X
	}
	switch value := value.(type) {
	case *ast.CallExpr:
		name := exprName(value.Fun)
		if name == "make" || name == "new" || strings.HasPrefix(name, "prometheus.") || strings.HasPrefix(name, "promauto.") || strings.HasPrefix(name, "slog.") {
			return "is made by " + name + ", so it is there to change"
		}
	case *ast.CompositeLit:
		name := exprName(value.Type)
		if (strings.HasPrefix(name, "sync.") && name != "sync.Pool") || strings.HasPrefix(name, "atomic.") || strings.HasPrefix(name, "http.") {
			return "is a " + name + ", so it is there to change"
		}
	}
	return ""
}

// exprName writes a plain name, as "sync.Mutex"; empty for anything longer.
func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x := exprName(e.X); x != "" {
			return x + "." + e.Sel.Name
		}
	}
	return ""
}

// checkChanges reports whatever in a file changes a variable of a package, tests included.
func (c *checker) checkChanges(f *goFile, all map[string]*variable) {
	changed := func(e ast.Expr) {
		v := c.variableOf(f, e, all)
		if v == nil || (f.test && v.file.test) {
			return
		}
		c.report(f, e.Pos(), "no package state", fmt.Sprintf("changes the package variable %s", v.ident.Name),
			"make it a field of the part that owns it, or an argument")
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					changed(e)
				}
			}
		case *ast.IncDecStmt:
			changed(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				changed(n.X)
			}
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				changed(n.Key)
				changed(n.Value)
			}
		case *ast.CallExpr:
			if name := exprName(n.Fun); len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, name) {
				changed(n.Args[0])
			}
		}
		return true
	})
}

// variableOf finds the package variable that an expression is, or is a part of; nil if none.
func (c *checker) variableOf(f *goFile, e ast.Expr, all map[string]*variable) *variable {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if pkg, ok := x.X.(*ast.Ident); ok && pkg.Obj == nil {
				if path := importedAs(f.syntax, pkg.Name); path != "" {
					return all[strings.TrimPrefix(path, module+"/")+"."+x.Sel.Name]
				}
			}
			e = x.X
		case *ast.Ident:
			v := all[f.pkg+"."+x.Name]
			if v == nil || (x.Obj != nil && x.Obj.Decl != v.spec) {
				return nil // a local name that hides the package's
			}
			return v
		default:
			return nil
		}
	}
}
