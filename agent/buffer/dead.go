package buffer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// The dead letters are blocks, or parts of blocks, that an aggregator put into
// quarantine or that turned out to be damaged. They are kept in files beside
// the queue, so that an operator can look at them, mend the cause of the
// refusal, and send them again. A letter is a line of JSON and the bytes of a
// block.
const (
	deadDir     = "dead"
	deadEnding  = ".dead"
	maxDead     = 10_000   // letters
	maxDeadHead = 64 << 10 // bytes of the line
)

// DeadLetter describes one block, or a part of one, that was set aside.
type DeadLetter struct {
	Name    string `json:"name"` // epoch and sequence of the block
	At      int64  `json:"at_ms"`
	Reason  string `json:"reason"`
	Events  int    `json:"events"`  // 0 if damaged
	Damaged bool   `json:"damaged"` // cannot be decoded, nor sent again
	Bytes   int64  `json:"bytes"`
}

// deadLetters is the area. The oldest letters give way to new ones.
type deadLetters struct {
	dir   string
	limit int64 // bytes

	mu    sync.Mutex
	list  []DeadLetter // in order of age
	bytes int64
}

// open lists the letters on the disk.
func (d *deadLetters) open() error {
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), deadEnding)
		if !ok {
			continue
		}
		letter, _, err := d.read(name)
		if err != nil {
			letter = DeadLetter{Name: name, Reason: err.Error(), Damaged: true}
		}
		if info, err := e.Info(); err == nil {
			letter.Bytes = info.Size()
		}
		d.list = append(d.list, letter)
		d.bytes += letter.Bytes
	}
	slices.SortStableFunc(d.list, func(a, b DeadLetter) int { return cmp.Compare(a.At, b.At) })
	return nil
}

// tidy removes the half-written letters of a process that was killed. Nobody
// was told that they are kept.
func (d *deadLetters) tidy() {
	halves, _ := filepath.Glob(filepath.Join(d.dir, "*"+deadEnding+".tmp"))
	for _, path := range halves {
		_ = os.Remove(path)
	}
}

func (d *deadLetters) path(name string) string { return filepath.Join(d.dir, name+deadEnding) }

// read returns a letter and the block in it.
func (d *deadLetters) read(name string) (letter DeadLetter, block []byte, err error) {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return letter, nil, fmt.Errorf("there is no dead letter %q", name)
	}
	info, err := os.Stat(d.path(name))
	if err != nil {
		return letter, nil, fmt.Errorf("there is no dead letter %q: %w", name, err)
	}
	if info.Size() > maxDeadHead+2*maxBlockBytes {
		return letter, nil, fmt.Errorf("dead letter %s has %d bytes: it is none of ours", name, info.Size())
	}
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		return letter, nil, err
	}
	head, block, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(head, &letter); err != nil {
		return letter, nil, fmt.Errorf("dead letter %s is damaged: %w", name, err)
	}
	letter.Name, letter.Bytes = name, info.Size()
	return letter, block, nil
}

