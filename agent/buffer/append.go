package buffer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// arrayHeader is how many bytes protocol.AppendEvents writes before the
// events.
const arrayHeader = 5

// group holds the events that are being collected for one commit.
type group struct {
	raw   []byte // arrayHeader bytes of room, then the events
	count int
	done  chan struct{}

	// Valid once done is closed.
	err         error
	first, last uint64
}

// collector gathers concurrent appends until the compressor takes them.
type collector struct {
	limit int
	ready chan struct{} // holds a token when the open group is not empty
	spare chan []byte   // buffers to use again

	mu     sync.Mutex
	open   *group
	taken  chan struct{} // closed when the open group is taken: there is room again
	closed bool
}

func (c *collector) init(limit int) {
	c.limit = limit
	c.ready = make(chan struct{}, 1)
	c.spare = make(chan []byte, 3)
	c.open = c.newGroup()
	c.taken = make(chan struct{})
}

func (c *collector) newGroup() *group {
	g := &group{done: make(chan struct{})}
	select {
	case g.raw = <-c.spare:
	default:
		g.raw = make([]byte, arrayHeader, 64<<10)
	}
	return g
}

// recycle keeps a group's memory for the next ones, unless it is unusually
// large.
func (c *collector) recycle(raw []byte) {
	if cap(raw) > 2*c.limit {
		return
	}
	select {
	case c.spare <- raw[:arrayHeader]:
	default:
	}
}

// add copies events into the open group. A full group makes the caller wait
// for the next one: that is the back-pressure of the disk.
func (c *collector) add(ctx context.Context, encoded []byte, count int) (*group, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, ErrClosed
		}
		g := c.open
		if g.count == 0 || (len(g.raw)+len(encoded) <= c.limit && g.count+count <= protocol.MaxBlockEvents) {
			g.raw = append(g.raw, encoded...)
			g.count += count
			c.mu.Unlock()
			select {
			case c.ready <- struct{}{}:
			default:
			}
			return g, nil
		}
		taken := c.taken
		c.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns the open group if it holds anything, and opens a new one.
func (c *collector) take() *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.count == 0 {
		return nil
	}
	g := c.open
	c.open = c.newGroup()
	close(c.taken)
	c.taken = make(chan struct{})
	return g
}

func (c *collector) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// Append stores count events, concatenated outputs of protocol.AppendEvent,
// and returns after their fsync with the sequence of the block that holds the
// last of them. It does not keep encoded. A *FullError means that nothing was
// taken; after any other error the events may have been stored or not.
func (q *Queue) Append(ctx context.Context, encoded []byte, count int) (seq uint64, err error) {
	if len(encoded) == 0 || count <= 0 {
		return 0, fmt.Errorf("append %d events of %d bytes: nothing to store", count, len(encoded))
	}
	if err := q.Healthy(); err != nil {
		return 0, err
	}
	if err := q.admit(len(encoded)); err != nil {
		q.metrics.refused.Add(float64(count))
		return 0, err
	}
	if len(encoded)+arrayHeader > q.opts.groupBytes || count > protocol.MaxBlockEvents {
		return q.appendLarge(ctx, encoded, count)
	}
	g, err := q.collector.add(ctx, encoded, count)
	if err != nil {
		return 0, err
	}
	return g.wait(ctx)
}

