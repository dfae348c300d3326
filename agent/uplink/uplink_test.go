package uplink

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

type harness struct {
	*Uplink
	queue    *memoryQueue
	settings *memorySettings
	log      *lockedBuffer
	stop     func()
}

func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// run starts an uplink to the given addresses.
func run(t *testing.T, ca *testCA, blocks int, change func(*Options), addresses ...string) *harness {
	t.Helper()
	h := &harness{queue: newQueue(blocks), settings: &memorySettings{}, log: &lockedBuffer{}}
	o := Options{Queue: h.queue, Standing: h.queue, Settings: h.settings, Identity: ca.identity(t, "agent-1"), Dial: dialer(t).Dial,
		Aggregators: addresses, Region: "eu", Software: "test", Registerer: prometheus.NewRegistry(),
		Logger:    slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		backoff:   func(n int) time.Duration { return time.Duration(min(n, 5)) * 10 * time.Millisecond },
		heartbeat: 20 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	up, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Uplink = up
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := up.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	h.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(h.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func TestEveryBlockIsForgottenOnceStored(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.start("")
	h := run(t, ca, 200, nil, server.address)
	h.queue.waitEmpty(t)
	if _, _, stored := server.count(); stored != 200 {
		t.Fatalf("%d blocks stored", stored)
	}
	waitFor(t, "heartbeats", func() bool { _, beats, _ := server.count(); return beats > 1 })
	server.mu.Lock()
	hello := server.hellos[0]
	server.mu.Unlock()
	if hello.Epoch != testEpoch || hello.Region != "eu" || hello.Chain != 5 || hello.Version != protocol.Version {
		t.Fatalf("hello %+v", hello)
	}
	h.queue.add() // one more, later
	h.queue.waitEmpty(t)
	if s := h.Status(); !s.Connected || s.Node != server.address {
		t.Fatalf("status %+v", s)
	}
}

func TestRetryIsSentAgain(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	var mu sync.Mutex
	times := map[uint64]int{}
	server.answer = func(b protocol.Block) *protocol.Ack {
		mu.Lock()
		defer mu.Unlock()
		if times[b.Seq]++; times[b.Seq] < 3 {
			return &protocol.Ack{Status: protocol.StatusRetry, RetryAfter: 1}
		}
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	server.start("")
	h := run(t, ca, 20, nil, server.address)
	h.queue.waitEmpty(t)
	mu.Lock()
	defer mu.Unlock()
	for seq := uint64(1); seq <= 20; seq++ {
		if times[seq] != 3 {
			t.Errorf("block %d was sent %d times", seq, times[seq])
		}
	}
}

func TestUnknownStatusIsRetry(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	var mu sync.Mutex
	seen := 0
	server.answer = func(protocol.Block) *protocol.Ack {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == 1 {
			return &protocol.Ack{Status: 99}
		}
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	server.start("")
	h := run(t, ca, 1, nil, server.address)
	h.queue.waitEmpty(t)
	mu.Lock()
	defer mu.Unlock()
	if seen != 2 {
		t.Fatalf("sent %d times", seen)
	}
}

func TestQuarantineForgetsAndTells(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.answer = func(protocol.Block) *protocol.Ack {
		return &protocol.Ack{Status: protocol.StatusQuarantined, Rejected: []protocol.Reject{{Index: 0, Reason: "value out of range"}, {Index: 3}}}
	}
	server.start("")
	h := run(t, ca, 1, nil, server.address)
	h.queue.waitEmpty(t)
	if n := value(t, h.metrics.quarantined); n != 2 || !strings.Contains(h.log.String(), "value out of range") {
		t.Fatalf("%v quarantined", n)
	}
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	if got := h.queue.buried[1]; got != "value out of range[0 3]" {
		t.Fatalf("kept aside: %q", got)
	}
}

func TestForeignAckIsIgnored(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	var mu sync.Mutex
	answers := []*protocol.Ack{{Status: protocol.StatusStored, Epoch: testEpoch + 1, Seq: 1}, {Status: protocol.StatusStored, Epoch: testEpoch, Seq: 1000}}
	server.answer = func(protocol.Block) *protocol.Ack {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) > 0 {
			a := answers[0]
			answers = answers[1:]
			return a
		}
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	server.start("")
	h := run(t, ca, 1, nil, server.address)
	waitFor(t, "two foreign acknowledgements", func() bool { return value(t, h.metrics.foreign) == 2 })
	h.queue.waitEmpty(t)
}

func TestFailsOverWhenAnAggregatorDies(t *testing.T) {
	ca := newCA(t)
	first, second := newServer(t, ca), newServer(t, ca)
	var mu sync.Mutex
	seen := 0
	first.answer = func(protocol.Block) *protocol.Ack {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen > 20 {
			return nil // it dies here: stored or not, nobody knows
		}
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	first.start("")
	second.start("")
	// The first one is preferred while it lives: it is in the agent's region.
	members := []protocol.Member{{ID: "a", Address: first.address, Region: "eu"}, {ID: "b", Address: second.address, Region: "us"}}
	first.knows(members)
	second.knows(members)
	h := run(t, ca, 100, nil, first.address)
	waitFor(t, "20 blocks", func() bool { _, _, n := first.count(); return n >= 20 })
	first.stop()
	h.queue.waitEmpty(t)
	if _, _, stored := second.count(); stored < 60 {
		t.Fatalf("the second stored %d blocks", stored)
	}
}

func TestComesBackAfterARestart(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.start("")
	h := run(t, ca, 10, nil, server.address)
	h.queue.waitEmpty(t)
	server.stop()
	h.queue.add()
	again := newServer(t, ca)
	again.start(server.address)
	h.queue.waitEmpty(t)
}

func TestDrainingGoesElsewhere(t *testing.T) {
	ca := newCA(t)
	first, second := newServer(t, ca), newServer(t, ca)
	second.start("")
	first.answer = func(protocol.Block) *protocol.Ack { return &protocol.Ack{Status: protocol.StatusDraining} }
	first.start("")
	members := []protocol.Member{{ID: "a", Address: first.address, Region: "eu"}, {ID: "b", Address: second.address, Region: "us"}}
	first.knows(members)
	second.knows(members)
	h := run(t, ca, 10, nil, first.address)
	h.queue.waitEmpty(t)
	if n, _, _ := first.count(); n == 0 {
		t.Fatal("the first was not asked")
	}
	if _, _, stored := second.count(); stored != 10 {
		t.Fatalf("the second stored %d blocks", stored)
	}
}

func TestGoodbyeLetsWhatIsInFlightLand(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.answer = func(b protocol.Block) *protocol.Ack {
		if b.Seq == 1 {
			server.tell(&protocol.Goodbye{Code: "draining", Reason: "this node is stopping"})
			waitFor(t, "the goodbye to arrive", func() bool { return true })
		}
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	server.start("")
	h := run(t, ca, 1, nil, server.address)
	h.queue.waitEmpty(t)
	if n := server.times(1); n != 1 {
		t.Fatalf("block 1 was sent %d times", n)
	}
	waitFor(t, "the session to end", func() bool { return strings.Contains(h.log.String(), "draining") })
}

func TestRevokedAgentBacksOff(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.greeting = []protocol.Message{&protocol.Goodbye{Code: "revoked", Reason: "by an operator"}}
	server.start("")
	h := run(t, ca, 0, func(o *Options) {
		o.backoff = func(n int) time.Duration {
			if n > 60 {
				return time.Hour
			}
			return time.Millisecond
		}
	}, server.address)
	waitFor(t, "the refusal", func() bool { return strings.Contains(h.log.String(), "revoked: by an operator") })
	h.stop()
	if n, _, _ := server.count(); n != 1 {
		t.Fatalf("%d attempts of a revoked agent", n)
	}
}

func TestSettingsAndMembersArrive(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.greeting = []protocol.Message{&protocol.Settings{Generation: 9}, &protocol.Members{Members: []protocol.Member{{ID: "a", Address: "127.0.0.1:1"}, {ID: "b", Address: "127.0.0.1:2"}}}}
	server.start("")
	h := run(t, ca, 0, nil, server.address)
	waitFor(t, "settings", func() bool { _, g := h.settings.Version(); return g == 9 && h.settings.isFresh() })
	waitFor(t, "members", func() bool { return len(h.Status().Members) == 2 })
	dir := h.opts.Identity.dir
	h.stop()
	if h.settings.isFresh() {
		t.Fatal("settings are fresh without a session")
	}
	if got := openMembers(dir, slog.New(slog.DiscardHandler)).list(); len(got) != 2 || got[1].Address != "127.0.0.1:2" {
		t.Fatalf("members on disk: %v", got)
	}
}

func TestMembersAloneMakeKnownSettingsFresh(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.greeting = []protocol.Message{&protocol.Members{Members: []protocol.Member{{ID: "a", Address: "127.0.0.1:1"}}}}
	server.start("")
	h := run(t, ca, 0, func(o *Options) { o.Settings.(*memorySettings).generation = 4 }, server.address)
	waitFor(t, "freshness", h.settings.isFresh)
}

func TestReplayIsSentOverTheSameSession(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.start("")
	h := run(t, ca, 3, nil, server.address)
	h.queue.waitEmpty(t)
	server.tell(&protocol.Replay{Since: 123})
	waitFor(t, "block 1 again", func() bool { return server.times(1) == 2 })
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	if n, _, _ := server.count(); n != 1 || h.queue.replays[0] != 123 {
		t.Fatalf("%d sessions, replays %v", n, h.queue.replays)
	}
}

func TestForeignAuthorityIsRefused(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	server := newServer(t, other)
	server.start("")
	h := run(t, ca, 1, nil, server.address)
	waitFor(t, "a refusal", func() bool { return strings.Contains(h.log.String(), "certificate") })
	if n, _, _ := server.count(); n != 0 {
		t.Fatal("a session with a foreign aggregator")
	}
}

func TestCertificateIsRenewed(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	server.start("")
	h := run(t, ca, 1, func(o *Options) {
		if err := o.Identity.saveLocked(); err != nil {
			t.Fatal(err)
		}
		before := o.Identity.Expires()
		o.renewAt = func(id *Identity) time.Time {
			if id.Expires().Equal(before) {
				return time.Now()
			}
			return id.RenewAt()
		}
	}, server.address)
	waitFor(t, "the renewal", func() bool { return value(t, h.metrics.renewals) == 1 })
	loaded, err := LoadIdentity(h.opts.Identity.dir)
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Expires().Equal(h.opts.Identity.Expires()) || time.Until(loaded.Expires()) < 100*time.Minute {
		t.Fatalf("on disk until %s, in memory until %s", loaded.Expires(), h.opts.Identity.Expires())
	}
}

func TestEnroll(t *testing.T) {
	ca := newCA(t)
	server := newServer(t, ca)
	secret := [32]byte{1, 2, 3}
	server.enroll = func(m *protocol.Enroll) *protocol.Enrolled {
		if got, err := base64.RawURLEncoding.DecodeString(m.Secret); err != nil || !bytes.Equal(got, secret[:]) {
			return &protocol.Enrolled{Error: "token is unknown"}
		}
		public, err := requestPublicKey(m.CSR)
		if err != nil {
			return &protocol.Enrolled{Error: err.Error()}
		}
		return &protocol.Enrolled{Agent: "agent-1", Name: "edge", Region: "eu", Certificate: ca.issue(t, "agent-1", public, time.Hour), Authority: ca.der,
			Members: []protocol.Member{{ID: "a", Address: server.address}}}
	}
	server.start("")
	dir := filepath.Join(t.TempDir(), "identity")
	if _, err := LoadIdentity(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("identity before enrolment: %v", err)
	}
	id, err := Enroll(t.Context(), EnrollOptions{Address: server.address, Token: token(ca, secret) + "\n", Dir: dir, Dial: dialer(t).Dial})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadIdentity(dir)
	if err != nil || loaded.Agent() != "agent-1" || id.Agent() != "agent-1" {
		t.Fatal(loaded, err)
	}
	if info, _ := os.Stat(filepath.Join(dir, identityFile)); info.Mode().Perm() != 0o600 {
		t.Fatalf("identity file mode %v", info.Mode())
	}
	// It can be used at once, and finds the aggregator in the enrolled identity.
	h := run(t, ca, 3, func(o *Options) { o.Identity, o.Aggregators = loaded, nil })
	h.queue.waitEmpty(t)

	for name, tok := range map[string]string{"wrong secret": token(ca, [32]byte{9}), "wrong authority": token(newCA(t), secret), "no token": "hello"} {
		if _, err := Enroll(t.Context(), EnrollOptions{Address: server.address, Token: tok, Dir: t.TempDir(), Dial: dialer(t).Dial}); err == nil {
			t.Errorf("enrolled with %s", name)
		}
	}
}

func TestDamagedIdentityIsAnError(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "{}", `{"key":"x"}`, "\x00\xff"} {
		if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadIdentity(dir); err == nil || !strings.Contains(err.Error(), "enroll again") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestChooserPrefersTheNearest(t *testing.T) {
	c := newChooser(Options{Aggregators: []string{"configured:1", "near:1"}, Region: "eu", Zone: "a",
		backoff: func(n int) time.Duration { return time.Duration(n) * time.Second }})
	members := []protocol.Member{{Address: "far:1", Region: "us"}, {Address: "near:1", Region: "eu", Zone: "b"},
		{Address: "nearest:1", Region: "eu", Zone: "a"}, {Address: "going:1", Region: "eu", Zone: "a", Draining: true}}
	now := time.Now()
	want := []string{"nearest:1", "near:1", "configured:1", "far:1", "going:1"}
	for _, address := range want {
		got, wait := c.next(now, members)
		if got != address || wait != 0 {
			t.Fatalf("chose %s, want %s", got, address)
		}
		c.ended(got, now, outcome{err: errUseless})
	}
	if got, wait := c.next(now, members); got != "" || wait <= 0 {
		t.Fatalf("chose %q although all have failed", got)
	}
	if got, _ := c.next(now.Add(2*time.Second), members); got != "nearest:1" {
		t.Fatalf("after the pause %q", got)
	}
	// A session that stored something starts the pauses from the beginning.
	c.ended("nearest:1", now, outcome{err: errUseless})
	if pause := c.ended("nearest:1", now, outcome{err: errUseless, stored: 1}); pause != time.Second {
		t.Fatalf("pause of %s after a good session", pause)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	for n := range 100 {
		if d := backoff(n); d < backoffMin/2 || d > backoffMax {
			t.Fatalf("pause of %s after %d failures", d, n)
		}
	}
}
