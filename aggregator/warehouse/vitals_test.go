package warehouse

import (
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

func TestVitalsTellOfPartsThatAreNotRead(t *testing.T) {
	ctx := t.Context()
	w, err := Open(ctx, Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.KeepHead(ctx, 1, []byte(`{"seq":1}`)); err != nil {
		t.Fatal(err)
	}
	v, err := w.Vitals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Disks) == 0 || v.Disks[0].Total == 0 || len(v.Detached) > 0 || len(v.Missing) > 0 || v.Migration == 0 {
		t.Errorf("%+v", v)
	}
	at := slices.IndexFunc(v.Tables, func(t Table) bool { return t.Name == "audit_heads" })
	if at < 0 || v.Tables[at].Rows != 1 || v.Tables[at].Parts != 1 || v.Tables[at].Fullest != 1 || v.Tables[at].Bytes == 0 {
		t.Errorf("%+v", v.Tables)
	}
	for _, statement := range []string{"ALTER TABLE audit_heads DETACH PARTITION tuple()", "DROP TABLE what_if_runs"} {
		if err := w.write.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if v, err = w.Vitals(ctx); err != nil {
		t.Fatal(err)
	}
	if len(v.Detached) != 1 || v.Detached[0] != (Detached{Table: "audit_heads", Reason: "by hand", Parts: 1}) || !slices.Equal(v.Missing, []string{"what_if_runs"}) {
		t.Errorf("detached %+v, missing %v", v.Detached, v.Missing)
	}
}
