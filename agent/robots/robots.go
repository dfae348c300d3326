// Package robots knows the user agents of crawlers, link previews, monitors and browsers without
// a person, from a list that others maintain and a few words of our own.
package robots

import (
	"embed"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

//go:embed robots.txt
var files embed.FS

// List is the list, read. It never changes.
type List struct {
	byStart map[[4]byte][]pattern // by the first bytes of their words
	rest    []pattern             // whose words are shorter
}

// pattern is a word that must occur, and where that is not enough a regular expression.
type pattern struct {
	word string
	re   *regexp.Regexp // nil: the word is enough
}

func (p *pattern) holds(agent string) bool {
	return strings.Contains(agent, p.word) && (p.re == nil || p.re.MatchString(agent))
}

// ownWords are in lower case and hold in any case. They are what robots call themselves that
// nobody has listed yet. "bot" alone is not among them: there are phones of that name.
var ownWords = [...]string{"bot/", "crawler", "spider", "slurp", "+http://", "+https://",
	"feedfetcher", "headless", "phantomjs", "lighthouse", "facebookexternalhit"}

// Load reads the list.
func Load() (*List, error) {
	text, err := files.ReadFile("robots.txt")
	if err != nil {
		return nil, fmt.Errorf("read list of robots: %w", err)
	}
	r := &List{byStart: make(map[[4]byte][]pattern)}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		if err := r.add(strings.ReplaceAll(line, `\/`, "/")); err != nil {
			return nil, fmt.Errorf("read pattern %q of a robot: %w", line, err)
		}
	}
	return r, nil
}

// add takes a pattern of the list.
func (r *List) add(text string) error {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err
	}
	parsed = parsed.Simplify()
	p := pattern{word: longestWord(parsed)}
	if parsed.Op != syntax.OpLiteral || p.word == "" {
		if p.re, err = regexp.Compile(text); err != nil {
			return err
		}
	}
	if len(p.word) < 4 {
		r.rest = append(r.rest, p)
		return nil
	}
	start := [4]byte([]byte(p.word[:4]))
	r.byStart[start] = append(r.byStart[start], p)
	return nil
}

// longestWord is the longest text that must occur where an expression holds.
func longestWord(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpConcat, syntax.OpCapture:
		longest := ""
		for _, sub := range re.Sub {
			if word := longestWord(sub); len(word) > len(longest) {
				longest = word
			}
		}
		return longest
	}
	return ""
}

// Has says whether a user agent is that of a robot.
func (r *List) Has(agent string) bool {
	lower := strings.ToLower(agent)
	for _, word := range ownWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	for i := 0; i+4 <= len(agent); i++ {
		for _, p := range r.byStart[[4]byte{agent[i], agent[i+1], agent[i+2], agent[i+3]}] {
			if p.holds(agent) {
				return true
			}
		}
	}
	for _, p := range r.rest {
		if p.holds(agent) {
			return true
		}
	}
	return false
}
