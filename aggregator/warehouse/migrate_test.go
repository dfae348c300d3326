package warehouse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestNoMigrationCopiesRows: a copy that takes hours is a run, beside the traffic, and not a start that
// takes hours. The two that did so are older than the rule. One that is named here reads two narrow columns
// once and writes a row for each app and hour: seconds at a hundred million rows.
func TestNoMigrationCopiesRows(t *testing.T) {
	copies := regexp.MustCompile(`(?is)\bINSERT\s+INTO\b.*\bSELECT\b|\bPOPULATE\b|\bMATERIALIZE\s+(COLUMN|PROJECTION|INDEX)\b`)
	for _, dir := range []string{"migrations", "../postgres/migrations"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
		if err != nil || len(files) < 10 {
			t.Fatal(dir, files, err)
		}
		for _, path := range files {
			number, _, _ := strings.Cut(filepath.Base(path), "_")
			if n, err := strconv.Atoi(number); err != nil || n < 20 || filepath.Base(path) == "00031_rollups.sql" {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			up, _, _ := strings.Cut(string(text), "-- +goose Down")
			for statement := range strings.SplitSeq(up, ";") {
				if copies.MatchString(statement) {
					t.Errorf("%s copies rows: make it a run (aggregator/runs)\n%s", path, strings.TrimSpace(statement))
				}
			}
		}
	}
}
