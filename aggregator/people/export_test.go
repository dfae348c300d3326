package people

import "context"

// For the tests of this package, which stand outside of it.
const (
	ArgonMemory   = argonMemory
	FreeCodes     = freeCodes
	LinkPrefix    = linkPrefix
	MaxAttempts   = maxAttempts
	MaxPassword   = maxPassword
	MaxSessions   = maxSessions
	RecoveryCodes = recoveryCodes
	TotpPeriod    = totpPeriod
)

// The same.
var (
	Guesses  = guesses
	Personal = personal
)

// OpenSession opens a session without a login.
func (a *Logins) OpenSession(ctx context.Context, user string) (Session, string, error) {
	return a.openSession(ctx, user, Login{}, opening{action: "login"})
}
