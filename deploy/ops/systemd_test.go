package ops

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/system"
)

const units = Root + "/deploy/systemd"

// TestUnitsAreValidAndClosed has systemd itself read the units and judge their sandbox.
func TestUnitsAreValidAndClosed(t *testing.T) {
	analyze := Tool(t, "systemd-analyze")
	dir := t.TempDir()
	for _, program := range []string{"agent", "aggregator"} { // verify wants the programs to be there
		if err := os.WriteFile(filepath.Join(dir, "unmogrowp-"+program), []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(units + "/*.service")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		here := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(here, []byte(strings.ReplaceAll(string(text), "/usr/bin/unmogrowp-", dir+"/unmogrowp-")), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := Run(t.Context(), "", nil, analyze, "verify", here); err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("%s: %v %s", filepath.Base(file), err, out)
		}
		out, err := Run(t.Context(), "", nil, analyze, "security", "--offline=true", "--threshold=15", here)
		if err != nil {
			t.Error(err)
		}
		t.Log(strings.TrimSpace(out[strings.LastIndex(out, "Overall"):]))
	}
}

// TestTheAgentUnderItsUnit starts the agent with what its unit says: the check before the start, the
// file of settings, the notify socket and the watchdog, and the reload.
func TestTheAgentUnderItsUnit(t *testing.T) {
	full(t)
	dir := t.TempDir()
	underUnit(t, core(t), Build(t, "agent", dir), dir)
}

// underUnit runs an agent as systemd would, and sends it an event.
func underUnit(t *testing.T, c *system.Cluster, binary, dir string) {
	t.Helper()
	unit := readUnit(t, units+"/unmogrowp-agent.service")
	settings := settingsFor(t, dir, units+"/agent.yaml", map[string]string{
		"/var/lib/unmogrowp/agent": filepath.Join(dir, "state"), ":8080": "127.0.0.1:0", "127.0.0.1:8081": "127.0.0.1:0"})
	env := []string{"UNMOGROWP_CONFIG=" + settings, "UNMOGROWP_AGGREGATORS=" + c.Aggregators[0].Agents, "UNMOGROWP_MIN_FREE=128MiB", "UNMOGROWP_BALLAST=0",
		"UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_ENROLL_TOKEN=" + c.EnrollmentToken("packaged")}
	command := func(line string) []string {
		return strings.Fields(strings.ReplaceAll(line, "/usr/bin/unmogrowp-agent", binary))
	}
	for _, line := range append(unit["ExecStartPre"], unit["ExecReload"][0]) {
		words := command(line)
		if _, err := Run(t.Context(), "", env, words[0], words[1:]...); err != nil {
			t.Error(err)
		}
	}
	if _, err := Run(t.Context(), "", append(env, "UNMOGROWP_QUOTA=1"), binary, "validate"); err == nil {
		t.Error("settings that are wrong pass the check before the start")
	}

	socket := filepath.Join(dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	words := command(unit["ExecStart"][0])
	agent := start(t, append(env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=400000"), words...)
	heard := listen(t, systemd)
	heard("EXTEND_TIMEOUT_USEC=30000000")
	heard("READY=1")
	heard("WATCHDOG=1")
	storedEvent(t, c, agent.said(`"listen":"(127[^"]+)"`))
	agent.signal(syscall.SIGHUP)
	agent.said("(settings reloaded)")
	agent.signal(syscall.SIGTERM)
	heard("STOPPING=1")
	if err := agent.wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// listen returns a function that waits for a message to systemd, whatever comes before it.
func listen(t *testing.T, conn *net.UnixConn) func(want string) {
	return func(want string) {
		t.Helper()
		buffer := make([]byte, 512)
		for {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("systemd did not hear %q: %v", want, err)
			}
			if strings.HasPrefix(string(buffer[:n]), want) {
				return
			}
		}
	}
}

// readUnit reads the settings of a unit; one that is given twice has two values.
func readUnit(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string][]string)
	for _, found := range regexp.MustCompile(`(?m)^([A-Za-z]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		values[found[1]] = append(values[found[1]], found[2])
	}
	return values
}

// settingsFor copies a file of settings with other values.
func settingsFor(t *testing.T, dir, file string, other map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for from, to := range other {
		if !strings.Contains(changed, from) {
			t.Fatalf("%s does not say %q", file, from)
		}
		changed = strings.ReplaceAll(changed, from, to)
	}
	name := filepath.Join(dir, fmt.Sprintf("settings-%d.yaml", len(changed)))
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
