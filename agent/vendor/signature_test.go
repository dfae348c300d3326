package vendor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestAttributionKitSignatures signs with a key of our own where Apple's stands, since
// Apple publishes no postback signed with its key for production.
func TestAttributionKitSignatures(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]appleKey{"production": {&key.PublicKey, verdictValid}, "test": {&key.PublicKey, verdictDevelopment}}
	sign := func(method jwt.SigningMethod, name string, with any) string {
		token := jwt.NewWithClaims(method, jwt.MapClaims{"postback-identifier": "1", "exp": 1})
		token.Header["kid"] = name
		text, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	genuine := sign(jwt.SigningMethodES256, "production", key)
	header, rest, _ := strings.Cut(genuine, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	otherHeader, _, _ := strings.Cut(sign(jwt.SigningMethodES256, "test", key), ".")
	for name, c := range map[string]struct {
		token string
		want  verdict
	}{
		"genuine":                      {genuine, verdictValid},
		"of a test":                    {sign(jwt.SigningMethodES256, "test", key), verdictDevelopment},
		"of a test, said to be no":     {strings.Replace(sign(jwt.SigningMethodES256, "test", key), otherHeader, header, 1), verdictInvalid},
		"by another key":               {sign(jwt.SigningMethodES256, "production", other), verdictInvalid},
		"by a key to come":             {sign(jwt.SigningMethodES256, "production/1", key), verdictUnknown},
		"without a key's name":         {sign(jwt.SigningMethodES256, "", key), verdictUnknown},
		"by nobody":                    {sign(jwt.SigningMethodNone, "production", jwt.UnsafeAllowNoneSignatureType), verdictInvalid},
		"with the public key's bytes":  {sign(jwt.SigningMethodHS256, "production", public), verdictInvalid},
		"changed":                      {header + "." + payload[:len(payload)-4] + "AAAA." + signature, verdictInvalid},
		"without a signature":          {header + "." + payload + ".", verdictInvalid},
		"half a signature":             {header + "." + payload + "." + signature[:40], verdictInvalid},
		"no JSON Web Signature at all": {"", verdictInvalid},
	} {
		if got := verifyAttributionKit(c.token, keys); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
