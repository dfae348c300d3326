package attack

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// passwords are those of the users of the databases, and of the roles that the aggregators derive from
// them.
func (s *suite) passwords() map[string][]byte {
	s.Helper()
	application, err := postgres.ApplicationConfig(s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	server, err := url.Parse(s.ClickHouseDSN)
	if err != nil {
		s.Fatal(err)
	}
	ordinary, _ := server.User.Password()
	reader, ok := pass.ReaderOf(server.User.Username(), ordinary)
	if !ok {
		s.Fatal("the ClickHouse user of the suite has no password")
	}
	return map[string][]byte{"application role": []byte(application.Password), "ClickHouse user": []byte(ordinary), "ClickHouse reader": []byte(reader.Password)}
}

// canaries uses every kind of secret that the installation has, and plants it.
// Those of other groups are planted where they are made.
func (s *suite) canaries() {
	s.Helper()
	const email = "canary@example.com"
	s.person(email, everywhere(access.Owner))
	token := s.login(email, password)
	var factor struct{ Secret, URI string }
	s.quiet().call(s.Aggregators[0].URL, "POST", "me/totp", token, map[string]any{"current_password": password}).want(201).decode(&factor)
	s.plant(factor.Secret)
	code := s.code(factor.Secret, 0)
	var codes struct {
		Codes []string `json:"recovery_codes"`
	}
	s.quiet().call(s.Aggregators[0].URL, "POST", "me/totp/confirm", token, map[string]any{"code": code}).want(200).decode(&codes)
	if len(codes.Codes) == 0 || factor.Secret == "" {
		s.Fatal("no secret of a second factor, or no recovery codes")
	}
	s.plant(codes.Codes...)
	try := func(network int, second string) *answer {
		return s.as(fmt.Sprintf("127.82.%d.1", network)).call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": email, "password": password, "totp": second})
	}
	next := s.code(factor.Secret, time.Minute/2)
	try(1, next).want(200, 401)
	try(2, "000000").want(401)
	try(3, codes.Codes[0]).want(200)
	try(4, codes.Codes[0]).want(401)
	s.conceal(`"`+code+`"`, `"`+next+`"`)
	// A wrong password in every field that could be taken for a name.
	const typed = "a password typed where the address belongs"
	s.plant(typed)
	s.as("127.82.5.1").call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": typed, "password": typed}).want(401, 400)
	// The secret of a client of a provider, once stored and once refused, since
	// nobody answers at that address.
	clientSecret, refusedSecret := "client-secret-of-a-provider-"+email, "refused-secret-of-a-provider-"+email
	s.plant(clientSecret, refusedSecret)
	provider, err := s.Accounts.People.SetProvider(s.Context(), people.ProviderChange{Name: "Provider", Issuer: "https://127.0.0.1/", ClientID: "canary", ClientSecret: &clientSecret, PublicURL: "https://console.example.com"})
	if err != nil {
		s.Fatal(err)
	}
	s.console("PUT", "provider", s.owner, map[string]any{"name": "Provider", "issuer": "https://127.0.0.1/", "client_id": "canary", "client_secret": refusedSecret, "public_url": "https://console.example.com"}).want(400, 409, 422, 503)
	s.console("GET", "provider", s.owner, nil).want(200)
	s.console("POST", "auth/oidc/start", "", map[string]any{}).want(200, 400, 404, 409, 429, 503)
	if err := s.Accounts.People.RemoveProvider(s.Context(), provider.ID); err != nil {
		s.Fatal(err)
	}
	secret := s.apiToken(s.owner, "*", access.AppsRead)
	for _, path := range []string{"apps?token=" + secret, "apps/" + secret, "users/" + secret} {
		s.console("GET", path, secret, nil)
	}
	s.console("DELETE", "me/tokens/"+secret, s.owner, nil).want(404, 400)
}

func (s *suite) code(secret string, ahead time.Duration) string {
	s.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(ahead))
	if err != nil {
		s.Fatal(err)
	}
	return code
}

