package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

func tokenAttacks() []attack {
	return []attack{
		{id: 1, run: attack01AlgNone, denied: "access.denied"}, {id: 2, run: attack02PublicKeyAsSecret, denied: "access.denied"}, {id: 3, run: attack03ForeignKeys, denied: "access.denied"},
		{id: 4, run: attack04KeyNames}, {id: 5, run: attack05KeyURLs}, {id: 6, run: attack06Lifetime}, {id: 7, run: attack07Claims},
		{id: 8, run: attack08Dots, note: "over 16 KiB of headers answer 431"}, {id: 9, run: attack09Tampered},
		{id: 10, run: attack10Disabled, denied: "access.denied"}, {id: 11, run: attack11Rotation},
	}
}

// forger signs whatever a test wants, as the server would.
type forger struct {
	*suite
	kid    string
	key    ed25519.PrivateKey
	claims jwt.MapClaims
}

func keyName(key ed25519.PrivateKey) string {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (s *suite) forger() *forger {
	s.Helper()
	f := &forger{suite: s, claims: jwt.MapClaims{}}
	f.kid, f.key = s.signingKey(0)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(s.owner, ".")[1])
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(payload, &f.claims); err != nil {
		s.Fatal(err)
	}
	now := time.Now().Unix()
	f.claims["iat"], f.claims["exp"] = now, now+60
	return f
}

// sign signs the claims with changes; a nil one removes a claim.
func (f *forger) sign(method jwt.SigningMethod, key any, header map[string]any, changes jwt.MapClaims) string {
	f.Helper()
	said := maps.Clone(f.claims)
	for name, value := range changes {
		if said[name] = value; value == nil {
			delete(said, name)
		}
	}
	token := jwt.NewWithClaims(method, said)
	token.Header["kid"], token.Header["typ"] = f.kid, "at+jwt"
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

func (f *forger) own(header map[string]any, changes jwt.MapClaims) string {
	f.Helper()
	return f.sign(jwt.SigningMethodEdDSA, f.key, header, changes)
}

// header replaces the header of a token, whose signature is then wrong or absent.
func reheaded(token, header string) string {
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

// everyDoor tries tokens on routes of all kinds of every node: all must answer 401.
func (f *forger) everyDoor(tokens map[string]string) {
	f.Helper()
	doors := [][2]string{{"GET", "me"}, {"GET", "apps"}, {"GET", "users"}, {"GET", "audit"}, {"GET", "agents"}, {"GET", "cluster"},
		{"GET", "apps/" + f.App + "/reports/overview"}, {"POST", "apps"}, {"PATCH", "me"}, {"POST", "agents/enrollment-tokens"}}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		for i, door := range doors {
			var body any
			if door[0] != "GET" {
				body = "{}"
			}
			got := f.as("").call(f.Aggregators[i%len(f.Aggregators)].URL, door[0], door[1], tokens[name], body)
			if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Bearer" {
				f.Errorf("%s: %s %s answered %d: %.200s", name, door[0], door[1], got.status, got.body)
			}
		}
	}
	// So that the forgeries failed because they were forged.
	f.quiet().call(f.Aggregators[0].URL, "GET", "me", f.own(nil, nil), nil).want(http.StatusOK)
}

func attack01AlgNone(s *suite) {
	f := s.forger()
	none := f.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil)
	signature := strings.Split(s.owner, ".")[2]
	tokens := map[string]string{"none": none, "none with a signature": none + signature}
	for _, alg := range []string{"None", "NONE", "nOnE", "", "null", "none ", "EdDSA\x00"} {
		head, err := json.Marshal(map[string]string{"alg": alg, "typ": "at+jwt", "kid": f.kid})
		if err != nil {
			s.Fatal(err)
		}
		tokens["alg "+alg] = reheaded(none, string(head))
	}
	tokens["no alg"] = reheaded(none, `{"typ":"at+jwt","kid":"`+f.kid+`"}`)
	f.everyDoor(tokens)
	s.audited("access.denied", func() *answer { return s.quiet().call(s.Aggregators[0].URL, "GET", "users", none, nil).want(401) })
}

