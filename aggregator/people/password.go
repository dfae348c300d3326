package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// The cost of a password hash, and how many may be computed at once and wait: memory is the resource that
// an attacker would exhaust by logging in.
const (
	argonMemory = 47104 // KiB
	argonTime   = 1
	argonLanes  = 1
	saltBytes   = 16
	hashBytes   = 32
	maxHashing  = 2
	maxWaiting  = 32

	minPassword = 12  // characters
	maxPassword = 128 // characters
)

// ValidPassword refuses a password that is too short, too long or easily guessed: it is long enough and
// not among those that are tried first. Any character is welcome and none is asked for. The words are
// known facts about the person.
func ValidPassword(password string, words ...string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return postgres.Invalid("password is not UTF-8")
	case n < minPassword:
		return postgres.Invalid("password has %d characters, it must have at least %d", n, minPassword)
	case n > maxPassword:
		return postgres.Invalid("password has more than %d characters", maxPassword)
	case guesses(password, words...) < minGuesses:
		return postgres.Invalid("password is made of words, rows of keys, numbers or names that are tried first: use a few words that have nothing to do with each other")
	}
	return nil
}

// hashers is how many hashes may be computed at once: half of the cores, so that whoever logs in, or
// tries to, leaves the rest to what else runs here.
func hashers() int { return min(max(1, runtime.GOMAXPROCS(0)/2), maxHashing) }

// argon computes a hash when it is its turn.
func (a *People) argon(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return nil, ErrBusy
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash: %w", ctx.Err())
	}
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, hashBytes), nil
}

// hashPassword gives the PHC string of a password.
func (a *People) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	hash, err := a.argon(ctx, password, salt)
	if err != nil {
		return "", err
	}
	encode := base64.RawStdEncoding.EncodeToString
	return phcPrefix() + encode(salt) + "$" + encode(hash), nil
}

func phcPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonLanes)
}

// checkPassword says whether the password is that of the PHC string. It takes as long for a string
// that is no hash (an unknown person, a person without a password), and then says no.
func (a *People) checkPassword(ctx context.Context, phc, password string) (bool, error) {
	salt, want := make([]byte, saltBytes), make([]byte, hashBytes)
	known := false
	if rest, ok := strings.CutPrefix(phc, phcPrefix()); ok {
		saltText, hashText, _ := strings.Cut(rest, "$")
		s, err1 := base64.RawStdEncoding.DecodeString(saltText)
		h, err2 := base64.RawStdEncoding.DecodeString(hashText)
		if err1 == nil && err2 == nil && len(s) == saltBytes && len(h) == hashBytes {
			salt, want, known = s, h, true
		}
	}
	got, err := a.argon(ctx, password, salt)
	if err != nil {
		return false, err
	}
	same := subtle.ConstantTimeCompare(got, want) == 1
	return same && known, nil
}
