package ingest

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The examples of docs/api/ingestion.md do as they say: each ```sh block is
// run, and answers as the ```json block after it.
func TestExamplesOfTheDocumentation(t *testing.T) {
	for _, program := range [...]string{"sh", "curl", "gzip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	text, err := os.ReadFile("../../docs/api/ingestion.md")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, func(o *Options) { o.NewID, o.Now = nil, time.Now })
	start(t, d, l)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```(?:\n\n```json\n(.*?)\n```)?").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		command := exec.Command("sh", "-c", block[1])
		command.Env = append(os.Environ(), "AGENT_URL=http://"+l.Addr().String(), "WRITE_KEY="+clientKey, "SERVER_KEY="+serverKey, "NO_PROXY=*", "no_proxy=*")
		out, err := command.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || block[2] != "" && got != block[2] {
			t.Errorf("%s\nanswers %s (%v), want %s", block[1], got, err, block[2])
		}
		if len(d.buffer.taken()) == 0 {
			t.Errorf("%s\nstores nothing", block[1])
		}
	}
}