// keys are the secrets of the installation itself: the authority's key, those of
// access tokens, of the gossip and whatever else is sealed under the master key.
func (s *suite) keys() map[string][]byte {
	s.Helper()
	rows, err := s.postgres().Query(s.Context(), "SELECT name FROM secrets ORDER BY 1")
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	keys := map[string][]byte{"master key": []byte(s.MasterKey)}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	for _, name := range names {
		key, err := s.Accounts.Secret(s.Context(), name, nil)
		if err != nil {
			s.Fatal(err)
		}
		if block, _ := pem.Decode(key); block != nil {
			key = block.Bytes // PEM is only a form of these bytes
		}
		keys[name] = key
	}
	maps.Copy(keys, s.passwords())
	for _, name := range []string{"agent-authority", "gossip"} {
		if keys[name] == nil {
			s.Errorf("there is no key %s among %v", name, names)
		}
	}
	return keys
}

// forms are the ways in which a secret could be written down: as it is, and in
// hexadecimal digits and in base64 at each of the three places of a longer text.
func forms(secret []byte) []string {
	all := []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret))}
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(padded)
			from, to := (shift*8+5)/6, len(text)-1 // the digits that do not depend on their neighbours
			if to-from >= 16 {
				all = append(all, text[from:to])
			}
		}
	}
	if raw, err := hex.DecodeString(string(secret)); err == nil && len(raw) >= 16 {
		all = append(all, forms(raw)...)
	}
	return slices.Compact(all)
}

// attack82PlantedSecrets looks for what must be nowhere: in the logs of the whole
// run, and in every row of Postgres and of ClickHouse. Answers were looked at as
// they came.
func attack82PlantedSecrets(s *suite) {
	s.canaries()
	secrets := map[string][]string{}
	for _, secret := range append(s.planted(), s.WriteKey, s.ServerKey) {
		if secret != "" {
			secrets[fmt.Sprintf("planted %.5s…", secret)+fmt.Sprint(len(secrets))] = forms([]byte(secret))
		}
	}
	s.mu.Lock()
	for _, secret := range s.hidden {
		secrets[fmt.Sprintf("token %.5s…", secret)+fmt.Sprint(len(secrets))] = []string{secret}
	}
	s.mu.Unlock()
	for name, key := range s.keys() {
		secrets[name] = forms(key)
	}
	if len(secrets) < 60 {
		s.Errorf("only %d secrets were planted", len(secrets))
	}
	places := map[string]string{"the logs": s.log.String(), "ClickHouse": s.everyRow(s.ClickHouseDSN)}
	maps.Copy(places, s.tables())
	for i, a := range append(slices.Clone(s.Aggregators), s.Agents...) {
		places[fmt.Sprintf("metrics %d", i)] = string(s.quiet().call(a.Admin, "GET", "/metrics", "", nil).want(200).body)
		places[fmt.Sprintf("goroutines %d", i)] = string(s.quiet().call(a.Admin, "GET", "/debug/pprof/goroutine?debug=2", "", nil).body)
		places[fmt.Sprintf("command line %d", i)] = string(s.quiet().call(a.Admin, "GET", "/debug/pprof/cmdline", "", nil).body)
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		s.count(1)
		for name, all := range secrets {
			for form, text := range all {
				if strings.Contains(places[place], text) {
					s.Errorf("%s: %s, in form %d", place, name, form)
				}
			}
		}
	}
	for _, word := range []string{"$argon2id$", "PRIVATE KEY", "Bearer ey", "otpauth://"} {
		if strings.Contains(places["the logs"], word) || strings.Contains(places["ClickHouse"], word) {
			s.Errorf("the logs or ClickHouse hold %q", word)
		}
	}
	for place, text := range places {
		if strings.HasPrefix(place, "table ") && (strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "otpauth://")) {
			s.Errorf("%s holds a key", place)
		}
	}
	s.Logf("%d secrets were looked for in %d places of %d MiB", len(secrets), len(places), size(places)>>20)
}

func size(places map[string]string) (sum int) {
	for _, text := range places {
		sum += len(text)
	}
	return sum
}
