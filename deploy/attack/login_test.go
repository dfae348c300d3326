package attack

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

const ownerPassword = system.OwnerPassword

func loginAttacks() []attack {
	return []attack{
		{id: 12, run: attack12Guessing}, {id: 13, run: attack13Timing, full: true}, {id: 14, run: attack14LongPassword, note: "1,000,000 bytes; over 1 MiB answers 413"},
		{id: 15, run: attack15ManyLogins, full: true}, {id: 16, run: attack16RefreshReuse, denied: "session.reuse", note: "the 10 s of the replay window pass in the database"}, {id: 17, run: attack17RefreshRace},
		{id: 18, run: attack18AfterLogout}, {id: 19, run: attack19Lifetime, note: "the 12 h pass in the database"}, {id: 20, run: attack20Fixation},
		{id: 21, run: attack21Bootstrap, note: "the link that `aggregator user invite` prints, and the one of an invitation"},
		{id: 22, run: attack22ResetToken, note: "the 24 h pass in the database"},
	}
}

// try logs in from an address and returns what came of it.
func (s *suite) try(from, email, password string) *answer {
	s.Helper()
	return s.as(from).call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": email, "password": password})
}

// refresh continues a session.
func (s *suite) refresh(cookie string) *answer {
	s.Helper()
	return s.with("Cookie", refreshCookie+"="+cookie).call(s.Aggregators[0].URL, "POST", "auth/refresh", "", nil)
}

// sql runs a statement as the superuser, for what only time or an intruder in the database does.
func (s *suite) sql(statement string, args ...any) {
	s.Helper()
	conn, err := pgx.Connect(s.Context(), s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.Context()))
	if _, err := conn.Exec(s.Context(), statement, args...); err != nil {
		s.Fatal(err)
	}
}

func hashOf(t *suite, cookie string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}

func attack12Guessing(s *suite) {
	s.person("guessed@example.com", everywhere(access.Viewer))
	statuses := map[int]int{}
	for i := range 200 {
		got := s.try("127.0.12.1", "guessed@example.com", fmt.Sprintf("wrong password %d", i)).want(401, 429)
		if statuses[got.status]++; got.status == 429 && got.header.Get("Retry-After") == "" {
			s.Errorf("%s: 429 without Retry-After", got.what)
		}
	}
	if statuses[401] > 10 {
		s.Errorf("%d of 200 guesses were tried", statuses[401])
	}
	s.try("127.0.12.1", "guessed@example.com", password).want(429) // the right one no sooner
	s.try("127.0.13.1", "guessed@example.com", password).want(200) // and nobody is locked out
}

// attack13Timing compares how long the refusals of known and unknown people take.
func attack13Timing(s *suite) {
	s.person("known@example.com", everywhere(access.Viewer))
	const samples = 200
	var known, unknown []float64
	for i := range samples {
		network := fmt.Sprintf("127.13.%d.1", i/4)
		ask := []func() *answer{
			func() *answer { return s.try(network, "known@example.com", "a wrong password").want(401) },
			func() *answer {
				return s.try(network, fmt.Sprintf("unknown%05d@example.com", i), "a wrong password").want(401)
			},
		}
		answers := [2]*answer{}
		for j := range ask { // in turns, so that coming second is nobody's advantage
			answers[(i+j)%2] = ask[(i+j)%2]()
		}
		a, b := answers[0], answers[1]
		known, unknown = append(known, a.took.Seconds()), append(unknown, b.took.Seconds())
		pa, pb := a.problem(), b.problem()
		if pa.Code != pb.Code || pa.Detail != pb.Detail {
			s.Fatalf("the answers differ: %s %s", a.body, b.body)
		}
	}
	slices.Sort(known)
	slices.Sort(unknown)
	apart := math.Abs(known[samples/2]-unknown[samples/2]) / unknown[samples/2]
	z := mannWhitney(known, unknown)
	s.Logf("medians differ by %.1f %%, z = %.1f", apart*100, z)
	if apart > 0.05 && math.Abs(z) > 2.576 {
		s.Errorf("medians differ by %.1f %%, z = %.1f", apart*100, z)
	}
}

