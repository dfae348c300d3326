package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// checkStatements looks for what must not be done anywhere, or not on this floor.
func (c *checker) checkStatements(f *goFile) {
	bubbles := bubblesOf(f.syntax)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				c.report(f, n.Pos(), "no init", "func init runs before anybody asked", "do it in a constructor")
			}
		case *ast.GoStmt:
			if !under(f.pkg, "protocol/daemon") && !under(f.pkg, "deploy/children") {
				c.report(f, n.Pos(), "no naked go", "a goroutine that nobody waits for",
					"use wg.Go of sync.WaitGroup or errgroup, and wait before you return")
			}
		case *ast.CallExpr:
			c.checkCall(f, n, bubbles)
		}
		return true
	})
}

func (c *checker) checkCall(f *goFile, call *ast.CallExpr, bubbles []ast.Node) {
	name := calledName(f.syntax, call)
	inBubble := slices.ContainsFunc(bubbles, func(b ast.Node) bool { return b.Pos() <= call.Pos() && call.End() <= b.End() })
	entry := c.floors[f.pkg]
	switch {
	case name == "time.Sleep" && f.test && !inBubble:
		c.report(f, call.Pos(), "no sleep", "a test that sleeps is slow or flaky",
			`wait for a condition, or run in a testing/synctest bubble (a helper says "bubble" in its comment)`)
	case (strings.HasPrefix(name, "fmt.Print") || name == "print" || name == "println") && !f.test && entry.Floor <= 2 && !c.isMain(f):
		c.report(f, call.Pos(), "no print", name+" writes past the log and past the caller's streams",
			"use the logger or the daemon.Streams that you were given")
	case slices.Contains(defaultLogs, name) && !f.test:
		c.report(f, call.Pos(), "no default logger", name+" is shared by the whole process", "use the *slog.Logger that you were given")
	case (name == "fmt.Errorf" || name == "errors.New") && len(call.Args) > 0:
		c.checkPhrase(f, call)
	}
}

func (c *checker) isMain(f *goFile) bool { return f.syntax.Name.Name == "main" }

// defaultLogs are the functions that write to the loggers of the whole process or replace them.
var defaultLogs = []string{
	"slog.Debug", "slog.DebugContext", "slog.Info", "slog.InfoContext", "slog.Warn", "slog.WarnContext",
	"slog.Error", "slog.ErrorContext", "slog.Log", "slog.LogAttrs", "slog.Default", "slog.SetDefault",
	"log.Print", "log.Printf", "log.Println", "log.Fatal", "log.Fatalf", "log.Fatalln",
	"log.Panic", "log.Panicf", "log.Panicln", "log.Default", "log.SetOutput", "log.SetFlags",
}

// checkPhrase wants errors to name the action, and not to say that it failed.
func (c *checker) checkPhrase(f *goFile, call *ast.CallExpr) {
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	phrase, err := strconv.Unquote(lit.Value)
	if err != nil {
		return
	}
	for _, bad := range []string{"failed to ", "could not ", "unable to ", "error "} {
		if strings.HasPrefix(strings.ToLower(phrase), bad) {
			c.report(f, lit.Pos(), "error phrase", fmt.Sprintf("%q says that it is an error", phrase),
				`say what was being done: fmt.Errorf("open buffer: %w", err)`)
		}
	}
}

// calledName is the name of the function that a call calls: "time.Sleep" for a function of an imported
// package, "print" for one of this file's or the language's, "" for a method.
func calledName(file *ast.File, call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		if fn.Obj == nil {
			return fn.Name
		}
	case *ast.SelectorExpr:
		if pkg, ok := fn.X.(*ast.Ident); ok && pkg.Obj == nil {
			if path := importedAs(file, pkg.Name); path != "" {
				return path[strings.LastIndexByte(path, '/')+1:] + "." + fn.Sel.Name
			}
		}
	}
	return ""
}

// importedAs is the path that a file imports under a name; empty if there is none.
func importedAs(file *ast.File, name string) string {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		local := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == name {
			return path
		}
	}
	return ""
}

// bubblesOf lists the code of a file that runs in virtual time: the calls of synctest.Test, and
// the functions whose comment says that they run in a bubble.
func bubblesOf(file *ast.File) []ast.Node {
	var bubbles []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if calledName(file, n) == "synctest.Test" {
				bubbles = append(bubbles, n)
			}
		case *ast.FuncDecl:
			if n.Doc != nil && strings.Contains(n.Doc.Text(), "bubble") {
				bubbles = append(bubbles, n)
			}
		}
		return true
	})
	return bubbles
}

// impure are the imports that pure packages do without.
var impure = []string{
	"os", "os/exec", "io/fs", "net", "net/http", "database/sql", "log/slog", "log", "sync", "sync/atomic",
	"math/rand", "math/rand/v2", "crypto/rand", "embed",
}

// checkPure keeps clocks, disks and networks out of the pure packages.
func (c *checker) checkPure(f *goFile) {
	if !c.floors[f.pkg].Pure || f.test {
		return
	}
	for _, spec := range f.syntax.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && slices.Contains(impure, path) {
			c.report(f, spec.Pos(), "pure", f.pkg+" imports "+path, "take the value as an argument; I/O belongs to the callers")
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if name := calledName(f.syntax, call); slices.Contains(clocks, name) {
				c.report(f, call.Pos(), "pure", name+" reads the clock", "take now, or the event's own time, as an argument")
			}
		}
		return true
	})
}

// clocks are the functions that read the clock.
var clocks = []string{"time.Now", "time.Since", "time.Until", "time.After", "time.NewTimer", "time.NewTicker"}
