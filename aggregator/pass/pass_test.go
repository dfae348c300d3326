package pass

import (
	"strings"
	"testing"
)

func TestNoListLooksLikeAll(t *testing.T) {
	r, ok := ReaderOf("user", "password")
	if !ok {
		t.Fatal("no reader")
	}
	all := r.Comment(Pass{All: true})
	for _, apps := range [][]string{nil, {"*"}, {""}, {",*"}, {"a,b"}, {"\x00"}, {"*", "*"}} {
		if got := r.Comment(Pass{Apps: apps}); got == all || strings.Contains(got[64:], "a,b") {
			t.Errorf("%q: %s", apps, got)
		}
	}
	if got := r.Comment(Pass{Apps: []string{"b", "", "a"}})[64:]; got != ",b,a," {
		t.Errorf("apps %q", got)
	}
}

func TestOneInstallationCannotReadWithThePassOfAnother(t *testing.T) {
	a, _ := ReaderOf("user", "one")
	b, _ := ReaderOf("user", "two")
	p := Pass{Apps: []string{"app"}}
	if a.Comment(p) == b.Comment(p) || a.Password == b.Password || a.Filter() == b.Filter() || a.Password == a.secret {
		t.Error("two passwords lead to the same")
	}
	for _, secret := range []string{"one", a.Password, a.PasswordHash()} {
		if strings.Contains(a.Filter(), secret) || strings.Contains(a.Comment(p), secret) || strings.Contains(a.Comment(p), a.secret) {
			t.Error("a pass or its policy tells a password")
		}
	}
	if got := a.Hide("x " + a.Filter() + a.Password + a.PasswordHash()); strings.Contains(got, a.secret) || strings.Contains(got, a.Password) || strings.Contains(got, a.PasswordHash()) {
		t.Errorf("not hidden: %s", got)
	}
	if _, ok := ReaderOf("user", ""); ok {
		t.Error("a reader that anybody can derive")
	}
}

func TestARequestWithoutAPassIsNotTheSystem(t *testing.T) {
	if p, ok := Of(With(t.Context(), Pass{})); !ok || p.All || p.text() != "," {
		t.Errorf("%+v, %v", p, ok)
	}
	if _, ok := Of(Without(With(t.Context(), Pass{All: true}))); ok {
		t.Error("the pass stays")
	}
	if _, ok := Of(t.Context()); ok {
		t.Error("a pass from nowhere")
	}
}