func attack02PublicKeyAsSecret(s *suite) {
	f := s.forger()
	public := f.key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		s.Fatal(err)
	}
	secrets := map[string][]byte{
		"raw": public, "der": der, "pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"base64": []byte(base64.StdEncoding.EncodeToString(public)), "url": []byte(base64.RawURLEncoding.EncodeToString(public)),
		"kid": []byte(f.kid), "nothing": {},
	}
	tokens := map[string]string{}
	for name, secret := range secrets {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			tokens[name+" "+method.Alg()] = f.sign(method, secret, nil, nil)
		}
	}
	f.everyDoor(tokens)
	s.audited("access.denied", func() *answer {
		return s.quiet().call(s.Aggregators[0].URL, "GET", "users", tokens["raw HS256"], nil).want(401)
	})
}

func attack03ForeignKeys(s *suite) {
	f := s.forger()
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.Fatal(err)
	}
	tokens := map[string]string{
		"ed25519": f.sign(jwt.SigningMethodEdDSA, foreign, nil, nil), "ed25519, its own kid": f.sign(jwt.SigningMethodEdDSA, foreign, map[string]any{"kid": keyName(foreign)}, nil),
		"rs256": f.sign(jwt.SigningMethodRS256, rsaKey, nil, nil), "rs512": f.sign(jwt.SigningMethodRS512, rsaKey, nil, nil), "ps256": f.sign(jwt.SigningMethodPS256, rsaKey, nil, nil),
	}
	for method, curve := range map[jwt.SigningMethod]elliptic.Curve{jwt.SigningMethodES256: elliptic.P256(), jwt.SigningMethodES384: elliptic.P384(), jwt.SigningMethodES512: elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			s.Fatal(err)
		}
		tokens[method.Alg()] = f.sign(method, key, nil, nil)
	}
	f.everyDoor(tokens)
}

func attack04KeyNames(s *suite) {
	f := s.forger()
	tokens := map[string]string{}
	for name, kid := range map[string]any{
		"unknown": "unknown", "path": "../../dev/null", "absolute": "/dev/null", "sql": "' OR '1'='1' --", "union": "x' UNION SELECT 'k' --", "10 kB": strings.Repeat("k", 3000),
		"number": 7, "list": []string{f.kid}, "object": map[string]string{"kid": f.kid}, "null": nil, "true": true, "nul": f.kid + "\x00", "case": strings.ToUpper(f.kid), "space": " " + f.kid, "empty": "",
		"url": "http://127.0.0.1/key", "template": "{{.Key}}", "newline": f.kid + "\n",
	} {
		tokens[name] = f.own(map[string]any{"kid": kid}, nil)
	}
	tokens["none"] = reheaded(f.own(nil, nil), `{"alg":"EdDSA","typ":"at+jwt"}`)
	f.everyDoor(tokens)
}

func attack05KeyURLs(s *suite) {
	f := s.forger()
	public, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.Fatal(err)
	}
	var asked atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer listener.Close()
	jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "mine", "x": base64.RawURLEncoding.EncodeToString(public)}
	tokens := map[string]string{}
	for _, kid := range []string{f.kid, "mine"} {
		for name, value := range map[string]any{
			"jku": listener.URL + "/jwks.json", "x5u": listener.URL + "/cert.pem", "jwk": jwk, "x5c": []string{"MIIB"}, "crit": []string{"jku"}, "b64": false, "zip": "DEF", "cty": "JWT",
		} {
			tokens[name+" "+kid] = f.sign(jwt.SigningMethodEdDSA, foreign, map[string]any{"kid": kid, name: value}, nil)
		}
	}
	f.everyDoor(tokens)
	if n := asked.Load(); n != 0 {
		s.Errorf("%d requests came to the URL of a token's header", n)
	}
}