// mannWhitney is the standardised rank sum of a in a and b.
func mannWhitney(a, b []float64) float64 {
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

func attack14LongPassword(s *suite) {
	for size, want := range map[int]int{1_000_000: 400, 1 << 19: 400, 1025: 400, 1 << 20: 413, 2 << 20: 413} {
		s.fastest(10*time.Millisecond, fmt.Sprintf("refusal of %d bytes", size), func() time.Duration {
			return s.try("127.0.14.1", "long@example.com", strings.Repeat("x", size)).want(want).took
		})
	}
}

func attack15ManyLogins(s *suite) {
	s.person("crowd@example.com", everywhere(access.Viewer))
	before := heap()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			got := s.try(fmt.Sprintf("127.15.%d.1", i), "crowd@example.com", password)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[200]+statuses[429]+statuses[503] != 100 || statuses[200] == 0 {
		s.Errorf("statuses %v", statuses)
	}
	if grown := heap() - before; grown > 256<<20 {
		s.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func attack16RefreshReuse(s *suite) {
	s.person("stolen@example.com", everywhere(access.Viewer))
	token, first := s.session("stolen@example.com", password)
	second := refreshOf(s.refresh(first).want(200))
	s.plant(second)
	if again := refreshOf(s.refresh(first).want(200)); again != second {
		s.Error("a lost answer is not given again")
	}
	s.sql(`UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE hash = $1`, hashOf(s, first))
	began := time.Now()
	stolen := s.refresh(first).want(401)
	s.refresh(second).want(401)
	s.refresh(first).want(401)
	s.refusedEverywhere(token, began)
	id := stolen.problem().RequestID
	if err := s.entry("session.reuse", func(e entry) bool { return e.RequestID == id && e.Outcome == "denied" }); err != nil {
		s.Errorf("audit: %v", err)
	}
}

func attack17RefreshRace(s *suite) {
	s.person("race@example.com", everywhere(access.Viewer))
	_, cookie := s.session("race@example.com", password)
	var mu sync.Mutex
	next := map[string]int{}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r := s.with("Cookie", refreshCookie+"="+cookie).call(s.Aggregators[i%2].URL, "POST", "auth/refresh", "", nil).want(200)
			mu.Lock()
			defer mu.Unlock()
			next[refreshOf(r)]++
		})
	}
	wg.Wait()
	if len(next) != 1 {
		s.Errorf("%d successors of one token", len(next))
	}
	s.plant(slices.Collect(maps.Keys(next))...)
}

func attack18AfterLogout(s *suite) {
	s.person("out@example.com", everywhere(access.Viewer))
	token, first := s.session("out@example.com", password)
	second := refreshOf(s.refresh(first).want(200))
	s.plant(second)
	began := time.Now()
	s.with("Cookie", refreshCookie+"="+second).call(s.Aggregators[0].URL, "POST", "auth/logout", "", nil).want(204)
	for _, cookie := range []string{first, second} {
		s.refresh(cookie).want(401)
	}
	s.refusedEverywhere(token, began)
	for _, cookie := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 44), second + "=", "' OR 1=1 --", strings.Repeat("x", 4000)} {
		s.refresh(cookie).want(401)
	}
}

