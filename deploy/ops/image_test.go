package ops

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// maxImage bounds an image.
const maxImage = 30 << 20 // bytes, compressed as registries keep it

// TestTheImageOfTheAgentRunsAsNobody builds the image without a daemon, unpacks it, and lets the agent
// in it run in a chroot as the image says, until it has stored an event.
func TestTheImageOfTheAgentRunsAsNobody(t *testing.T) {
	full(t)
	if os.Getuid() != 0 {
		t.Skip("chroot is root's; make ops says when it was skipped")
	}
	c := core(t)
	image := build(t, "agent")
	root := image.unpack(t)
	if image.config.User != "65532:65532" || len(image.config.Healthcheck.Test) == 0 {
		t.Errorf("%+v", image.config)
	}
	state := filepath.Join(root, "var/lib/unmogrowp/agent")
	if info, err := os.Stat(state); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65532 {
		t.Errorf("the directory of the buffer: %v %v", info, err)
	}
	agent := image.start(t, root, "UNMOGROWP_LISTEN=127.0.0.1:0", "UNMOGROWP_ADMIN_LISTEN=127.0.0.1:0", "UNMOGROWP_METRICS_LISTEN=127.0.0.1:0",
		"UNMOGROWP_AGGREGATORS="+c.Aggregators[0].Agents, "UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_MIN_FREE=128MiB", "UNMOGROWP_BALLAST=0",
		"UNMOGROWP_ENROLL_TOKEN="+c.EnrollmentToken("image"))
	storedEvent(t, c, agent.said(`"listen":"(127[^"]+)"`))
	admin := agent.said(`"admin":"(127[^"]+)"`)
	health := image.command(root, image.config.Healthcheck.Test[1:], "UNMOGROWP_ADMIN_LISTEN="+admin)
	if out, err := health.CombinedOutput(); err != nil || !strings.Contains(string(out), `"status":"ready"`) {
		t.Errorf("the health check: %v %s", err, out)
	}
	agent.signal(syscall.SIGTERM)
	if err := agent.wait(); err != nil {
		t.Error(err)
	}
}

// TestTheImageOfTheAggregatorIsSmall builds it and lets it say its version and check settings.
func TestTheImageOfTheAggregatorIsSmall(t *testing.T) {
	full(t)
	if os.Getuid() != 0 {
		t.Skip("chroot is root's; make ops says when it was skipped")
	}
	image := build(t, "aggregator")
	root := image.unpack(t)
	if out, err := image.command(root, []string{"/unmogrowp-aggregator", "version"}).CombinedOutput(); err != nil || !strings.Contains(string(out), "linux/") {
		t.Errorf("%v %s", err, out)
	}
	out, err := image.command(root, []string{"/unmogrowp-aggregator", "validate"}).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "clickhouse_dsn is missing") {
		t.Errorf("without settings: %v %s", err, out)
	}
}

// image is one that was built.
type image struct {
	layout string // its directory, as OCI lays it out
	config struct {
		User        string
		Env         []string
		Entrypoint  []string
		Cmd         []string
		Labels      map[string]string
		Healthcheck struct{ Test []string }
	}
}

// build builds an image by the script of deploy/docker and checks its size.
func build(t *testing.T, program string) *image {
	t.Helper()
	buildah, store := Tool(t, "buildah"), t.TempDir()
	env := []string{"BUILDER=" + buildah + " --root " + store + "/root --runroot " + store + "/run --storage-driver vfs bud",
		"BUILD_ARGS=--isolation chroot --format docker --timestamp 0", "TAG=test", "VERSION=v0.0.1-test"}
	if out, err := Run(t.Context(), Root, env, "deploy/docker/build", program); err != nil {
		t.Fatal(err, out)
	}
	im := &image{layout: filepath.Join(store, "layout")}
	MustRun(t, "", buildah, "--root", store+"/root", "--runroot", store+"/run", "--storage-driver", "vfs",
		"push", "--format", "oci", "unmogrowp-"+program+":test", "oci:"+im.layout+":test")
	raw := MustRun(t, "", buildah, "--root", store+"/root", "--runroot", store+"/run", "--storage-driver", "vfs", "inspect", "--type", "image", "unmogrowp-"+program+":test")
	var described struct {
		Docker struct {
			Config json.RawMessage `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(raw), &described); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(described.Docker.Config, &im.config); err != nil {
		t.Fatal(err)
	}
	if im.config.Labels["org.opencontainers.image.version"] != "v0.0.1-test" || im.config.Labels["org.opencontainers.image.licenses"] != "Apache-2.0" {
		t.Errorf("labels %v", im.config.Labels)
	}
	size := int64(0)
	err := filepath.Walk(im.layout, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > maxImage {
		t.Errorf("the image takes %d bytes, limit %d (%v)", size, maxImage, err)
	}
	t.Logf("image of %s: %.1f MB", program, float64(size)/1e6)
	return im
}
