package buffer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Replay makes the queue send again the kept blocks that were acknowledged at
// or after since (milliseconds): the low-water mark moves back, durably, so
// that a crash does not end the replay. A reader has to start again at
// Position. A replay with an id is done once. The answer counts the blocks to
// be sent, and those that are gone.
func (q *Queue) Replay(since int64, id string) (r protocol.Replayed, err error) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return r, ErrClosed
	}
	s := &q.state
	if id != "" && s.replay.id == id {
		r = s.replay.result
		q.mu.Unlock()
		return r, nil
	}
	r = s.dropped.since(since)
	r.ID = id
	from, sum := s.kept.rewind(since)
	r.Blocks, r.Events = sum.blocks, sum.events
	if id != "" {
		s.replay = replayed{id: id, until: s.mark.low, result: r}
	}
	if sum.blocks == 0 && from == 0 {
		q.mu.Unlock()
		return r, nil
	}
	s.mark.low = from - 1
	s.mark.rewinds++
	s.liveBlocks += sum.blocks
	s.liveBytes += sum.bytes
	s.liveEvents += sum.events
	m, kept, done := s.mark, s.kept.clone(), s.replay
	q.wakeLocked(&s.stored)
	q.wakeLocked(&s.forgotten)
	q.mu.Unlock()
	if err = q.persist(m, kept); err == nil && id != "" {
		err = done.write(q.opts.Dir)
	}
	if err != nil {
		return r, fmt.Errorf("replay: %w", err)
	}
	return r, nil
}

// replayed is the replay that was asked for last.
type replayed struct {
	id     string
	until  uint64 // its last block
	result protocol.Replayed
}

// Replaying returns the replay that was asked for last, and how many of its blocks
// are not acknowledged yet, at most.
func (q *Queue) Replaying() (id string, left int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.state
	if s.replay.until <= s.mark.low {
		return s.replay.id, 0
	}
	return s.replay.id, min(int64(s.replay.until-s.mark.low), s.replay.result.Blocks) //nolint:gosec // a difference
}

// dropped remembers the deleted blocks, in buckets of the retention tail, so
// that a replay can say which are missing.
type dropped struct {
	buckets []bucket
	cut     int64 // deleted blocks up to this time are no longer remembered, milliseconds
}

// maxDropped is more than a month of a full tail's buckets.
const maxDropped = 4096

func (d *dropped) add(gone []bucket) {
	for i, b := range gone {
		if b.blocks == 0 { // acknowledged shortly before a crash: not counted
			gone[i].blocks = int64(b.last - b.first + 1) //nolint:gosec // a difference
		}
	}
	d.buckets = append(d.buckets, gone...)
	if n := len(d.buckets) - maxDropped; n > 0 {
		d.cut = d.buckets[n-1].until
		d.buckets = append([]bucket(nil), d.buckets[n:]...)
	}
}

// since sums up the deleted blocks that were acknowledged at or after a time.
func (d *dropped) since(since int64) (r protocol.Replayed) {
	for _, b := range d.buckets {
		if b.until < since {
			continue
		}
		if r.MissingBlocks == 0 {
			r.MissingFrom = max(b.since, since)
		}
		r.MissingBlocks += b.blocks
		r.MissingEvents += b.events
		r.MissingUntil = b.until
	}
	r.Unknown = since <= d.cut
	return r
}

const (
	droppedFile = "dropped"
	replayFile  = "replay"
)

// write replaces the file of the deleted blocks.
func (d *dropped) write(dir string) error {
	list := retention{buckets: d.buckets}
	data := binary.BigEndian.AppendUint64(nil, uint64(d.cut)) //nolint:gosec // a time
	return writeSummed(filepath.Join(dir, droppedFile), append(data, list.encode()...))
}

// readDropped reads the file that write makes. Without it nothing is known of
// blocks deleted before now, if there were any.
func readDropped(dir string, m mark, now int64) dropped {
	data, err := readSummed(filepath.Join(dir, droppedFile))
	switch {
	case err == nil && len(data) >= 8:
		return dropped{cut: int64(binary.BigEndian.Uint64(data)), buckets: decodeRetention(data[8:]).buckets} //nolint:gosec // a time
	case m.floor <= 1:
		return dropped{}
	}
	return dropped{cut: now}
}

// write keeps the replay over a restart. Without it it is not counted to its end.
func (r *replayed) write(dir string) error {
	data, err := json.Marshal(struct {
		ID     string            `json:"id"`
		Until  uint64            `json:"until"`
		Result protocol.Replayed `json:"result"`
	}{r.id, r.until, r.result})
	if err != nil {
		return err
	}
	return writeSummed(filepath.Join(dir, replayFile), data)
}

func readReplayed(dir string) (r replayed) {
	var stored struct {
		ID     string            `json:"id"`
		Until  uint64            `json:"until"`
		Result protocol.Replayed `json:"result"`
	}
	if data, err := readSummed(filepath.Join(dir, replayFile)); err == nil && json.Unmarshal(data, &stored) == nil {
		r = replayed{id: stored.ID, until: stored.Until, result: stored.Result}
	}
	return r
}

// writeSummed replaces a file by data and its checksum.
func writeSummed(path string, data []byte) error {
	return writeFileSync(path, binary.BigEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))))
}

// maxSummed bounds the small files beside the segments.
const maxSummed = 4 << 20

// readSummed reads what writeSummed has written.
func readSummed(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() < 4 || info.Size() > maxSummed {
		return nil, fmt.Errorf("%s is damaged: it has %d bytes", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	body := data[:len(data)-4]
	if binary.BigEndian.Uint32(data[len(body):]) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	return body, nil
}
