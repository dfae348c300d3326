package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

type logging struct {
	Level string `config:"log_level" help:"debug, info, warn or error"`
}

type testConfig struct {
	logging
	Dir    string        `config:"buffer_dir" help:"where the buffer lives"`
	Quota  Size          `config:"buffer_quota" help:"most bytes on disk"`
	Flush  time.Duration `config:"flush_interval" help:"how long to collect"`
	Window int           `config:"window" help:"batches in flight"`
	Geo    bool          `config:"geoip" help:"look up countries"`
	Peers  []string      `config:"peers" help:"aggregators"`
	Key    Secret        `config:"gossip_key" help:"the key of the gossip"`
}

func (c *testConfig) Validate() error {
	var errs []error
	if c.Window < 1 {
		errs = append(errs, errors.New("window must be at least 1"))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("buffer_dir must be set"))
	}
	return errors.Join(errs...)
}

func defaults() *testConfig {
	return &testConfig{logging: logging{"info"}, Dir: "data", Quota: 1 << 30, Flush: 5 * time.Millisecond, Window: 16, Peers: []string{"a:7443"}}
}

func env(pairs ...string) func(string) (string, bool) {
	values := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parsed(t *testing.T, config any, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, config)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestLaterSourcesWin(t *testing.T) {
	file := write(t, "agent.yaml", "log_level: debug\nbuffer_dir: from file\nbuffer_quota: 2GiB\nflush_interval: 7ms\nwindow: 3\npeers: [b:1, c:2]\n")
	c := defaults()
	err := Load(c, Sources{
		File:   file,
		Getenv: env("UNMOGROWP_BUFFER_QUOTA", "3GiB", "UNMOGROWP_FLUSH_INTERVAL", "8ms", "UNMOGROWP_WINDOW", "", "UNMOGROWP_GEOIP", "true"),
		Flags:  parsed(t, c, "--flush-interval=9ms", "--geoip=false"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &testConfig{logging: logging{"debug"}, Dir: "from file", Quota: 3 << 30, Flush: 9 * time.Millisecond, Window: 3, Peers: []string{"b:1", "c:2"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestListsInVariablesAndFlags(t *testing.T) {
	c := defaults()
	if err := Load(c, Sources{Getenv: env("UNMOGROWP_PEERS", " b:1, ,c:2 ")}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(c.Peers) != "[b:1 c:2]" {
		t.Errorf("from the environment: %v", c.Peers)
	}
	if err := Load(c, Sources{Flags: parsed(t, c, "--peers=d:1,e:2", "--peers=f:3")}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(c.Peers) != "[d:1 e:2 f:3]" {
		t.Errorf("from flags: %v", c.Peers)
	}
}

func TestAllFaultsAreToldAtOnceWithTheirPlace(t *testing.T) {
	file := write(t, "agent.yaml", "# settings\nbufer_dir: x\nwindow: many\nwindow: 2\npeers: {a: b}\nbuffer_dir:\n")
	c := defaults()
	c.Window = 0
	err := Load(c, Sources{File: file, Getenv: env("UNMOGROWP_BUFFER_QUOTA", "12 bytes", "UNMOGROWP_GEOIP", "perhaps", "UNMOGROWP_FLUSH_INTERVAL", "5")})
	var faults *ConfigError
	if !errors.As(err, &faults) {
		t.Fatalf("error %v", err)
	}
	got := strings.ReplaceAll(strings.Join(faults.Problems, "\n"), file, "agent.yaml")
	want := `agent.yaml:2: unknown key "bufer_dir"; did you mean "buffer_dir"?
agent.yaml:3: window: "many" is not a whole number
agent.yaml:4: key "window" stands already in line 3; keep one
agent.yaml:5: peers: want list
agent.yaml:6: buffer_dir: has no value; give one or remove the line
UNMOGROWP_BUFFER_QUOTA: "12 bytes" is not a size; write a whole number and KiB, MiB or GiB, as 256MiB
UNMOGROWP_FLUSH_INTERVAL: "5" is not a duration; write a number and ms, s, m or h, as 250ms
UNMOGROWP_GEOIP: "perhaps" is neither true nor false
window must be at least 1`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFilesThatAreNoSettings(t *testing.T) {
	for name, text := range map[string]string{
		"a list":      "- a\n- b\n",
		"no YAML":     "a: [\n",
		"nested":      "buffer_dir: {path: x}\n",
		"two of many": "peers: [[a]]\n",
		"too large":   "# " + strings.Repeat("x", maxConfigBytes),
	} {
		var faults *ConfigError
		if err := Load(defaults(), Sources{File: write(t, "c.yaml", text)}); !errors.As(err, &faults) || len(faults.Problems) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Load(defaults(), Sources{File: write(t, "c.yaml", "# nothing set\n")}); err != nil {
		t.Errorf("comments only: %v", err)
	}
	if err := Load(defaults(), Sources{File: "absent.yaml"}); err == nil {
		t.Error("an absent file was accepted")
	}
}

func TestSecretsComeFromFilesAndNeverShow(t *testing.T) {
	path := write(t, "key", "s3cret\r\n")
	fromEnv, fromFlag := defaults(), defaults()
	if err := Load(fromEnv, Sources{Getenv: env("UNMOGROWP_GOSSIP_KEY_FILE", path)}); err != nil {
		t.Fatal(err)
	}
	if err := Load(fromFlag, Sources{Flags: parsed(t, fromFlag, "--gossip-key-file", path)}); err != nil {
		t.Fatal(err)
	}
	if string(fromEnv.Key) != "s3cret" || string(fromFlag.Key) != "s3cret" {
		t.Errorf("keys %q and %q", string(fromEnv.Key), string(fromFlag.Key))
	}

	var shown bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&shown, nil))
	log.Info("settings", "key", fromEnv.Key, "all", fromEnv)
	asJSON, err := json.Marshal(fromEnv)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&shown, "%s %v %+v %#v %s %v", fromEnv.Key, fromEnv, fromEnv, fromEnv.Key, asJSON, Describe(fromEnv))
	if strings.Contains(shown.String(), "s3cret") {
		t.Errorf("the secret shows: %s", shown.String())
	}

	err = Load(defaults(), Sources{Getenv: env("UNMOGROWP_GOSSIP_KEY_FILE", path, "UNMOGROWP_GOSSIP_KEY", "other")})
	if err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Errorf("both set: %v", err)
	}
	err = Load(defaults(), Sources{Getenv: env("UNMOGROWP_GOSSIP_KEY_FILE", write(t, "empty", "\n"))})
	if err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "4096": 4096, "900KiB": 900 << 10, "256MiB": 256 << 20, "10GB": 10e9, "1 TiB": 1 << 40, "7B": 7} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q, which reads as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5GiB", "3M", "3i", "5iB", "BB", "9999999999TiB", "1KiBKiB", "0x10"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("256MiB")
	f.Add("9223372036854775807TB")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseSize(text); err == nil && n < 0 {
			t.Errorf("%q is negative: %d", text, n)
		}
	})
}

func FuzzConfigFile(f *testing.F) {
	f.Add([]byte("window: 3\npeers: [a, b]\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var faults *ConfigError
		if err := Load(defaults(), Sources{File: path}); err != nil && !errors.As(err, &faults) {
			t.Errorf("error %v is no ConfigError", err)
		}
	})
}
