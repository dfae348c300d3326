package tidy

import (
	"fmt"
	"go/ast"
)

// The limits of the tail. The aims are much lower: files of 200 lines, functions of 30,
// interfaces of 1 to 3 methods.
const (
	maxFileLines     = 500
	maxTestFileLines = 700
	maxMainLines     = 25
	maxFuncLines     = 70
	maxTestFuncLines = 120
	maxParams        = 6
	maxMethods       = 6
)

func (c *checker) checkSizes(f *goFile) {
	if f.generated {
		return
	}
	limit := maxFileLines
	switch {
	case f.test:
		limit = maxTestFileLines
	case f.name == "agent/main.go" || f.name == "aggregator/main.go":
		limit = maxMainLines
	}
	if f.lines > limit {
		c.report(f, f.syntax.Package, "file length", fmt.Sprintf("%d lines, limit %d", f.lines, limit),
			"give one of its concerns a file of its own")
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			c.checkFuncLength(f, n)
		case *ast.FuncType:
			if count := names(n.Params); count > maxParams {
				c.report(f, n.Pos(), "parameters", fmt.Sprintf("%d, limit %d", count, maxParams),
					"pass a struct with named fields")
			}
		case *ast.InterfaceType:
			if count := names(n.Methods); count > maxMethods {
				c.report(f, n.Pos(), "interface", fmt.Sprintf("%d methods, limit %d", count, maxMethods),
					"let each consumer declare the methods that it calls")
			}
		}
		return true
	})
}

func (c *checker) checkFuncLength(f *goFile, fn *ast.FuncDecl) {
	limit := maxFuncLines
	if f.test {
		limit = maxTestFuncLines
	}
	lines := c.repo.fset.Position(fn.End()).Line - c.repo.fset.Position(fn.Pos()).Line + 1
	if lines > limit {
		c.report(f, fn.Pos(), "function length", fmt.Sprintf("%s has %d lines, limit %d", fn.Name.Name, lines, limit),
			"let the parent decide and move the work into helpers")
	}
}

// names counts the entries of a list, in which "a, b int" are two.
func names(list *ast.FieldList) int {
	count := 0
	for _, field := range list.List {
		count += max(1, len(field.Names))
	}
	return count
}
