package ops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleaseIsTheSameTwiceAndRuns builds the agent's release twice, compares the checksums, unpacks
// the deb, and lets the agent in it run under its unit and store an event.
func TestReleaseIsTheSameTwiceAndRuns(t *testing.T) {
	full(t)
	dpkg, rpm := Tool(t, "dpkg-deb"), Tool(t, "rpm")
	dir := t.TempDir()
	var sums []string
	for _, name := range []string{"once", "twice"} {
		out := filepath.Join(dir, name)
		MustRun(t, Root, "go", "run", "./deploy/release", "-out", out, "-version", "v1.2.3-4-gabcdef", "-revision", "abcdef", "-time", "1800000000",
			"-targets", "agent/linux/amd64")
		list, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(list))
		MustRun(t, out, "sha256sum", "--check", "--strict", "SHA256SUMS")
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 4 {
		t.Errorf("two builds of one commit differ:\n%s\n%s", sums[0], sums[1])
	}
	base := filepath.Join(dir, "once", "unmogrowp-agent_1.2.3-4-gabcdef_linux_amd64")
	if got := strings.TrimSpace(MustRun(t, "", dpkg, "--field", base+".deb", "Version")); got != "1.2.3+4.gabcdef" {
		t.Errorf("the package's version is %s", got)
	}
	if files := MustRun(t, "", rpm, "-qlp", base+".rpm"); !strings.Contains(files, "/usr/lib/systemd/system/unmogrowp-agent.service") {
		t.Errorf("the rpm holds\n%s", files)
	}
	root := filepath.Join(dir, "root")
	MustRun(t, "", dpkg, "--extract", base+".deb", root)
	binary := filepath.Join(root, "usr/bin/unmogrowp-agent")
	if got := MustRun(t, "", binary, "version"); !strings.HasPrefix(got, "v1.2.3-4-gabcdef abcdef go1.") {
		t.Errorf("the program calls itself %s", got)
	}
	papers, err := os.ReadFile(filepath.Join(root, "usr/share/doc/unmogrowp-agent/THIRD_PARTY_LICENCES"))
	if err != nil || !strings.Contains(string(papers), "github.com/quic-go/quic-go") {
		t.Errorf("licences: %v, %d bytes", err, len(papers))
	}
	underUnit(t, core(t), binary, dir)
}
