package buffer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// next returns the block after a sequence.
func next(t *testing.T, q *Queue, after uint64) []byte {
	t.Helper()
	block, _, err := q.Next(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func TestQuarantinedEventsAreKeptAndSentAgain(t *testing.T) {
	o := testOptions(t)
	q := open(t, o)
	mustAppend(t, q, batch("a", 5), 5)
	mustAppend(t, q, batch("b", 2), 2)
	if err := q.Bury(next(t, q, 0), "value out of range", []int{1, 3}); err != nil {
		t.Fatal(err)
	}
	if err := q.Bury(next(t, q, 1), "not an event", nil); err != nil {
		t.Fatal(err)
	}
	_ = q.Forget(1)
	_ = q.Forget(2)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o)
	letters := q.Dead()
	if s := q.Stats(); len(letters) != 2 || s.DeadLetters != 2 || s.DeadEvents != 4 || s.QueuedEvents != 0 {
		t.Fatalf("letters %+v, stats %+v", letters, s)
	}
	first := letters[0]
	if first.Reason != "value out of range" || first.Events != 2 || first.At == 0 || first.Name != fmt.Sprintf("%016x-1", q.Epoch()) {
		t.Fatalf("letter %+v", first)
	}
	if n, err := q.Resend(t.Context(), first.Name); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	list := events(t, next(t, q, 0))
	if len(list) != 2 || list[0].ID != "a-1" || list[1].ID != "a-3" {
		t.Fatalf("sent again: %+v", list)
	}
	if _, err := q.Resend(t.Context(), first.Name); err == nil {
		t.Fatal("a letter was sent again twice")
	}
	if err := q.Discard(letters[1].Name); err != nil || len(q.Dead()) != 0 {
		t.Fatal(err, q.Dead())
	}
	for _, name := range []string{"", "../epoch", "nothing", letters[1].Name} {
		if err := q.Discard(name); err == nil {
			t.Errorf("%q was discarded", name)
		}
	}
}

func TestDeadLettersAreBounded(t *testing.T) {
	o := testOptions(t)
	o.DeadBytes = 20 << 10
	q := open(t, o)
	for i := range 10 {
		mustAppend(t, q, noise(fmt.Sprint(i), 6000), 1)
		if err := q.Bury(next(t, q, uint64(i)), "why", nil); err != nil {
			t.Fatal(err)
		}
	}
	letters := q.Dead()
	if len(letters) != 3 || !strings.HasSuffix(letters[2].Name, "-10") || !strings.HasSuffix(letters[0].Name, "-8") {
		t.Fatalf("letters %+v", letters)
	}
	if files, err := os.ReadDir(filepath.Join(o.Dir, deadDir)); err != nil || len(files) != 3 {
		t.Fatal(len(files), err)
	}
	// The same block once more, as after a replay: it is there once.
	if err := q.Bury(next(t, q, 9), "again", nil); err != nil || len(q.Dead()) != 3 || q.Dead()[2].Reason != "again" {
		t.Fatal(err, q.Dead())
	}
	mustAppend(t, q, noise("large", 25000), 1)
	if err := q.Bury(next(t, q, 10), "why", nil); err == nil || len(q.Dead()) != 3 {
		t.Fatal("a letter larger than the area was kept", q.Dead())
	}
}

func TestDeadLettersGiveWayToAShortDisk(t *testing.T) {
	o := testOptions(t)
	free := int64(10 << 30)
	now := time.Unix(1_760_000_000, 0)
	o.FreeSpace = func(string) (int64, error) { return free, nil }
	o.Now = func() time.Time { return now }
	o.MinFree, o.sweepEvery = 1<<30, time.Hour
	q := open(t, o)
	mustAppend(t, q, event("a"), 1)
	block := next(t, q, 0)
	free, now = 1<<20, now.Add(2*time.Second)
	if err := q.Bury(block, "why", nil); err == nil || len(q.Dead()) != 0 {
		t.Fatal("kept on a short disk")
	}
	if q.Healthy() != nil {
		t.Fatal("that is no fault of the disk")
	}
}

func TestDamagedLettersAreListedAndNotSent(t *testing.T) {
	o := testOptions(t)
	q := open(t, o)
	mustAppend(t, q, event("a"), 1)
	block := next(t, q, 0)
	if err := q.Bury(block, "why", nil); err != nil {
		t.Fatal(err)
	}
	q.buryDamaged(7, block[:50], errDamaged)
	if _, err := q.Resend(t.Context(), fmt.Sprintf("%016x-7", q.Epoch())); err == nil {
		t.Fatal("a damaged block was sent again")
	}
	path := filepath.Join(o.Dir, deadDir, q.Dead()[0].Name+deadEnding)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Resend(t.Context(), q.Dead()[0].Name); err == nil || !strings.Contains(err.Error(), protocol.ErrMalformed.Error()) {
		t.Fatalf("a flipped byte in a letter: %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o)
	damaged := 0
	for _, letter := range q.Dead() {
		if letter.Damaged {
			damaged++
		}
	}
	if damaged != 2 {
		t.Fatalf("letters %+v", q.Dead())
	}
}

func TestDeadLettersAreBoundedInNumber(t *testing.T) {
	d := deadLetters{dir: t.TempDir(), limit: 1 << 30}
	for i := range maxDead {
		d.list = append(d.list, DeadLetter{Name: fmt.Sprint(i)})
	}
	dropped, err := d.write(DeadLetter{Name: "new"}, []byte("block"))
	if err != nil || dropped != 1 || len(d.list) != maxDead || d.list[0].Name != "1" || d.list[maxDead-1].Name != "new" {
		t.Errorf("%d letters after %d gave way: %v", len(d.list), dropped, err)
	}
}

// A letter that cannot be written leaves nothing, nor does a process that was
// killed while it wrote one.
func TestHalfALetterIsNotLeft(t *testing.T) {
	d := deadLetters{dir: t.TempDir(), limit: 1 << 30}
	if err := os.Mkdir(d.path("taken"), 0o700); err != nil { // no file can have the name
		t.Fatal(err)
	}
	if _, err := d.write(DeadLetter{Name: "taken"}, []byte("block")); err == nil {
		t.Fatal("written over a directory")
	}
	if err := os.WriteFile(d.path("killed")+".tmp", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "*.tmp")); err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
	if err := os.Remove(d.path("taken")); err != nil {
		t.Fatal(err)
	}
	d.tidy()
	if left, err := os.ReadDir(d.dir); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}