func attack06Lifetime(s *suite) {
	f := s.forger()
	now := time.Now().Unix()
	tokens := map[string]string{}
	for name, changes := range map[string]jwt.MapClaims{
		"no exp": {"exp": nil}, "expired": {"exp": now - 31}, "long expired": {"exp": 1}, "exp zero": {"exp": 0}, "exp negative": {"exp": -1}, "exp text": {"exp": "never"},
		"not before": {"nbf": now + 600}, "issued in an hour": {"iat": now + 3600}, "exp null": {"exp": json.RawMessage("null")}, "nbf text": {"nbf": "x"}, "iat text": {"iat": "x"},
	} {
		tokens[name] = f.own(nil, changes)
	}
	f.everyDoor(tokens)
}

func attack07Claims(s *suite) {
	f := s.forger()
	_, refresh := s.session("owner@example.com", ownerPassword)
	tokens := map[string]string{"refresh token": refresh, "write key": s.WriteKey, "server key": s.ServerKey}
	for name, changes := range map[string]jwt.MapClaims{
		"issuer": {"iss": "evil"}, "no issuer": {"iss": nil}, "audience": {"aud": "other"}, "no audience": {"aud": nil}, "audience list": {"aud": []string{"other", "more"}},
		"session": {"sid": "nope"}, "no session": {"sid": nil}, "session of another": {"sub": "somebody"}, "no subject": {"sub": nil}, "session sql": {"sid": "' OR 1=1 --"}, "session number": {"sid": 7},
	} {
		tokens[name] = f.own(nil, changes)
	}
	for _, typ := range []any{"JWT", "rt+jwt", "AT+JWT", "", nil, 7} {
		tokens[fmt.Sprint("typ ", typ)] = f.own(map[string]any{"typ": typ}, nil)
	}
	f.everyDoor(tokens)
}

func attack08Dots(s *suite) {
	s.fastest(5*time.Millisecond, "refusal", func() time.Duration {
		return s.console("GET", "me", strings.Repeat(".", 15_000), nil).want(http.StatusUnauthorized).took
	})
	for _, token := range []string{strings.Repeat(".", 4000), strings.Repeat("a.", 2000), strings.Repeat(".a", 7000), strings.Repeat("..", 1)} {
		s.console("GET", "me", token, nil).want(http.StatusUnauthorized)
	}
	for range 3 {
		// The server may close before it has read it all.
		answers, _ := s.raw(s.Aggregators[0].URL, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+strings.Repeat(".", 1<<20)+"\r\n\r\n")
		for _, a := range answers {
			if a != http.StatusRequestHeaderFieldsTooLarge {
				s.Errorf("a megabyte of dots answered %d", a)
			}
		}
	}
}

