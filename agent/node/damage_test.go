package node

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestOneDamageLeavesIdentityAndSettings damages one of the files beside the buffer: the agent is who it was, and
// serves whom it served, also while it is cut off.
func TestOneDamageLeavesIdentityAndSettings(t *testing.T) {
	c := enrolled(t)
	if _, err := uplink.LoadIdentity(c.identityDir()); err != nil { // writes the copy
		t.Fatal(err)
	}
	table, err := links.Open(c.settingsPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(protocol.Settings{Generation: 9, Apps: []protocol.App{{ID: "a", Name: "Shop"}}}); err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(c.identityDir(), "identity.json")
	files := map[string][]byte{identity: nil, filepath.Join(c.identityDir(), "identity.copy.json"): nil, c.settingsPath(): nil, c.settingsPath() + ".copy": nil}
	var paths []string
	for path := range files {
		if files[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		path := paths[r.IntN(len(paths))]
		if err := harm(path, files[path], r); err != nil {
			t.Fatal(err)
		}
		id, err := uplink.LoadIdentity(c.identityDir())
		if err != nil || id.Agent() != "agent-1" {
			t.Fatalf("seed %d: %s damaged: %v", seed, path, err)
		}
		if name, region := id.Name(); name != "edge" || region != "eu" {
			t.Errorf("seed %d: %s damaged: the agent is %q in %q without a word", seed, path, name, region)
		}
		table, err := links.Open(c.settingsPath())
		if err != nil {
			t.Fatalf("seed %d: %s damaged: %v", seed, path, err)
		}
		if app, ok := table.App("a"); !ok || app.Name != "Shop" {
			t.Errorf("seed %d: %s damaged: the app is %+v", seed, path, app)
		}
		for path, data := range files {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// harm flips a bit, cuts the file, writes zeros, or removes it.
func harm(path string, data []byte, r *rand.Rand) error {
	at := r.IntN(len(data))
	damaged := bytes.Clone(data)
	switch r.IntN(4) {
	case 0:
		damaged[at] ^= 1 << r.IntN(8)
	case 1:
		damaged = damaged[:at]
	case 2:
		clear(damaged[at:min(at+64, len(damaged))])
	default:
		return os.Remove(path)
	}
	return os.WriteFile(path, damaged, 0o600)
}
