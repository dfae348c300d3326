package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/agent/buffer"
	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const writeKey = "key-for-tests"

// enrolled makes a data directory as an enrolment and one session leave it.
func enrolled(t *testing.T) Config {
	t.Helper()
	c := DefaultConfig()
	c.DataDir = t.TempDir()
	c.Aggregators = []string{"127.0.0.1:1"} // nobody is there: the agent is cut off
	c.MinFree, c.Ballast = 128<<20, 0
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "test"}}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := url.Parse(protocol.AgentURI("agent-1"))
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{id}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	record, err := json.Marshal(map[string]string{"agent": "agent-1", "name": "edge", "region": "eu",
		"key": text("PRIVATE KEY", keyDER), "certificate": text("CERTIFICATE", leafDER), "authority": text("CERTIFICATE", authorityDER)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.identityDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.identityDir(), "identity.json"), record, 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := links.Open(c.settingsPath())
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(writeKey))
	if err := table.Replace(protocol.Settings{Generation: 3, Apps: []protocol.App{{ID: "app-1", Name: "Shop"}},
		Keys: []protocol.Key{{Hash: hash[:], App: "app-1", Kind: protocol.KeyClient}}}); err != nil {
		t.Fatal(err)
	}
	return c
}

type running struct {
	*Node
	stop func()
}

func start(t *testing.T, c Config, change ...func(*Options)) *running {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Config: c, Listener: listen(), Admin: listen(), Uplink: conn}
	for _, f := range change {
		f(&o)
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &running{Node: n, stop: func() { cancel(); wg.Wait() }}
	t.Cleanup(r.stop)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if resp, err := http.Get("http://" + n.AdminAddr().String() + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return r
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the agent is not ready after 10 s")
		}
	}
}