func attack09Tampered(s *suite) {
	f := s.forger()
	good := f.own(nil, nil)
	p := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	payload, err := base64.RawURLEncoding.DecodeString(p[1])
	if err != nil {
		s.Fatal(err)
	}
	resigned := func(header, payload string) string { // signed, and yet not to be believed
		signing := b64([]byte(header)) + "." + b64([]byte(payload))
		signature, err := f.key.Sign(nil, []byte(signing), crypto.Hash(0))
		if err != nil {
			s.Fatal(err)
		}
		return signing + "." + b64(signature)
	}
	head := `{"alg":"EdDSA","kid":"` + f.kid + `","typ":"at+jwt"}`
	last := good[len(good)-1]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	tokens := map[string]string{
		"payload": p[0] + "." + b64([]byte(strings.Replace(string(payload), `"sub":"`, `"sub":"x`, 1))) + "." + p[2],
		"header":  reheaded(good, `{"alg":"EdDSA","typ":"at+jwt","kid":"`+f.kid+`","x":1}`), "no signature": p[0] + "." + p[1] + ".", "two parts": p[0] + "." + p[1],
		"four parts": good + ".x", "padded": good + "=", "non-canonical": good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, last)|1]),
		"cut signature": good[:len(good)-8], "signature of zeros": p[0] + "." + p[1] + "." + b64(make([]byte, 64)), "swapped": p[1] + "." + p[0] + "." + p[2],
		"twice": good + "," + good, "not JSON": resigned(head, "x"), "empty payload": resigned(head, ""), "list": resigned(head, "[]"), "two objects": resigned(head, string(payload)+string(payload)),
		"standard base64": p[0] + "." + p[1] + "." + base64.StdEncoding.EncodeToString(make([]byte, 64)), "spaces": " . . ", "prefix": "x" + good,
		"duplicate claim": resigned(head, strings.Replace(string(payload), `"sub":`, `"sub":"somebody","sub":"else","x":`, 1)),
	}
	for i := range 40 { // a bit flipped everywhere in the signature
		flipped := []byte(p[2])
		flipped[i*2] = alphabet[(strings.IndexByte(alphabet, flipped[i*2])+1)%64]
		tokens[fmt.Sprintf("signature byte %02d", i*2)] = p[0] + "." + p[1] + "." + string(flipped)
	}
	f.everyDoor(tokens)
	for _, scheme := range []string{"bearer ", "BEARER ", "Bearer", "Basic ", "Token ", "", "Bearer\t", "Bearer  "} {
		s.with("Authorization", scheme+good).call(s.Aggregators[0].URL, "GET", "me", "", nil).want(http.StatusUnauthorized)
	}
}

func attack10Disabled(s *suite) {
	id := s.person("disabled@example.com", everywhere(access.Viewer))
	token := s.login("disabled@example.com", password)
	for _, node := range s.Aggregators {
		s.as("").call(node.URL, "GET", "me", token, nil).want(http.StatusOK)
	}
	began := time.Now()
	s.quiet().call(s.Aggregators[0].URL, "PATCH", "users/"+id, s.owner, map[string]any{"disabled": true}).want(http.StatusOK)
	s.refusedEverywhere(token, began)
	s.console("POST", "auth/login", "", map[string]string{"email": "disabled@example.com", "password": password}).want(http.StatusUnauthorized)
}

// refusedEverywhere waits until every node refuses a token, at most five seconds after a change.
func (s *suite) refusedEverywhere(token string, since time.Time) {
	s.Helper()
	for _, node := range s.Aggregators {
		s.Await("the token is refused", func() error {
			if got := s.quiet().call(node.URL, "GET", "me", token, nil); got.status != http.StatusUnauthorized {
				return fmt.Errorf("status %d", got.status)
			}
			return nil
		})
		if took := time.Since(since); took > 5*time.Second {
			s.Errorf("the token was refused after %v", took)
		}
		for _, route := range []string{"me", "apps", "users"} {
			s.as("").call(node.URL, "GET", route, token, nil).want(http.StatusUnauthorized)
		}
	}
}

func attack11Rotation(s *suite) {
	f := s.forger()
	retired := map[string]string{}
	// Of the key before the present one tokens are good in the first minutes of a period only.
	for ahead, name := range map[int64]string{-1: "before", -2: "long before", -12: "a year ago", 2: "after the next", 12: "in a year"} {
		kid, key := s.signingKey(ahead)
		if into := time.Now().Unix() % int64((30 * 24 * time.Hour).Seconds()); ahead != -1 || into > 3600 {
			retired[name] = f.sign(jwt.SigningMethodEdDSA, key, map[string]any{"kid": kid}, nil)
		}
	}
	f.everyDoor(retired)
	kid, key := s.signingKey(1)
	next := f.sign(jwt.SigningMethodEdDSA, key, map[string]any{"kid": kid}, nil)
	for _, node := range s.Aggregators {
		s.as("").call(node.URL, "GET", "me", next, nil).want(http.StatusOK)
	}
}
