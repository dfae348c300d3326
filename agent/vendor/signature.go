package vendor

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/unmogrowp/unmogrowp/agent/document"
)

// verdict is the result of checking the signature of a postback.
type verdict string

const (
	verdictValid       verdict = "valid"       // Apple signed it
	verdictDevelopment verdict = "development" // Apple signed it, as one of a test
	verdictInvalid     verdict = "invalid"     // Apple did not sign this
	verdictUnknown     verdict = "unknown"     // it is of a version or names a key that this program does not know
)

// appleKey is one with which Apple signs postbacks.
type appleKey struct {
	public *ecdsa.PublicKey
	signs  verdict
}

// productionKey also signs SKAdNetwork's postbacks of 2.1 and later.
const productionKey = "apple-cas-identifier/0"

// appleKeys are Apple's public keys by their identifiers, from "Verifying a
// postback" in the documentation of AdAttributionKit and "Verifying an
// install-validation postback" in that of StoreKit.
var appleKeys = map[string]appleKey{
	productionKey:                    {mustP256("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWdp8GPcGqmhgzEFj9Z2nSpQVddayaPe4FMzqM9wib1+aHaaIzoHoLN9zW4K8y4SPykE3YVK3sVqW6Af0lfx3gg=="), verdictValid},
	"apple-development-identifier/0": {mustP256("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELeEDzpJEP+/qRSE5hJVC1p1J0ssUnQGMzBBbvnACBok8OVGGLgxL0myrKiy6lvRtSlLRsWit87i+vftD8AEqeQ=="), verdictDevelopment},
	"apple-development-identifier/1": {mustP256("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YzdO7eM97s/IJ25kdW5CZ3A14USE5IJ5Ha/vhWaxI6UBI1ZxCEvjrKxVluVGe6qWwF1BDFq+QHqKfH5u+wxHQ=="), verdictDevelopment},
}

func mustP256(text string) *ecdsa.PublicKey {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		panic(err)
	}
	return key.(*ecdsa.PublicKey)
}

// optional marks a member that is signed where it is there.
const optional = "?"

// signedMembers are the members of a SKAdNetwork postback that its signature is
// of, in their order, by version. No version signs a conversion value.
var signedMembers = map[string][]string{
	"2.1": {"version", "ad-network-id", "campaign-id", "app-id", "transaction-id", "redownload", optional + "source-app-id"},
	"2.2": {"version", "ad-network-id", "campaign-id", "app-id", "transaction-id", "redownload", optional + "source-app-id", "fidelity-type"},
	"3.0": {"version", "ad-network-id", "campaign-id", "app-id", "transaction-id", "redownload", optional + "source-app-id", "fidelity-type", "did-win"},
	"4.0": {"version", "ad-network-id", "source-identifier", "app-id", "transaction-id", "redownload", optional + "source-app-id", optional + "source-domain", "fidelity-type", "did-win", "postback-sequence-index"},
}

// signedSeparator stands between the members that a SKAdNetwork signature is of.
const signedSeparator = "\u2063"

// verifySKAdNetwork checks the signature of a SKAdNetwork postback.
func verifySKAdNetwork(d *document.Document, key *ecdsa.PublicKey) verdict {
	members := signedMembers[d.Str(d.Member(0, "version"))]
	if members == nil {
		return verdictUnknown
	}
	var parts []string
	for _, name := range members {
		name, isOptional := strings.CutPrefix(name, optional)
		part := signed(d, d.Member(0, name))
		if part == "" && isOptional {
			continue
		}
		if part == "" || strings.Contains(part, signedSeparator) {
			return verdictInvalid
		}
		parts = append(parts, part)
	}
	signature, err := base64.StdEncoding.DecodeString(d.Str(d.Member(0, "attribution-signature")))
	digest := sha256.Sum256([]byte(strings.Join(parts, signedSeparator)))
	if err != nil || !ecdsa.VerifyASN1(key, digest[:], signature) {
		return verdictInvalid
	}
	return verdictValid
}

// signed is a value as SKAdNetwork signs it.
func signed(d *document.Document, r document.Ref) string {
	switch d.Kind(r) {
	case document.True:
		return "true"
	case document.False:
		return "false"
	}
	return d.Scalar(r)
}

// verifyAttributionKit checks a JSON Web Signature of AdAttributionKit.
func verifyAttributionKit(token string, keys map[string]appleKey) verdict {
	signs := verdictInvalid
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation()).
		Parse(token, func(t *jwt.Token) (any, error) {
			name, _ := t.Header["kid"].(string)
			key, ok := keys[name]
			if !ok {
				signs = verdictUnknown
				return nil, fmt.Errorf("key %q is not Apple's", name)
			}
			signs = key.signs
			return key.public, nil
		})
	if err != nil && signs != verdictUnknown {
		return verdictInvalid
	}
	return signs
}
