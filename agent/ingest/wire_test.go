package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/unmogrowp/unmogrowp/agent/event/script"
)

// TestWireScripts plays the scripts of testdata/wire. Their *.http files hold
// the bytes that SDKs that need a phone send: the headers in the order of the
// platform's HTTP stack, the body packed and cut into chunks by it. They are
// sent over real TCP, in small pieces, one after the other on the same
// connection. The lines of a script are
//
//	send FILE      then the answer, the stored events and the counts are compared
//	agent full     from now on the buffer is full
//	agent broken   … or its disk fails
//	agent well     … or all is well again
func TestWireScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) { runWire(t, file) })
	}
}

func runWire(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	p := &phone{door: newDoor(t, func(o *Options) { o.Registerer = registry }), address: l.Addr().String(), registry: registry, counts: map[string]float64{}}
	stop := start(t, p.door, l)
	defer func() { _ = stop() }()
	defer p.hangUp()
	var out strings.Builder
	for _, block := range script.Split(string(text)) {
		got := p.play(t, block.Text)
		if got != block.Want && !*update {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", block.Text, got, block.Want)
		}
		fmt.Fprintf(&out, "%s----\n%s\n", block.Text, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.hangUp()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// phone holds a connection to an agent.
type phone struct {
	door     *door
	address  string
	registry *prometheus.Registry
	counts   map[string]float64

	conn   net.Conn // nil when there is none
	reader *bufio.Reader
}

func (p *phone) hangUp() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// play obeys the lines of a script and describes the results.
func (p *phone) play(t *testing.T, lines string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		name, sends := strings.CutPrefix(line, "send ")
		switch {
		case line == "" || line[0] == '#':
		case line == "agent full":
			p.fail(&fullError{2 * time.Second})
		case line == "agent broken":
			p.fail(errors.New("write segment: input/output error"))
		case line == "agent well":
			p.fail(nil)
		case sends:
			p.send(t, &out, filepath.Join("testdata", "wire", name))
		default:
			t.Fatalf("the line %q means nothing", line)
		}
	}
	return out.String()
}

func (p *phone) fail(err error) {
	p.door.buffer.mu.Lock()
	defer p.door.buffer.mu.Unlock()
	p.door.buffer.fail = err
}

// send puts a file on the connection and describes the answer.
func (p *phone) send(t *testing.T, out *strings.Builder, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if p.conn == nil {
		if p.conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", p.address); err != nil {
			t.Fatal(err)
		}
		p.reader = bufio.NewReader(p.conn)
	}
	if err := p.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(700, len(data))
		if _, err := p.conn.Write(data[:n]); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		data = data[n:]
	}
	answer, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if answer.Close {
		p.hangUp()
	}
	heard := newAnswer()
	maps.Copy(heard.Header(), answer.Header)
	heard.Code, heard.Body = answer.StatusCode, bytes.NewBuffer(body)
	describeAnswer(out, heard)
	for _, e := range p.door.buffer.taken() {
		script.Describe(out, &e)
	}
	p.describeCounts(t, out)
}

// describeCounts writes which counters of events and of refused requests have
// grown.
func (p *phone) describeCounts(t *testing.T, out *strings.Builder) {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name, value := counterOf(family.GetName(), m)
			if value > p.counts[name] {
				fmt.Fprintf(out, "counted %s +%v\n", name, value-p.counts[name])
			}
			p.counts[name] = value
		}
	}
}

// counterOf is a counter of events, or how many requests were refused.
func counterOf(family string, m *dto.Metric) (string, float64) {
	for _, label := range m.GetLabel() {
		name := fmt.Sprintf("%s{%s=%q}", strings.TrimPrefix(family, "unmogrowp_agent_"), label.GetName(), label.GetValue())
		switch {
		case family == "unmogrowp_agent_events_total" || family == "unmogrowp_agent_events_rejected_total":
			return name, m.GetCounter().GetValue()
		case family == "unmogrowp_agent_request_duration_seconds" && label.GetValue() != "ok":
			return name, float64(m.GetHistogram().GetSampleCount())
		}
	}
	return "", 0
}
