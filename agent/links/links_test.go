package links

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func settings(generation uint64, key string) protocol.Settings {
	hash := sha256.Sum256([]byte(key))
	return protocol.Settings{
		Generation: generation,
		Apps:       []protocol.App{{ID: "app1", Name: "One", Origins: []string{"https://example.com"}}},
		Keys:       []protocol.Key{{Hash: hash[:], App: "app1", Kind: protocol.KeyClient}},
		Links:      []protocol.Link{{ID: "l1", Slug: "spring", App: "app1", MediaSource: "news", Fallback: "https://example.com/"}},
	}
}

func open(t *testing.T, path string) *Table {
	t.Helper()
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSnapshotSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	table := open(t, path)
	if table.Fresh() || generation(table) != 0 {
		t.Fatalf("empty table: fresh %v, generation %d", table.Fresh(), generation(table))
	}
	if err := table.Replace(settings(7, "secret")); err != nil {
		t.Fatal(err)
	}
	table.SetFresh(true)

	again := open(t, path)
	if generation(again) != 7 || again.Fresh() {
		t.Errorf("reopened: generation %d, fresh %v; want 7, not fresh", generation(again), again.Fresh())
	}
	key, ok := again.Key(sha256.Sum256([]byte("secret")))
	if !ok || key.App != "app1" || key.Kind != protocol.KeyClient {
		t.Errorf("key = %+v, %v", key, ok)
	}
	app, ok := again.App("app1")
	if !ok || len(app.Origins) != 1 {
		t.Errorf("app = %+v, %v", app, ok)
	}
	link, ok := again.Link("spring")
	if !ok || link.Fallback != "https://example.com/" {
		t.Errorf("link = %+v, %v", link, ok)
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("temporary file left: %v", err)
	}
}

func TestOlderGenerationIsIgnored(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "settings"))
	if err := table.Replace(settings(7, "new")); err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(settings(6, "old")); err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Key(sha256.Sum256([]byte("old"))); ok || generation(table) != 7 {
		t.Errorf("generation %d, key of the older snapshot found: %v", generation(table), ok)
	}
}

func TestReplaceRemovesWhatIsGone(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "settings"))
	if err := table.Replace(settings(1, "revoked")); err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(settings(2, "other")); err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Key(sha256.Sum256([]byte("revoked"))); ok {
		t.Error("revoked key still known")
	}
}

func TestUnusableEntriesDoNotKeepOthersOut(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "settings"))
	s := settings(1, "good")
	s.Keys = append(s.Keys, protocol.Key{Hash: []byte("short"), App: "app1"})
	s.Links = append(s.Links, protocol.Link{ID: "no slug", App: "app1"})
	if err := table.Replace(s); err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Key(sha256.Sum256([]byte("good"))); !ok || table.Skipped() != 2 {
		t.Errorf("good key %v, skipped %d; want true, 2", ok, table.Skipped())
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	if err := open(t, path).Replace(settings(7, "k")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"flipped":   append(append([]byte{}, data[:len(data)-1]...), data[len(data)-1]^1),
		"truncated": data[:len(data)/2],
		"empty":     {},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "settings")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			table := open(t, path)
			if generation(table) != 0 || table.Damage() == nil {
				t.Errorf("generation %d, damage %v", generation(table), table.Damage())
			}
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Errorf("damaged file not kept: %v", err)
			}
			if err := table.Replace(settings(8, "k")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFailedStoreKeepsTheFormerSnapshot(t *testing.T) {
	dir := t.TempDir()
	table := open(t, filepath.Join(dir, "settings"))
	if err := table.Replace(settings(1, "former")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(settings(2, "next")); err == nil {
		t.Fatal("stored in a directory that is gone")
	}
	if _, ok := table.Key(sha256.Sum256([]byte("former"))); !ok || generation(table) != 1 {
		t.Errorf("generation %d, former key %v", generation(table), ok)
	}
}

func TestReadersSeeWholeSnapshots(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "settings"))
	if err := table.Replace(settings(1, "k")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if _, ok := table.Key(sha256.Sum256([]byte("k"))); !ok {
					t.Error("key missing while settings are replaced")
					return
				}
			}
		})
	}
	for g := range uint64(10) {
		if err := table.Replace(settings(g+2, "k")); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func FuzzDecode(f *testing.F) {
	s := settings(3, "k")
	good, err := encode(&s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := decode(data); err == nil && s == nil {
			t.Error("neither settings nor an error")
		}
	})
}

func generation(t *Table) uint64 {
	_, g := t.Version()
	return g
}

// A database that was restored counts its generations again, on a later timeline.
func TestLaterTimelineReplacesLaterGeneration(t *testing.T) {
	table, err := Open(filepath.Join(t.TempDir(), "settings"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ timeline, generation, want uint64 }{
		{0, 9, 9}, {0, 8, 9}, {1, 4, 4}, {0, 10, 4}, {1, 5, 5}, {2, 1, 1},
	} {
		if err := table.Replace(protocol.Settings{Timeline: s.timeline, Generation: s.generation}); err != nil {
			t.Fatal(err)
		}
		if got := generation(table); got != s.want {
			t.Errorf("after generation %d of timeline %d: %d is in force, want %d", s.generation, s.timeline, got, s.want)
		}
	}
}
