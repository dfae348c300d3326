package tidy

import (
	"go/ast"
	"regexp"
	"strings"
)

// overview is the document that names functions to jump along.
const overview = "docs/ARCHITECTURE.md"

// named finds functions in it: `aggregator/recompute.Attributor.Hint`.
var named = regexp.MustCompile("`((?:agent|aggregator|protocol|deploy)(?:/[a-z]+)*)\\.([A-Za-z]+(?:\\.[A-Za-z]+)?)`")

// checkLives wants every function that the overview names to exist, so that its lists can be
// followed.
func (c *checker) checkLives() {
	known := make(map[string]bool)
	for _, f := range c.repo.files {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && !f.test {
				known[f.pkg+"."+receiver(fn)+fn.Name.Name] = true
			}
		}
	}
	for _, t := range c.repo.texts {
		if t.name != overview {
			continue
		}
		for i, line := range strings.Split(t.body, "\n") {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if m[2] != "go" && !known[m[1]+"."+m[2]] {
					c.findings = append(c.findings, Finding{File: t.name, Line: i + 1, Rule: "named functions",
						What: m[1] + "." + m[2] + " is not in the code", Mend: "name the function as it is called now"})
				}
			}
		}
	}
}

// receiver returns the type that a method belongs to, with a dot behind, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
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
			return x.Name + "."
		default:
			return ""
		}
	}
}
