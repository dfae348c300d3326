package people_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestPasswordsThatAreTriedFirst(t *testing.T) {
	for _, weak := range []string{
		"123456789012", "aaaaaaaaaaaa", "            ", "abcabcabcabc", "abcdefghijkl", "987654321098", "password1234", "Password1234!", "P@ssw0rd2024",
		"passwordpassword", "qwertyuiop12", "1qaz2wsx3edc", "1q2w3e4r5t6y", "poiuytrewq!!", "iloveyou2023", "Summer2024!!", "welcome12345", "admin-admin-admin",
		"unmogrowp2026", "UnMoGrowP!!!!", "annabelle1999", "annabelle@Shopping", "trustno1trustno1", "111111222222", "letmein-letmein", "ääääääääääää",
	} {
		var bad *postgres.InvalidError
		if err := people.ValidPassword(weak, people.Personal("annabelle@shopping.example", "Annabelle Weber")...); !errors.As(err, &bad) {
			t.Errorf("%q is accepted: it counts as %d", weak, people.Guesses(weak))
		}
	}
	for _, good := range []string{
		"correct horse battery", "another good password", "a walk through the api 1763816400000000000", "gxkT4-zzbQ-19m", "mein Hund heisst Waldi", "wir essen um 12 Uhr",
		"one that only reads the reports", "password of a whole sentence", "summer rain on tin roofs", "日本語のとても長いパスワード", "trombone-ladder-fig",
	} {
		if err := people.ValidPassword(good, people.Personal("annabelle@shopping.example", "Annabelle Weber")...); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestPersonalPasswordsAreRefusedEverywhere(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	weak := "annabelle.weber"
	var bad *postgres.InvalidError
	if _, err := a.People.CreateUser(ctx, people.NewUser{Email: "annabelle@example.com", Name: "A. Weber", Password: weak}); !errors.As(err, &bad) {
		t.Errorf("creating: %v", err)
	}
	ann, link, err := a.People.Invite(ctx, people.NewUser{Email: "annabelle@example.com", Name: "A. Weber"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.People.Accept(ctx, link.Token, weak); !errors.As(err, &bad) {
		t.Errorf("accepting: %v", err)
	}
	if err := a.People.Accept(ctx, link.Token, accountstest.GoodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := a.People.UpdateUser(ctx, ann.ID, people.UserChange{Password: &weak}); !errors.As(err, &bad) {
		t.Errorf("setting: %v", err)
	}
	if _, err := a.People.UpdateSelf(ctx, ann.ID, "", nil, accountstest.GoodPassword, weak); !errors.As(err, &bad) {
		t.Errorf("changing: %v", err)
	}
}

// FuzzGuesses looks for a password that takes long, panics, or counts as more than it has characters.
func FuzzGuesses(f *testing.F) {
	f.Add("password1234", "ann")
	f.Add("\xff\xfe19", "")
	f.Fuzz(func(t *testing.T, password, name string) {
		if len(password) > 4*people.MaxPassword || len(name) > 200 || !utf8.ValidString(password) {
			return
		}
		if n := people.Guesses(password, name); n > utf8.RuneCountInString(password) {
			t.Errorf("%q counts as %d", password, n)
		}
	})
}
