// Package pass is the wall between apps inside ClickHouse, as both sides of it must know it: whoever
// reads for a person, and whoever sets a server up.
//
// People's questions run as a user of their own, the reader. It can only read, within limits that it
// cannot raise, and a row policy on every table shows it the rows of those apps alone that the query's
// pass names. A pass is a text in the setting log_comment, the only text that every build of ClickHouse
// lets a query carry to its policies:
//
//	HMAC of the apps, 64 hexadecimal digits · the apps between commas, or * for all
//
// The policy computes the HMAC again. Its key is in the policy, which the reader cannot see, so a
// statement that somebody smuggled in cannot make a pass for another app. Without a pass there are no
// rows. Name, password and key of the reader are derived from the ordinary user's password: every node
// that knows the DSN knows them, and nothing has to be configured.
package pass

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Pass says for which apps something is read. The zero value is for none.
type Pass struct {
	All  bool
	Apps []string
}

type key struct{}

// With gives everything that is read under the context a pass. Whatever serves a request must have one;
// a context without is that of the system's own work.
func With(ctx context.Context, p Pass) context.Context { return context.WithValue(ctx, key{}, p) }

// Without takes the pass away: for reads that the system needs itself in the course of a request, and
// shows nobody.
func Without(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, nil) }

// Of returns the pass of a context, and false if it has none.
func Of(ctx context.Context) (Pass, bool) {
	p, ok := ctx.Value(key{}).(Pass)
	return p, ok
}

// text is the input of the HMAC. No list is like "*": lists begin with a comma.
func (p Pass) text() string {
	if p.All {
		return "*"
	}
	var b strings.Builder
	b.WriteByte(',')
	for _, app := range p.Apps {
		if app != "" && !strings.ContainsAny(app, ",\x00") { // no id of ours has one
			b.WriteString(app)
			b.WriteByte(',')
		}
	}
	return b.String()
}

// Reader is the user that reads for people.
type Reader struct {
	Name     string
	Password string
	secret   string // key of the passes: hexadecimal, so that it can stand in a statement
}

// ReaderOf derives the reader that belongs to an ordinary user. Without a password there is nothing to
// derive it from, and ok is false.
func ReaderOf(user, password string) (r Reader, ok bool) {
	if user == "" || password == "" {
		return Reader{}, false
	}
	derive := func(purpose string) string {
		mac := hmac.New(sha256.New, []byte(password))
		mac.Write([]byte("unmogrowp ClickHouse " + purpose + "\n" + user))
		return hex.EncodeToString(mac.Sum(nil))
	}
	return Reader{Name: user + "_reader", Password: derive("reader"), secret: derive("pass")}, true
}

// PasswordHash is the form of the password that a server needs.
func (r Reader) PasswordHash() string {
	sum := sha256.Sum256([]byte(r.Password))
	return hex.EncodeToString(sum[:])
}

// Hide takes what must not be known of the reader out of a text, for logs: servers put statements into
// their errors.
func (r Reader) Hide(text string) string {
	for _, secret := range []string{r.Password, r.PasswordHash(), r.secret} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// Comment is the pass as a query carries it, in the setting log_comment.
func (r Reader) Comment(p Pass) string {
	text := p.text()
	return r.sign(text) + text
}

// sign is a nested hash as HMAC is one, out of functions that every ClickHouse has.
func (r Reader) sign(text string) string {
	inner := sha256.Sum256([]byte(r.secret + text))
	outer := sha256.Sum256(append([]byte(r.secret), inner[:]...))
	return hex.EncodeToString(outer[:])
}

// Filter is the row policy: an expression over app_id. All but has() is constant to a query, so that it
// costs nothing a row and the primary key serves it.
func (r Reader) Filter() string {
	const said = "substring(getSetting('log_comment'), 65)"
	return fmt.Sprintf("(substring(getSetting('log_comment'), 1, 64) = lower(hex(SHA256(concat('%[1]s', SHA256(concat('%[1]s', %[2]s)))))))"+
		" AND (%[2]s = '*' OR has(splitByChar(',', %[2]s), app_id))", r.secret, said)
}

// Setting is a limit of the reader: its value, which is the most that a query may ask for.
type Setting struct {
	Name  string
	Value int64
}

// Limits are those of one question. They are generous: whoever meets one asked for far too much.
func Limits() []Setting {
	return []Setting{
		{"max_execution_time", 30},
		{"max_memory_usage", 4 << 30},
		{"max_rows_to_read", 2_000_000_000},
		{"max_bytes_to_read", 500_000_000_000},
		{"max_result_rows", 5_000_000},
	}
}

// Profile is the reader's settings in SQL, after CREATE USER … SETTINGS.
func Profile() string {
	settings := []string{"readonly = 2 READONLY"}
	for _, s := range Limits() {
		settings = append(settings, fmt.Sprintf("%s = %d MIN 1 MAX %d", s.Name, s.Value, s.Value))
	}
	return strings.Join(settings, ", ")
}
