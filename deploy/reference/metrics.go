package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Metric is one metric that the programs have.
type Metric struct {
	Name    string
	Type    string // counter, gauge or histogram
	Labels  []string
	Help    string
	Package string // that defines it
}

// Metrics finds the metrics in the sources below root. The rule that makes them findable: a name
// stands whole in one string that begins with unmogrowp_, with its help text right behind it, in
// an options struct, a call of prometheus.NewDesc or a call of a local helper.
func Metrics(root fs.FS) ([]Metric, error) {
	var found []Metric
	for _, dir := range []string{"agent", "aggregator", "protocol"} {
		err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				if err == nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "sdk") {
					return fs.SkipDir
				}
				return err
			}
			source, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
			if err != nil {
				return fmt.Errorf("read metrics: %w", err)
			}
			inFile, err := metricsIn(file)
			if err != nil {
				return fmt.Errorf("read metrics of %s: %w", name, err)
			}
			for i := range inFile {
				inFile[i].Package = path.Dir(name)
			}
			found = append(found, inFile...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(found, func(a, b Metric) bool { return a.Name == b.Name && a.Package == b.Package }), nil
}

// metricsIn walks a file with the path of nodes above each string.
func metricsIn(file *ast.File) (found []Metric, err error) {
	var above []ast.Node
	lists := listsIn(file)
	name := regexp.MustCompile(`^unmogrowp_[a-z0-9_]+$`)
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		if text, ok := literal(n); ok && name.MatchString(text) && !strings.HasSuffix(text, "_") {
			m, fault := metricAt(text, above, lists)
			switch {
			case fault != nil:
				err = fault
			case m.Type != "":
				found = append(found, m)
			}
		}
		above = append(above, n)
		return true
	})
	return found, err
}

// metricAt reads what stands around a name: the innermost call or struct that holds it.
func metricAt(name string, above []ast.Node, lists map[string][]string) (Metric, error) {
	m := Metric{Name: name}
	for i := len(above) - 1; i >= 0; i-- {
		switch n := above[i].(type) {
		case *ast.CompositeLit: // CounterOpts{Name: …, Help: …}
			m.Type = kindOf(callee(n.Type))
			for _, e := range n.Elts {
				if pair, ok := e.(*ast.KeyValueExpr); ok && callee(pair.Key) == "Help" {
					m.Help, _ = literal(pair.Value)
				}
			}
			if i > 0 {
				if call, ok := above[i-1].(*ast.CallExpr); ok {
					m.Labels = labelsIn(call.Args, lists)
				}
			}
		case *ast.CallExpr: // NewDesc(…, help, labels, nil) or a helper's
			m.Type = kindOf(callee(n.Fun))
			if m.Type == "" {
				return Metric{}, nil // a name that is used, as in an error
			}
			if len(n.Args) > 1 {
				m.Help, _ = literal(n.Args[1])
			}
			m.Labels = labelsIn(n.Args, lists)
			if m.Type == "info" {
				m.Type, m.Help, m.Labels = "gauge", "What the binary was made of; the value is always 1.", []string{"version", "revision", "go_version"}
			}
			if m.Type == "gauge" && strings.HasSuffix(name, "_total") {
				m.Type = "counter"
			}
		default:
			continue
		}
		if m.Type != "" && m.Help == "" {
			return m, fmt.Errorf("%s has no help text as a plain string", name)
		}
		return m, nil
	}
	return Metric{}, nil
}

// kindOf tells a metric's type from the name of the function that makes it.
func kindOf(maker string) string {
	maker = strings.ToLower(maker)
	for _, kind := range []string{"counter", "gauge", "histogram"} {
		if strings.Contains(maker, kind) {
			return kind
		}
	}
	switch maker {
	case "total":
		return "counter"
	case "newdesc", "show":
		return "gauge"
	case "newregistry":
		return "info"
	}
	return ""
}

// callee is the last name of a function, a type or a key.
func callee(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// labelsIn finds a list of label names among arguments, or a variable of the file that holds one.
func labelsIn(args []ast.Expr, lists map[string][]string) []string {
	for _, arg := range args {
		if name, ok := arg.(*ast.Ident); ok && lists[name.Name] != nil {
			return lists[name.Name]
		}
		if labels := stringsOf(arg); labels != nil {
			return labels
		}
	}
	return nil
}

// stringsOf reads a list of plain strings; nil if it is something else.
func stringsOf(e ast.Expr) []string {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var all []string
	for _, e := range list.Elts {
		text, ok := literal(e)
		if !ok {
			return nil
		}
		all = append(all, text)
	}
	return all
}

// listsIn finds the variables of a file that hold lists of strings.
func listsIn(file *ast.File) map[string][]string {
	lists := make(map[string][]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if set, ok := n.(*ast.AssignStmt); ok && len(set.Lhs) == 1 && len(set.Rhs) == 1 {
			if all := stringsOf(set.Rhs[0]); all != nil {
				lists[callee(set.Lhs[0])] = all
			}
		}
		return true
	})
	return lists
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
