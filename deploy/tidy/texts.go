package tidy

import (
	"path"
	"regexp"
	"strings"
)

// phrase is something that must not stand in a text.
type phrase struct {
	rule  string
	in    func(name string) bool
	match *regexp.Regexp
	what  string
	mend  string
}

// phrases are the rules about texts. Comments of SQL and Go may name forbidden things, so that
// they can say why.
var phrases = []phrase{
	{
		rule: "no summing", in: ext(".sql", ".go", ".tmpl"),
		match: regexp.MustCompile(`SummingMergeTree`),
		what:  "a summing table counts a row that was sent twice, twice",
		mend:  "use ReplacingMergeTree, or replace whole buckets",
	},
	{
		rule: "no raw html", in: ext(".svelte"),
		match: regexp.MustCompile(`\{@html`),
		what:  "{@html} trusts text that came from outside",
		mend:  "let Svelte escape it, or build the elements",
	},
	{
		rule: "self-contained", in: func(string) bool { return true },
		match: regexp.MustCompile(`\.\./shared|(?i:\bissue #)|/work/`),
		what:  "refers to something that a reader of the repository cannot see",
		mend:  "say the fact itself, or link to a public page",
	},
}

func ext(all ...string) func(string) bool {
	return func(name string) bool {
		for _, e := range all {
			if path.Ext(name) == e {
				return true
			}
		}
		return false
	}
}

func (c *checker) checkText(t text) {
	if under(path.Dir(t.name), "deploy/tidy") { // the rules name the things that they forbid
		return
	}
	for _, p := range phrases {
		if !p.in(t.name) || !p.match.MatchString(t.body) {
			continue
		}
		for i, line := range strings.Split(t.body, "\n") {
			if p.rule == "no summing" {
				line = beforeComment(t.name, line)
			}
			if p.match.MatchString(line) {
				c.findings = append(c.findings, Finding{File: t.name, Line: i + 1, Rule: p.rule, What: p.what, Mend: p.mend})
			}
		}
	}
}

// beforeComment cuts the comment off a line.
func beforeComment(name, line string) string {
	mark := "//"
	if path.Ext(name) == ".sql" || path.Ext(name) == ".tmpl" {
		mark = "--"
	}
	code, _, _ := strings.Cut(line, mark)
	return code
}