// write keeps a letter; one of the same block gives way to it. It returns how
// many others had to.
func (d *deadLetters) write(letter DeadLetter, block []byte) (dropped int, err error) {
	head, err := json.Marshal(letter)
	if err != nil {
		return 0, err
	}
	data := append(append(head, '\n'), block...)
	if int64(len(data)) > d.limit || len(head) > maxDeadHead {
		return 0, fmt.Errorf("it has %d bytes, the dead letters may have %d", len(data), d.limit)
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(letter.Name)
	for len(d.list) > 0 && (d.bytes+int64(len(data)) > d.limit || len(d.list) >= maxDead) {
		if err := os.Remove(d.path(d.list[0].Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return dropped, err
		}
		d.forgetLocked(d.list[0].Name)
		dropped++
	}
	letter.Bytes = int64(len(data))
	if err := writeFileSync(d.path(letter.Name), data); err != nil {
		return dropped, err
	}
	d.list = append(d.list, letter)
	d.bytes += letter.Bytes
	return dropped, nil
}

func (d *deadLetters) forgetLocked(name string) {
	if i := slices.IndexFunc(d.list, func(l DeadLetter) bool { return l.Name == name }); i >= 0 {
		d.bytes -= d.list[i].Bytes
		d.list = slices.Delete(d.list, i, i+1)
	}
}

func (d *deadLetters) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Remove(d.path(name)); err != nil {
		return err
	}
	d.forgetLocked(name)
	return syncDir(d.dir)
}

// all returns the letters, the oldest first.
func (d *deadLetters) all() []DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

// Bury sets aside events that an aggregator put into quarantine: those of a
// block with these indexes, or the whole block without any. A short disk or a
// full area is no reason not to forget the block, as the aggregator has kept
// the events too.
func (q *Queue) Bury(block []byte, reason string, events []int) error {
	b, err := protocol.ParseBlock(block)
	if err != nil {
		return fmt.Errorf("bury block: %w", err)
	}
	if part, ok := q.some(&b, events); ok {
		b, block = part, protocol.AppendBlock(nil, &part)
	}
	return q.bury(DeadLetter{Name: fmt.Sprintf("%016x-%d", b.Epoch, b.Seq), Reason: reason, Events: b.Count}, block)
}

func (q *Queue) bury(letter DeadLetter, block []byte) error {
	letter.At = q.opts.Now().UnixMilli()
	dropped, err := 0, errors.New("the disk is short")
	if !q.diskShort() {
		dropped, err = q.dead.write(letter, block)
	}
	q.metrics.deadDropped.Add(float64(dropped))
	if err != nil {
		q.metrics.deadDropped.Inc()
		return fmt.Errorf("keep dead letter %s: %w", letter.Name, err)
	}
	return nil
}

// some makes a block of some events of another.
func (q *Queue) some(b *protocol.Block, wanted []int) (part protocol.Block, ok bool) {
	if len(wanted) == 0 || len(wanted) >= b.Count || len(wanted) >= protocol.MaxRejects {
		return part, false
	}
	events, err := q.codec.Events(b)
	if err != nil {
		return part, false
	}
	raw := make([]byte, arrayHeader, 4<<10)
	count := 0
	for _, i := range wanted {
		if i >= 0 && i < len(events) {
			raw = protocol.AppendEvent(raw, &events[i])
			count++
		}
	}
	if count == 0 || len(raw) > protocol.MaxBlockPayload {
		return part, false
	}
	protocol.AppendEvents(raw[:0], count)
	return protocol.Block{Epoch: b.Epoch, Seq: b.Seq, Count: count, RawLen: len(raw), Codec: protocol.CodecNone, Payload: raw}, true
}

// Dead returns the dead letters, the oldest first.
func (q *Queue) Dead() []DeadLetter { return q.dead.all() }

// DeadEvents decodes the events of a dead letter.
func (q *Queue) DeadEvents(name string) ([]protocol.Event, error) {
	return q.dead.events(q.codec, name)
}

func (d *deadLetters) events(codec *protocol.Compressor, name string) ([]protocol.Event, error) {
	letter, block, err := d.read(name)
	if err != nil {
		return nil, err
	}
	if letter.Damaged {
		return nil, fmt.Errorf("dead letter %s is damaged and has no events", name)
	}
	b, err := protocol.ParseBlock(block)
	if err != nil {
		return nil, fmt.Errorf("dead letter %s: %w", name, err)
	}
	return codec.Events(&b)
}

// Resend puts the events of a dead letter into the queue again, as they were,
// and removes the letter. Sending an event twice is harmless.
func (q *Queue) Resend(ctx context.Context, name string) (events int, err error) {
	list, err := q.DeadEvents(name)
	if err != nil {
		return 0, err
	}
	var encoded []byte
	for i := range list {
		encoded = protocol.AppendEvent(encoded, &list[i])
	}
	if _, err := q.Append(ctx, encoded, len(list)); err != nil {
		return 0, fmt.Errorf("send dead letter %s again: %w", name, err)
	}
	return len(list), q.dead.remove(name)
}

// Discard removes a dead letter for good.
func (q *Queue) Discard(name string) error {
	if _, _, err := q.dead.read(name); err != nil {
		return err
	}
	return q.dead.remove(name)
}

// buryDamaged keeps the bytes of a damaged block.
func (q *Queue) buryDamaged(seq uint64, block []byte, cause error) {
	if len(block) == 0 {
		return
	}
	letter := DeadLetter{Name: fmt.Sprintf("%016x-%d", q.epoch, seq), Reason: cause.Error(), Damaged: true}
	if err := q.bury(letter, block); err != nil {
		q.log.Error("buffer dead letter is not kept", "error", err)
	}
}

// totals are sums over the letters.
func (d *deadLetters) totals() (letters, events int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.list {
		letters++
		events += int64(l.Events)
	}
	return letters, events
}
