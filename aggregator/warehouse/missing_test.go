package warehouse

import (
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestMigrateMakesWhatIsMissing drops a table, a table of keys and a view behind the program's back. Each
// is named, and a migration makes it again without touching a row of the others.
func TestMigrateMakesWhatIsMissing(t *testing.T) {
	w, err := Open(t.Context(), Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := w.Vitals(t.Context()); err != nil || len(v.Missing) > 0 {
		t.Fatalf("missing after the migrations: %v, %v", v.Missing, err)
	}
	if err := w.KeepHead(t.Context(), 1, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	lost := []string{"conversions", "touch_keys", "touch_keys_view"}
	for _, name := range lost {
		if err := w.write.Exec(t.Context(), "DROP TABLE "+name+" SYNC"); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := w.Vitals(t.Context()); err != nil || !slices.Equal(v.Missing, lost) {
		t.Errorf("missing: %v, want %v; %v", v.Missing, lost, err)
	}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := w.Vitals(t.Context()); err != nil || len(v.Missing) > 0 {
		t.Errorf("still missing: %v, %v", v.Missing, err)
	}
	if heads, err := w.Heads(t.Context()); err != nil || len(heads) != 1 {
		t.Errorf("%d heads, %v", len(heads), err)
	}
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
