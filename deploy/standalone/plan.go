package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// plan says where everything of one system lies and listens. Two systems with
// different PORT_OFFSET and DATA_DIR do not touch each other.
type plan struct {
	data   string // absolute
	bin    string // absolute; holds the built agent and aggregator
	offset int
}

// The ports before the offset; those of ClickHouse and Postgres are wishes.
const (
	agentPort      = 8080
	agentAdmin     = 8081
	consolePort    = 3001
	aggregatorPort = 3002 // admin
	uplinkPort     = 7443 // udp
	gossipPort     = 7946
	clickhouseTCP  = 9000
	clickhouseHTTP = 8123
	postgresPort   = 5432

	maxOffset = 50_000
)

func newPlan(getenv func(string) (string, bool)) (plan, error) {
	var p plan
	if text, ok := getenv("PORT_OFFSET"); ok && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxOffset {
			return p, daemon.Usagef("PORT_OFFSET is %q, a number from 0 to %d is wanted", text, maxOffset)
		}
		p.offset = n
	}
	data, _ := getenv("DATA_DIR")
	if data == "" {
		data = ".data"
	}
	var err error
	if p.data, err = filepath.Abs(data); err != nil {
		return p, fmt.Errorf("find data directory: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return p, fmt.Errorf("find programs: %w", err)
	}
	p.bin = filepath.Dir(self)
	return p, nil
}

func (p plan) path(elem ...string) string {
	return filepath.Join(append([]string{p.data}, elem...)...)
}

func (p plan) program(name string) string { return filepath.Join(p.bin, name) }

// local is a loopback address with a shifted port.
func (p plan) local(port int) string { return "127.0.0.1:" + strconv.Itoa(port+p.offset) }

// url is a loopback URL with a shifted port. The console is reached by the name
// localhost, for which browsers keep Secure cookies without TLS.
func (p plan) url(port int) string { return "http://localhost:" + strconv.Itoa(port+p.offset) }

func (p plan) envFile() string   { return p.path("dev.env") }
func (p plan) stateFile() string { return p.path("state.json") }
func (p plan) lockFile() string  { return p.path("lock") }
func (p plan) logDir() string    { return p.path("log") }
