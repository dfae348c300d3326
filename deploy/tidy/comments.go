package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A clause such as "what is stored of it" where a noun would do makes a reader guess what is
// meant. clause finds such clauses in comments.
var clause = regexp.MustCompile(`\b([Ww]hat (is|of|comes|was|are|were|has|had|it|the|they|a|an|made|may|can|cannot|this|that|counts|one|goes|does|follows)|of whom|of which|of what)\b`)

// clauses is how many comment lines of a part of the house may still have such a clause. The
// figures may only go down: whoever rewrites comments lowers them.
func clauses() map[string]int {
	return map[string]int{"agent": 10, "aggregator": 30, "protocol": 3, "deploy": 10, "benchmarks": 3, "console": 1}
}

// checkClauses counts the comment lines with a clause, by part of the house.
func (c *checker) checkClauses() {
	allowed, found := clauses(), make(map[string]int)
	for _, f := range c.repo.files {
		part, _, _ := strings.Cut(f.name, "/")
		for _, group := range f.syntax.Comments {
			for _, comment := range group.List {
				if !clause.MatchString(comment.Text) {
					continue
				}
				if found[part]++; found[part] == allowed[part]+1 {
					c.report(f, comment.Pos(), "plain words", fmt.Sprintf("this is comment line %d of %s with a clause such as \"what is\"", found[part], part),
						"say it with a noun, here and elsewhere in that part; the allowance in deploy/tidy only goes down")
				}
			}
		}
	}
}

// checkPackageComments wants each package introduced once, in words.
func (c *checker) checkPackageComments() {
	first := make(map[string]*goFile)
	documented := make(map[string]bool)
	for _, f := range c.repo.files {
		if f.test || f.generated {
			continue
		}
		if first[f.pkg] == nil || path.Base(f.name) == path.Base(f.pkg)+".go" {
			first[f.pkg] = f
		}
		if f.syntax.Doc != nil && (c.isMain(f) || strings.HasPrefix(f.syntax.Doc.Text(), "Package "+f.syntax.Name.Name+" ")) {
			documented[f.pkg] = true
		}
	}
	for pkg, f := range first {
		if !documented[pkg] {
			c.report(f, f.syntax.Package, "package comment", "package "+pkg+" has none",
				"begin the file named like the package with: // Package "+f.syntax.Name.Name+" …")
		}
	}
}

// checkComments wants a sentence for every exported name.
func (c *checker) checkComments(f *goFile) {
	if f.test || f.generated || c.isMain(f) {
		return
	}
	for _, decl := range f.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.IsExported() && decl.Doc == nil && exportedReceiver(decl) && !wellKnown(decl) {
				c.undocumented(f, decl.Name)
			}
		case *ast.GenDecl:
			c.checkDeclComments(f, decl)
		}
	}
}

func (c *checker) checkDeclComments(f *goFile, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
				c.undocumented(f, spec.Name)
			}
		case *ast.ValueSpec:
			// One comment may stand for a whole group of constants or variables.
			if decl.Doc != nil || spec.Doc != nil || spec.Comment != nil {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() && decl.Tok != token.IMPORT {
					c.undocumented(f, name)
				}
			}
		}
	}
}

func (c *checker) undocumented(f *goFile, name *ast.Ident) {
	c.report(f, name.Pos(), "comment", "exported "+name.Name+" has none", "say in a sentence what it is for and what must hold")
}

// wellKnown says whether a method is one whose meaning the language's own interfaces give.
func wellKnown(fn *ast.FuncDecl) bool {
	return fn.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap", "Len", "Less", "Swap"}, fn.Name.Name)
}

// exportedReceiver says whether a function is none's or an exported type's.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return true
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
			return x.IsExported()
		default:
			return false
		}
	}
}
