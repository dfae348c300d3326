package buffer

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
)

// maxBuckets bounds how finely the retention tail is divided.
const maxBuckets = 64

// retention knows the acknowledged blocks that are still on disk, the oldest
// first, in buckets that are deleted as a whole.
type retention struct {
	buckets []bucket
}

// bucket is a range of acknowledged blocks. Sequences in it that were lost are
// counted in no sum.
type bucket struct {
	first, last  uint64
	since, until int64 // when its first and last blocks were acknowledged, milliseconds
	blocks       int64
	bytes        int64
	events       int64
}

// totals are sums over blocks.
type totals struct{ blocks, bytes, events int64 }

// add notes that a block was acknowledged at now.
func (r *retention) add(seq uint64, sz size, now int64, o *Options) {
	n := len(r.buckets)
	if n == 0 || r.buckets[n-1].bytes >= max(o.RetentionBytes/maxBuckets, 1) || now-r.buckets[n-1].since >= o.Retention.Milliseconds()/maxBuckets {
		r.buckets = append(r.buckets, bucket{first: seq, since: now})
		n++
	}
	b := &r.buckets[n-1]
	b.last, b.until = seq, now
	b.blocks++
	b.bytes += sz.bytes
	b.events += sz.events
}

func (r *retention) sum() (t totals) {
	for _, b := range r.buckets {
		t.blocks += b.blocks
		t.bytes += b.bytes
		t.events += b.events
	}
	return t
}

// oldest is when the oldest block was acknowledged, milliseconds; 0 without any.
func (r *retention) oldest() int64 {
	if len(r.buckets) == 0 {
		return 0
	}
	return r.buckets[0].since
}

// rewind removes the buckets that hold anything acknowledged at or after since,
// and returns their first sequence and their totals.
func (r *retention) rewind(since int64) (from uint64, t totals) {
	i := slices.IndexFunc(r.buckets, func(b bucket) bool { return b.until >= since })
	if i < 0 {
		return 0, t
	}
	gone := retention{buckets: r.buckets[i:]}
	from, t = gone.buckets[0].first, gone.sum()
	r.buckets = slices.Clone(r.buckets[:i])
	return from, t
}

// expire removes the oldest buckets: those that are older than the limit of
// time, and as many as it takes to come below the limit of bytes.
func (r *retention) expire(now int64, o *Options) (gone []bucket) {
	total := r.sum().bytes
	for len(r.buckets) > 0 {
		b := r.buckets[0]
		if total <= o.RetentionBytes && now-b.until < o.Retention.Milliseconds() {
			break
		}
		total -= b.bytes
		gone = append(gone, b)
		r.buckets = r.buckets[1:]
	}
	return gone
}

// limit drops buckets that do not agree with the mark, and closes the gap
// between the saved buckets and the low-water mark: blocks acknowledged since
// then.
func (r *retention) limit(m mark) {
	r.buckets = slices.DeleteFunc(r.buckets, func(b bucket) bool { return b.first > b.last || b.last > m.low || b.first < m.floor })
	next := m.floor
	if n := len(r.buckets); n > 0 {
		next = r.buckets[n-1].last + 1
	}
	if next <= m.low {
		b := bucket{first: next, last: m.low}
		if n := len(r.buckets); n > 0 {
			b.since, b.until = r.buckets[n-1].until, r.buckets[n-1].until
		}
		r.buckets = append(r.buckets, b)
	}
}

func (r *retention) clone() retention { return retention{buckets: slices.Clone(r.buckets)} }

const bucketSize = 7 * 8

func (r *retention) encode() []byte {
	out := make([]byte, 0, len(r.buckets)*bucketSize)
	for _, b := range r.buckets {
		for _, v := range [...]uint64{b.first, b.last, uint64(b.since), uint64(b.until), uint64(b.blocks), uint64(b.bytes), uint64(b.events)} {
			out = binary.BigEndian.AppendUint64(out, v)
		}
	}
	return out
}

const retentionFile = "kept"

// write replaces the file in which the retention tail lies, behind a checksum.
func (r *retention) write(dir string) error {
	data := r.encode()
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	return writeFileSync(filepath.Join(dir, retentionFile), data)
}

// readRetention reads the file that write makes. A missing or damaged file
// counts as empty: limit makes one bucket of the whole tail.
func readRetention(dir string) retention {
	data, err := os.ReadFile(filepath.Join(dir, retentionFile))
	if err != nil || len(data) < 4 {
		return retention{}
	}
	body := data[:len(data)-4]
	if binary.BigEndian.Uint32(data[len(body):]) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		return retention{}
	}
	return decodeRetention(body)
}

func decodeRetention(data []byte) (r retention) {
	for ; len(data) >= bucketSize; data = data[bucketSize:] {
		v := func(i int) uint64 { return binary.BigEndian.Uint64(data[8*i:]) }
		r.buckets = append(r.buckets, bucket{first: v(0), last: v(1), since: int64(v(2)), until: int64(v(3)),
			blocks: int64(v(4)), bytes: int64(v(5)), events: int64(v(6))})
	}
	return r
}
