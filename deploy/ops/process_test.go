package ops

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// full skips what takes other programs or long, unless make ops asks for it.
func full(t *testing.T) {
	t.Helper()
	if !Full() {
		t.Skip("make ops does this")
	}
}

// core is an installation without agents, on real databases.
func core(t *testing.T) *system.Cluster {
	t.Helper()
	return system.New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 0)
}

// process is a program under test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error

	mu  sync.Mutex
	out bytes.Buffer
}

// Write keeps the output of the process.
func (p *process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(data)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts a program that ends with the test.
func start(t *testing.T, env []string, words ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan error, 1), cmd: exec.Command(words[0], words[1:]...)} //nolint:gosec // the tests' own words
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.done <- p.cmd.Wait() })
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end of the process.
func (p *process) wait() error {
	select {
	case err := <-p.done:
		return err
	case <-time.After(time.Minute):
		return errors.New("still runs after a minute")
	}
}

// said waits until the expression matches the output of the process, and returns its first group.
func (p *process) said(expression string) string {
	p.t.Helper()
	wanted := regexp.MustCompile(expression)
	var found []string
	p.await("the process says "+expression, func() error {
		if found = wanted.FindStringSubmatch(p.text()); found == nil {
			return errors.New("it does not")
		}
		return nil
	})
	return found[1]
}

// await asks until there is no error, and fails with the output of the process.
func (p *process) await(what string, probe func() error) {
	p.t.Helper()
	if err := until(30*time.Second, probe); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.text())
	}
}

// until asks ten times a second until there is no error or the time is over.
func until(limit time.Duration, probe func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}

// storedEvent sends an event to an agent and is answered only when it is stored.
func storedEvent(t *testing.T, c *system.Cluster, address string) {
	t.Helper()
	body := `{"userId":"ada","event":"Order Completed","messageId":"` + t.Name() + `","properties":{"revenue":42.5,"currency":"EUR"}}`
	err := until(30*time.Second, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/track?sync=true", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.ServerKey, "")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the event is answered %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