func (r *running) track(t *testing.T, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"writeKey":%q,"batch":[{"type":"track","event":"Order Completed","messageId":%q,"userId":"u","properties":{"revenue":1}}]}`, writeKey, id)
	resp, err := http.Post("http://"+r.Addr().String()+"/v1/batch", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, answer)
	}
}

func TestCutOffAgentAcceptsAndKeeps(t *testing.T) {
	c := enrolled(t)
	a, b := start(t, c), start(t, enrolled(t)) // two agents in one process
	for i := range 5 {
		a.track(t, fmt.Sprintf("m-%d", i))
	}
	b.track(t, "other")
	if s, ok := a.Status(); !ok || s.Agent != "agent-1" || s.Name != "edge" || s.Buffer.QueuedEvents != 5 || s.Accepted != 5 || s.Uplink.Connected {
		t.Fatalf("status %+v", s)
	}
	a.stop()
	if _, ok := a.Status(); ok {
		t.Fatal("a stopped agent has a status")
	}
	a = start(t, c)
	if s, _ := a.Status(); s.Buffer.QueuedEvents != 5 || s.Buffer.Lost != 0 {
		t.Fatalf("after a restart %+v", s.Buffer)
	}
	resp, err := http.Get("http://" + a.AdminAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if !bytes.Contains(text, []byte("unmogrowp_agent_queued_events 5")) {
		t.Error("/metrics does not tell of the queued events")
	}
}

// execute runs the program as a shell would.
func execute(t *testing.T, c Config, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"UNMOGROWP_DATA_DIR": c.DataDir, "UNMOGROWP_ADMIN_LISTEN": "127.0.0.1:1", "UNMOGROWP_AGGREGATORS": "127.0.0.1:1"}
	std := daemon.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	code = daemon.ExecuteArgs(t.Context(), "agent", func(root *cobra.Command) { Commands(root) }, std, args)
	return code, stdout.String(), stderr.String()
}

func TestCommands(t *testing.T) {
	c := enrolled(t)
	a := start(t, c)
	a.track(t, "m-1")
	a.track(t, "m-2")
	if code, _, errs := execute(t, c, "buffer", "inspect"); code != 1 || !strings.Contains(errs, "does an agent use this directory") {
		t.Errorf("inspect while running: %d %s", code, errs)
	}
	a.stop()
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"buffer", "inspect"}, 0, `"queued_events": 2`},
		{[]string{"buffer", "verify"}, 0, "2 events wait, 0 blocks lost"},
		{[]string{"buffer", "damaged"}, 0, ""},
		{[]string{"buffer", "damaged", "discard", "nothing"}, 1, "is called"},
		{[]string{"buffer", "export"}, 0, `"message_id":"m-2"`},
		{[]string{"buffer", "export", "--data-dir", t.TempDir()}, 1, "there is no buffer"},
		{[]string{"validate"}, 0, `region: "default"`},
		{[]string{"validate", "--quota", "1KiB", "--trusted-proxies", "nonsense"}, 78, "trusted_proxies"},
		{[]string{"validate", "--tls-key", "x"}, 78, "tls_key"},
		{[]string{"validate", "--address-rate", "-1"}, 78, "address_rate"},
		{[]string{"validate", "--apple-apps", "shop=1"}, 78, "apple_apps"},
		{[]string{"run", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, 78, "not enrolled"},
		{[]string{"enroll"}, 2, "no token"},
		{[]string{"status"}, 1, "is it running"},
		{[]string{"doctor"}, 0, "agent-1 until"},
		{[]string{"version"}, 0, "linux/"},
		{[]string{"nonsense"}, 2, "unknown command"},
	} {
		code, out, errs := execute(t, c, test.args...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("agent %s: exit %d, want %d with %q:\n%s%s", strings.Join(test.args, " "), code, test.code, test.want, out, errs)
		}
	}
}

func TestCommandsForDeadLetters(t *testing.T) {
	c := enrolled(t)
	q, err := buffer.Open(buffer.Options{Dir: c.bufferDir(), BallastBytes: -1, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2) {
		event := protocol.AppendEvent(nil, &protocol.Event{App: "a", ID: fmt.Sprint("m-", i), Kind: protocol.KindTrack, Payload: []byte(`{"type":"track"}`)})
		if _, err := q.Append(t.Context(), event, 1); err != nil {
			t.Fatal(err)
		}
		block, seq, err := q.Next(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(q.Bury(block, "value out of range", nil), q.Forget(seq)); err != nil {
			t.Fatal(err)
		}
	}
	name := q.Dead()[0].Name
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"buffer", "dead"}, 0, `"reason":"value out of range"`},
		{[]string{"buffer", "dead"}, 0, `"message_id":"m-1"`},
		{[]string{"buffer", "inspect"}, 0, `"dead_letters": 2`},
		{[]string{"buffer", "resend"}, 2, "--all"},
		{[]string{"buffer", "resend", "x", "--all"}, 2, "--all"},
		{[]string{"buffer", "resend", "unknown"}, 1, "there is no dead letter"},
		{[]string{"buffer", "resend", name}, 0, "1 events will be sent again"},
		{[]string{"buffer", "export"}, 0, `"message_id":"m-0"`},
		{[]string{"buffer", "discard", "--all"}, 0, "removed"},
		{[]string{"buffer", "inspect"}, 0, `"dead_letters": 0`},
	} {
		code, out, errs := execute(t, c, test.args...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("agent %s: exit %d, want %d with %q:\n%s%s", strings.Join(test.args, " "), code, test.code, test.want, out, errs)
		}
	}
}

func TestValidateTellsAllFaultsAtOnce(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.Listen, c.Quota, c.Aggregators, c.TrustedProxies, c.EnrollToken = "x", 1, []string{"nohost"}, []string{"10.0.0.300"}, "short"
	err := c.Validate()
	for _, want := range []string{"listen:", "quota:", "aggregators:", "trusted_proxies:", "enroll_token:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	c.TrustedProxies = []string{"10.1.2.3", "10.0.0.0/8", "::1"}
	if list, err := c.proxies(); err != nil || fmt.Sprint(list) != "[10.1.2.3/32 10.0.0.0/8 ::1/128]" {
		t.Errorf("%v %v", list, err)
	}
}
