package buffer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2/z"
)

// mendTables reads every table of the store before Badger does. Badger 4.9
// panics in a goroutine of its own when a block of a table is damaged, and a
// directory with one table less it does not open at all. So a damaged table is
// set aside and an empty one put in its place; which blocks are lost by that,
// recover finds out and names.
func (st *store) mendTables(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return err
	}
	for _, path := range files {
		damage := checkTable(path)
		if damage == nil {
			continue
		}
		st.log.Error("buffer table is damaged and set aside", "table", path, "damage", damage)
		aside := filepath.Join(st.dir, "damaged")
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(aside, filepath.Base(dir)+"-"+filepath.Base(path))); err != nil {
			return err
		}
		if err := writeFileSync(path, placeholder(path)); err != nil {
			return err
		}
	}
	return nil
}

func tableOptions() table.Options {
	return table.Options{TableSize: 2 << 20, BlockSize: 4 << 10, BloomFalsePositive: 0.01, Compression: options.None, ChkMode: options.OnTableRead}
}

// checkTable verifies the checksums of one table.
func checkTable(path string) (err error) {
	var file *z.MmapFile
	defer func() {
		if r := recover(); r != nil {
			first, _, _ := strings.Cut(strings.TrimSpace(fmt.Sprint(r)), "\n")
			err = fmt.Errorf("%s", first)
			if file != nil && file.Fd != nil {
				_ = file.Close(-1)
			}
		}
	}()
	if file, err = z.OpenMmapFile(path, os.O_RDWR, 0); err != nil {
		return err
	}
	t, err := table.OpenTable(file, tableOptions())
	if err != nil {
		return err
	}
	return t.Close(-1)
}

// placeholder is a table with one key that nobody asks for. It sorts before
// all others and is unlike every other placeholder's, so that tables of a level
// do not overlap.
func placeholder(path string) []byte {
	b := table.NewTableBuilder(tableOptions())
	defer b.Close()
	b.Add(y.KeyWithTs([]byte("\x00damaged "+filepath.Base(path)), 1), y.ValueStruct{Version: 1}, 0)
	return b.Finish()
}
