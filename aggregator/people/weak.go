package people

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Of the passwords that leaked most often, few have twelve characters, and those are made of parts that
// everybody would try: words, rows of keys, sequences, years, the name of the person or of this product.
// So there is no list to look a password up in; each such part counts as one character here.

// minGuesses is how many such parts and other characters a password must have.
const minGuesses = 6

// tried are words that passwords are made of, the most frequent of the published lists.
const tried = ` password passwort passw pass admin administrator root user login welcome letmein secret changeme default
	qwerty qwertz azerty iloveyou monkey dragon football baseball basketball master superman batman princess sunshine
	shadow michael jennifer charlie daniel jordan ashley andrew thomas matthew joshua hannah michelle killer hunter
	ranger trustno starwars computer internet samsung google whatever freedom liverpool chelsea arsenal lovely flower
	summer winter spring autumn january february march april june july august september october november december
	monday tuesday wednesday thursday friday saturday sunday hello test guest access money cookie cheese pokemon
	naruto blink ginger pepper purple orange banana yellow diamond silver golden family forever angel baby love `

// rows are keys next to each other.
const rows = " qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik 1q2w3e4r5t6y7u8i9o0p "

// guesses counts the parts of a password: one for each run of the same character, sequence, row of keys,
// year, and word that is tried first or belongs to the person; one for each other character. A repeated
// part counts once.
func guesses(password string, words ...string) int {
	plain := strings.ToLower(password)
	known := strings.Fields(strings.ToLower(strings.Join(words, " ")) + tried + "unmogrowp")
	spoken := strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "5", "s", "$", "s", "7", "t").Replace(plain)
	return min(parts(unit(plain), known), parts(unit(spoken), known))
}

// unit is the repeated part of a string such as abcabcabc, or the whole string.
func unit(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) {
			return s[:n]
		}
	}
	return s
}

func parts(s string, words []string) int {
	text := []rune(s)
	count := 0
	for len(text) > 0 {
		text = text[max(1, row(text), steady(text), year(text), word(string(text), words)):]
		count++
	}
	return count
}

// word is the length of the longest word that the text begins with, in characters.
func word(text string, words []string) int {
	longest := 0
	for _, w := range words {
		if n := len([]rune(w)); n > 3 && n > longest && strings.HasPrefix(text, w) {
			longest = n
		}
	}
	return longest
}

// steady is the length of a run whose characters are all alike, or follow each other up or down.
func steady(text []rune) int {
	if len(text) < 3 || text[1]-text[0] > 1 || text[1]-text[0] < -1 {
		return 0
	}
	n := 2
	for n < len(text) && text[n]-text[n-1] == text[1]-text[0] {
		n++
	}
	if n < 3 {
		return 0
	}
	return n
}

// row is the length of a run of keys next to each other, in either direction.
func row(text []rune) int {
	longest := 0
	for n := 4; n <= len(text); n++ {
		run := string(text[:n])
		if strings.Contains(run, " ") || (!strings.Contains(rows, run) && !strings.Contains(rows, reversed(text[:n]))) {
			break
		}
		longest = n
	}
	return longest
}

func reversed(text []rune) string {
	back := make([]rune, len(text))
	for i, r := range text {
		back[len(text)-1-i] = r
	}
	return string(back)
}

// year is 4 if the text begins with one of ours.
func year(text []rune) int {
	if len(text) < 4 || (string(text[:2]) != "19" && string(text[:2]) != "20") {
		return 0
	}
	for _, r := range text[2:4] {
		if r < '0' || r > '9' {
			return 0
		}
	}
	return 4
}

// validPasswordOf is ValidPassword with the person's name and address.
func (a *People) validPasswordOf(ctx context.Context, user, password string) error {
	var email, name string
	err := a.pool.QueryRow(ctx, `SELECT coalesce(email, ''), name FROM users WHERE id = $1`, user).Scan(&email, &name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return postgres.Wrap("read user", err)
	}
	return ValidPassword(password, personal(email, name)...)
}

// personal are the words that a person's password should not rest on.
func personal(email, name string) []string {
	return strings.FieldsFunc(email+" "+name, func(r rune) bool { return strings.ContainsRune(" @.-_+", r) })
}