func (g *group) wait(ctx context.Context) (uint64, error) {
	select {
	case <-g.done:
		return g.last, g.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// appendLarge divides events that do not fit into one group among several, and
// waits for all of them.
func (q *Queue) appendLarge(ctx context.Context, encoded []byte, count int) (uint64, error) {
	var groups []*group
	for len(encoded) > 0 {
		part, events, err := cutEvents(encoded, q.opts.groupBytes-arrayHeader)
		if err != nil {
			return 0, fmt.Errorf("append %d events: %w", count, err)
		}
		g, err := q.collector.add(ctx, encoded[:part], events)
		if err != nil {
			return 0, err
		}
		groups = append(groups, g)
		encoded = encoded[part:]
	}
	for _, g := range groups {
		if _, err := g.wait(ctx); err != nil {
			return 0, err
		}
	}
	first, last := groups[0].first, groups[len(groups)-1].last
	if first != last {
		q.mu.Lock()
		q.state.span(first, last)
		q.mu.Unlock()
	}
	return last, nil
}

// cutEvents returns how many bytes and events at the start of encoded make up
// at most limit bytes: at least one event.
func cutEvents(encoded []byte, limit int) (bytes, events int, err error) {
	for bytes < len(encoded) && events < protocol.MaxBlockEvents {
		n, err := protocol.Scan(encoded[bytes:], protocol.ScanLimits{Depth: 1, Elements: 256})
		if err != nil {
			return 0, 0, err
		}
		if events > 0 && bytes+n > limit {
			break
		}
		bytes += n
		events++
	}
	return bytes, events, nil
}

// sealedGroup is a compressed group on its way to the disk.
type sealedGroup struct {
	*group
	blocks []protocol.Block // without epoch and sequence
}

// compressGroups takes the collected events as soon as the disk can be expected
// to be ready for them, so that one group is compressed while the one before it
// is written. It ends when the queue is closed and nothing is left.
func (q *Queue) compressGroups() {
	defer close(q.sealed)
	for {
		g := q.collector.take()
		if g == nil {
			select {
			case <-q.collector.ready:
				continue
			case <-q.closing:
			}
			if g = q.collector.take(); g == nil {
				return
			}
		}
		blocks, err := q.pack(g.raw, g.count)
		if err != nil { // events that nobody could decode either; no fault of the disk
			g.err = fmt.Errorf("pack block: %w", err)
			close(g.done)
			continue
		}
		q.sealed <- &sealedGroup{group: g, blocks: blocks}
	}
}

// pack makes blocks of a group: one, or more if it compresses badly.
func (q *Queue) pack(raw []byte, count int) ([]protocol.Block, error) {
	protocol.AppendEvents(raw[:0], count)
	payload, codec := q.compress(raw)
	if len(payload) >= len(raw) {
		payload, codec = append(payload[:0], raw...), protocol.CodecNone
	}
	if len(payload) <= protocol.MaxBlockPayload {
		return []protocol.Block{{Count: count, RawLen: len(raw), Codec: codec, Payload: payload}}, nil
	}
	half, events, err := cutEvents(raw[arrayHeader:], (len(raw)-arrayHeader)/2)
	if err != nil {
		return nil, err
	}
	if events >= count {
		return nil, fmt.Errorf("%w: %d events where the sender counted %d", protocol.ErrMalformed, events, count)
	}
	tail := append(make([]byte, arrayHeader), raw[arrayHeader+half:]...)
	first, err := q.pack(raw[:arrayHeader+half], events)
	if err != nil {
		return nil, err
	}
	second, err := q.pack(tail, count-events)
	return append(first, second...), err
}

// compress makes a block small while there is time for it, and else quickly: at
// full speed zstd takes more of the processors than everything else together.
func (q *Queue) compress(raw []byte) ([]byte, protocol.Codec) {
	if q.pace.fast(q.opts.Now(), len(raw)) {
		return q.codec.CompressFast(q.payload(), raw), protocol.CodecS2
	}
	began := q.opts.Now()
	payload := q.codec.Compress(q.payload(), raw)
	q.pace.took(q.opts.Now().Sub(began))
	return payload, protocol.CodecZstd
}

// pace knows how much has come within the present second and the one before.
// Owned by compressGroups.
type pace struct {
	since        time.Time
	bytes, above int64
	spent        time.Duration // in zstd
	busy         bool          // in the last second
}

// zstdBelow is up to how many bytes of events a second are compressed with zstd:
// it costs 5 to 10 % of one processor then, and saves a third of the disk and
// of the network.
const zstdBelow = 32 << 20

// zstdTime is how long it may compress within a second. On a machine that is busy with
// something else it takes longer for the same, and is then the first to give way.
const zstdTime = 100 * time.Millisecond

func (p *pace) fast(now time.Time, bytes int) bool {
	if age := now.Sub(p.since); age >= time.Second || age < 0 {
		p.busy = age < 2*time.Second && p.over()
		p.since, p.bytes, p.spent = now, 0, 0
	}
	p.bytes += int64(bytes)
	return p.busy || p.over()
}

func (p *pace) over() bool { return p.bytes > p.above || p.spent > zstdTime }

func (p *pace) took(d time.Duration) { p.spent += max(d, 0) }

// payload returns memory for a compressed group.
func (q *Queue) payload() []byte {
	select {
	case b := <-q.payloads:
		return b[:0]
	default:
		return make([]byte, 0, 64<<10)
	}
}

// release gives the memory of a group back.
func (q *Queue) release(s *sealedGroup) {
	q.collector.recycle(s.raw)
	for _, b := range s.blocks {
		if cap(b.Payload) > 2*protocol.MaxBlockPayload {
			continue
		}
		select {
		case q.payloads <- b.Payload:
		default:
			return
		}
	}
}

// commitGroups writes groups one after the other and wakes those who wait.
func (q *Queue) commitGroups() {
	defer close(q.store.rolled)
	var buf []byte
	for s := range q.sealed {
		if err := q.Healthy(); err != nil {
			s.err = err
		} else {
			buf, s.err = q.commit(s, buf[:0])
		}
		close(s.done)
		q.release(s)
	}
}

func (q *Queue) commit(s *sealedGroup, buf []byte) ([]byte, error) {
	for i := range s.blocks {
		b := &s.blocks[i]
		m := q.begin()
		m.tail++
		b.Epoch, b.Seq = q.epoch, m.tail
		buf = protocol.AppendBlock(buf[:0], b)
		m.chain = nextChain(m.chain, b.Seq, buf)
		began := time.Now()
		if err := q.write(b.Seq, buf, m); err != nil {
			q.end()
			if noRoom := new(FullError); errors.As(err, &noRoom) {
				q.metrics.refused.Add(float64(b.Count))
				return buf, err
			}
			return buf, q.fail(err)
		}
		q.metrics.committed(b, len(buf), time.Since(began))
		q.committed(m, size{bytes: int64(len(buf)), events: int64(b.Count)})
		if i == 0 {
			s.first = b.Seq
		}
		s.last = b.Seq
	}
	if s.first != s.last {
		q.mu.Lock()
		q.state.span(s.first, s.last)
		q.mu.Unlock()
	}
	return buf, nil
}

// begin returns where the next block goes. Nobody else moves the tail until
// committed, or end.
func (q *Queue) begin() mark {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state.resume != (resume{}) {
		q.resumeLocked()
	}
	q.state.committing = true
	return q.state.mark
}

func (q *Queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state.committing = false
}

// committed makes a block visible to Next. Only the committer moves the tail;
// the low-water mark may have moved meanwhile and is left alone.
func (q *Queue) committed(m mark, sz size) {
	q.mu.Lock()
	s := &q.state
	s.committing = false
	s.mark.tail, s.mark.chain = m.tail, m.chain
	s.liveBytes += sz.bytes
	s.liveEvents += sz.events
	s.liveBlocks++
	s.courtesy.came(q.opts.Now(), sz.bytes)
	if s.resume != (resume{}) {
		q.resumeLocked()
	}
	m = s.mark
	q.wakeLocked(&s.stored)
	q.mu.Unlock()
	q.marker.note(m)
}

// nextChain extends the running hash (FNV-1a) by one block, whose checksum
// stands at the end of its header.
func nextChain(chain, seq uint64, block []byte) uint64 {
	var b [20]byte
	binary.BigEndian.PutUint64(b[:], chain)
	binary.BigEndian.PutUint64(b[8:], seq)
	copy(b[16:], block[protocol.BlockHeaderSize-4:protocol.BlockHeaderSize])
	h := fnv.New64a()
	_, _ = h.Write(b[:])
	return h.Sum64()
}
