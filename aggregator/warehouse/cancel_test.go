package warehouse

import (
	"context"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// A person who leaves a page cancels its query. The process must outlive that.
func TestReadsSurviveCancellation(t *testing.T) {
	w, err := Open(t.Context(), Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		rows := 0
		err := each(ctx, w.read, func(driver.Rows) error { cancel(); rows++; return nil }, "SELECT number FROM numbers(300000)")
		if err != nil || rows != 300_000 {
			t.Fatalf("%d rows: %v", rows, err)
		}
		if err := each(ctx, w.read, func(driver.Rows) error { return nil }, "SELECT 1"); err == nil {
			t.Fatal("a cancelled read was begun")
		}
	}
}