func attack19Lifetime(s *suite) {
	s.person("old@example.com", everywhere(access.Viewer))
	token, cookie := s.session("old@example.com", password)
	s.sql(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1`, s.person("old@example.com"))
	s.refresh(cookie).want(401)
	s.refusedEverywhere(token, time.Now())
}

func attack20Fixation(s *suite) {
	s.person("fixed@example.com", everywhere(access.Viewer))
	planted := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	_, before := s.session("fixed@example.com", password)
	for _, cookie := range []string{planted, before} {
		got := s.with("Cookie", refreshCookie+"="+cookie).call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": "fixed@example.com", "password": password}).want(200)
		if after := refreshOf(got); after == cookie || after == "" {
			s.Error("the session of before the login goes on after it")
		} else {
			s.plant(after)
		}
	}
	s.refresh(planted).want(401)
}

// attack21Bootstrap uses the link with which the first owner begins more than once.
func attack21Bootstrap(s *suite) {
	person, link, err := s.Accounts.People.Invite(s.Context(), people.NewUser{Email: "first-owner@example.com", Name: "First", Roles: []access.Assignment{everywhere(access.Owner)}})
	if err != nil {
		s.Fatal(err)
	}
	s.plant(link.Token)
	network := 0
	accept := func(token, password string) *answer {
		network++
		return s.as(fmt.Sprintf("127.21.%d.1", network)).call(s.Aggregators[network%2].URL, "POST", "auth/accept", "", map[string]string{"token": token, "password": password})
	}
	const chosen = "the password of the first owner"
	s.plant(chosen)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 10 { // all at once, each with a password of its own
		wg.Go(func() {
			got := s.as(fmt.Sprintf("127.21.1%d.1", i)).call(s.Aggregators[i%2].URL, "POST", "auth/accept", "", map[string]string{"token": link.Token, "password": fmt.Sprintf("%s %d", chosen, i)})
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[204] != 1 || statuses[401]+statuses[429] != 9 {
		s.Errorf("ten uses at once answered %v", statuses)
	}
	for range 5 {
		accept(link.Token, "a password of somebody else").want(401)
	}
	s.try("127.21.0.1", "first-owner@example.com", "a password of somebody else").want(401)
	// An invitation over the API is the same link.
	var invited struct{ Invitation struct{ Token string } }
	s.quiet().call(s.Aggregators[0].URL, "POST", "users", s.owner, map[string]any{"email": "invited@example.com", "name": "Invited", "roles": []any{}}).want(201).decode(&invited)
	s.plant(invited.Invitation.Token)
	accept(invited.Invitation.Token, chosen).want(204)
	accept(invited.Invitation.Token, chosen).want(401)
	if _, err := s.Accounts.People.SetRoles(s.Context(), person.ID, []access.Assignment{}); err != nil {
		s.Fatal(err)
	}
}

func attack22ResetToken(s *suite) {
	id := s.person("forgot@example.com", everywhere(access.Viewer))
	other := s.person("other-forgot@example.com", everywhere(access.Viewer))
	link := func(user string) string {
		var l struct{ Token string }
		s.quiet().call(s.Aggregators[0].URL, "POST", "users/"+user+"/reset-link", s.owner, nil).want(201).decode(&l)
		s.plant(l.Token)
		return l.Token
	}
	network := 0
	accept := func(token, password string) *answer {
		network++
		return s.as(fmt.Sprintf("127.22.%d.1", network)).call(s.Aggregators[network%2].URL, "POST", "auth/accept", "", map[string]string{"token": token, "password": password})
	}
	const fresh = "a fresh password of theirs"
	s.plant(fresh)
	replaced, expired := link(id), link(other)
	used := link(id) // takes the place of the one before
	s.sql(`UPDATE password_links SET expires_at = now() - interval '1 second' WHERE user_id = $1`, other)
	session, _ := s.session("forgot@example.com", password)
	began := time.Now()
	accept(used, "short").want(400)
	accept(used, fresh).want(204)
	s.refusedEverywhere(session, began)
	for _, token := range []string{used, replaced, expired, used + "x", used[:len(used)-1], strings.ToUpper(used), "x", "' OR 1=1 --", "\x00", s.WriteKey, s.owner} {
		accept(token, "another password of an attacker").want(401)
	}
	s.try("127.0.22.1", "forgot@example.com", fresh).want(200)
	s.try("127.0.22.1", "forgot@example.com", password).want(401)
	s.try("127.0.22.1", "other-forgot@example.com", password).want(200)
}
