package people

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// successor is the token that follows a refresh token. It is computed, so that a client that lost
// the answer can be told the same one again without the database knowing it. Its key is a secret of its
// own, and not the master key's, so that it stays when that is changed.
func (a *Logins) successor(ctx context.Context, token []byte) ([]byte, error) {
	a.refreshing.Lock()
	defer a.refreshing.Unlock()
	if a.refreshKey == nil {
		key, err := a.pool.Secret(postgres.WithActor(ctx, postgres.Actor{Kind: "system"}), refreshKeyName, func() ([]byte, error) {
			key := make([]byte, sha256.Size)
			_, err := rand.Read(key)
			return key, err
		})
		if err != nil {
			return nil, err
		}
		a.refreshKey = key
	}
	mac := hmac.New(sha256.New, a.refreshKey)
	mac.Write(token)
	return mac.Sum(nil), nil
}

// refreshKeyName is the secret from which successors of refresh tokens are computed.
const refreshKeyName = "refresh-chain"
