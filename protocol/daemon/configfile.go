package daemon

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file reads the settings of a YAML file: one mapping, no nesting.
func (l *loader) file(path string) {
	raw, err := readBounded(path, maxConfigBytes)
	if err != nil {
		l.problem("%s", err)
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		l.problem("%s: %s", path, err)
		return
	}
	if len(doc.Content) == 0 { // an empty file, or comments only
		return
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		l.problem("%s:%d: want lines of the form key: value", path, root.Line)
		return
	}
	byName := make(map[string]field, len(l.fields))
	for _, f := range l.fields {
		byName[f.name] = f
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s:%d", path, key.Line)
		f, known := byName[key.Value]
		switch first, again := lines[key.Value]; {
		case !known:
			l.problem("%s: unknown key %q%s", where, key.Value, didYouMean(key.Value, l.fields))
		case again:
			l.problem("%s: key %q stands already in line %d; keep one", where, key.Value, first)
		default:
			lines[key.Value] = key.Line
			l.setNode(f, where+": "+f.name, value)
		}
	}
}

// setNode sets a field from a scalar, or a list from a sequence of scalars.
func (l *loader) setNode(f field, where string, n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		l.problem("%s: has no value; give one or remove the line", where)
	case n.Kind == yaml.ScalarNode:
		l.set(f, where, n.Value)
	case n.Kind == yaml.SequenceNode && f.list():
		items := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				l.problem("%s: want a list of plain values", where)
				return
			}
			items = append(items, item.Value)
		}
		f.setList(items)
	default:
		l.problem("%s: want %s", where, f.kind())
	}
}

// didYouMean suggests the known key that is nearest to a misspelt one.
func didYouMean(key string, fields []field) string {
	best, distance := "", 4
	for _, f := range fields {
		if d := editDistance(strings.ToLower(key), f.name); d < distance {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance is Levenshtein's, over bytes.
func editDistance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func readAtMost(r io.Reader, name string, max int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(raw)) > max {
		return nil, fmt.Errorf("%s is larger than %s", name, Size(max))
	}
	return raw, nil
}
