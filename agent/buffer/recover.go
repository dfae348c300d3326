package buffer

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// span is a range of sequences, both ends included.
type span struct{ first, last uint64 }

func (s span) len() uint64 { return s.last - s.first + 1 }

// standing is where a queue stood when it was last closed or killed, as its files
// tell. Finding out writes nothing.
type standing struct {
	epoch    uint64
	restored bool // the epoch is from the blocks: its file is missing or damaged
	mark     mark
	kept     retention
	segments found
	live     size // of the blocks that wait
	blocks   int64
	lost     []span // that should wait and cannot be read

	positions []protocol.Position
}

// stand reads the files of a queue. The store keeps the segments open, until
// close.
func (st *store) stand() (s standing, err error) {
	if s.epoch, s.restored, err = st.findEpoch(); err != nil {
		return s, err
	}
	if s.segments, err = st.survey(s.epoch); err != nil {
		return s, err
	}
	st.list = s.segments.segments
	noted, bad, err := readMarker(st.dir)
	if err != nil {
		return s, err
	}
	if bad > 0 && noted.tail > 1 || bad > 1 && len(st.list) > 0 {
		st.log.Error("buffer marker is damaged", "slots", bad)
	}
	if s.mark, err = st.extendMark(noted, s.epoch); err != nil {
		return s, err
	}
	if s.positions, err = readPositions(st.dir); err != nil {
		st.log.Error("buffer does not know where it has been", "error", err)
	}
	if n := len(s.positions); n > 0 && s.positions[n-1].Next > s.mark.tail+1 { // the marks and the end are lost
		s.mark.tail, s.mark.chain = s.positions[n-1].Next-1, s.positions[n-1].Chain
	}
	s.mark.floor = max(s.mark.floor, 1)
	if noted.tail == 0 && len(st.list) > 0 && s.mark.low == 0 { // no mark at all: missing blocks may have been deleted
		s.mark.floor = max(s.mark.floor, st.list[0].first)
		s.mark.low = s.mark.floor - 1
	}
	s.kept = readRetention(st.dir)
	s.kept.limit(s.mark)
	return s, st.verify(&s)
}

// findEpoch reads the epoch from its file, else from the blocks. It is 0 where there
// is neither.
func (st *store) findEpoch() (epoch uint64, restored bool, err error) {
	epoch, fileErr := readEpoch(st.dir)
	if epoch != 0 {
		return epoch, false, nil
	}
	f, err := st.survey(0)
	if err != nil {
		return 0, false, err
	}
	for _, s := range f.segments {
		ix, err := indexBlocks(s.dir, 0)
		if err != nil {
			return 0, false, err
		}
		epoch = ix.epoch
		if err := ix.close(); err != nil {
			return 0, false, err
		}
		if epoch != 0 {
			st.log.Error("buffer epoch file is missing or damaged; the blocks say it too", "epoch", fmt.Sprintf("%016x", epoch), "error", fileErr)
			return epoch, true, nil
		}
	}
	if fileErr != nil {
		return 0, false, fmt.Errorf("%w and no block is left to restore it from; use an empty directory", fileErr)
	}
	return 0, false, nil
}

// extendMark adds the state of the newest segment to that of the marker file:
// the mark beside its keys, and blocks behind the tail that the marks know.
func (st *store) extendMark(m mark, epoch uint64) (mark, error) {
	if len(st.list) == 0 {
		return m, nil
	}
	newest := st.list[len(st.list)-1]
	var last, foreign uint64
	if err := newest.look(st, epoch, func(ix *index) {
		m = m.merge(ix.mark)
		last, foreign = ix.last(), ix.foreign
	}); err != nil {
		return m, err
	}
	if foreign != 0 && last == 0 {
		return m, fmt.Errorf("the directory says epoch %016x, its blocks %016x: it was put together from two; use an empty one", epoch, foreign)
	}
	if last <= m.tail {
		return m, nil
	}
	if m.tail > 0 {
		st.log.Warn("buffer marks are older than the blocks", "mark", m.tail, "last_block", last)
	}
	for seq := max(m.tail+1, st.list[0].first); seq <= last; seq++ {
		if s, ok := st.find(seq); ok {
			if block, err := s.get(st, epoch, seq); err == nil {
				m.chain = nextChain(m.chain, seq, block)
			}
		}
	}
	m.tail = last
	return m, nil
}

// verify looks for every block that was not acknowledged. The index of a segment
// holds those only that are whole.
func (st *store) verify(s *standing) error {
	for seq := s.mark.low + 1; seq <= s.mark.tail; {
		until := s.mark.tail
		if next, ok := st.after(seq); ok {
			until = min(until, next-1)
		}
		from, ok := st.find(seq)
		if !ok { // the segment is missing
			s.lost = append(s.lost, span{seq, until})
			seq = until + 1
			continue
		}
		if err := from.look(st, s.epoch, func(ix *index) {
			for ; seq <= until; seq++ {
				if p, ok := ix.places[seq]; ok {
					s.blocks++
					s.live.bytes += int64(p.length)
					s.live.events += int64(p.events)
				} else {
					s.lost = joinSpans(append(s.lost, span{seq, seq}))
				}
			}
		}); err != nil {
			return err
		}
	}
	s.lost = joinSpans(s.lost)
	return nil
}

// after returns where the first segment behind a sequence begins.
func (st *store) after(seq uint64) (first uint64, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, s := range st.list {
		if s.first > seq {
			return s.first, true
		}
	}
	return 0, false
}

// recover takes over the state in the files and repairs it where it can: each
// block that is missing or damaged is counted, named in the log and skipped
// from then on.
func (q *Queue) recover() error {
	if err := q.store.adopt(); err != nil {
		return err
	}
	s, err := q.store.stand()
	if err != nil {
		return err
	}
	if q.epoch = s.epoch; q.epoch == 0 {
		q.epoch = mintEpoch()
	}
	if s.epoch == 0 || s.restored {
		if err := writeEpoch(q.opts.Dir, q.epoch); err != nil {
			return err
		}
	}
	if q.marker, err = openMarker(q.opts.Dir); err != nil {
		return err
	}
	q.state.mark, q.state.kept, q.positions = s.mark, s.kept, s.positions
	q.state.dropped, q.state.replay = readDropped(q.opts.Dir, s.mark, q.opts.Now().UnixMilli()), readReplayed(q.opts.Dir)
	q.state.liveBlocks, q.state.liveBytes, q.state.liveEvents = s.blocks, s.live.bytes, s.live.events
	for _, h := range s.lost {
		q.lost(h, "missing or damaged at start")
	}
	if err := q.store.load(s.segments); err != nil {
		return err
	}
	if err := q.store.removeBelow(s.mark.floor); err != nil {
		return err
	}
	q.advanceLocked()
	if err := q.persist(q.state.mark, q.state.kept); !errors.Is(err, unix.ENOSPC) {
		return err
	} else if err != nil { // what waits can be sent all the same, and that makes room
		q.log.Warn("buffer starts on a full disk and takes nothing yet", "error", err)
	}
	return nil
}

// joinSpans merges ranges that touch; they come in order.
func joinSpans(spans []span) []span {
	var joined []span
	for _, s := range spans {
		if n := len(joined); n > 0 && joined[n-1].last+1 >= s.first {
			joined[n-1].last = max(joined[n-1].last, s.last)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// lost makes a hole of blocks that cannot be had any more: counted, named in the
// log and beside the segment, and no obstacle to the blocks behind it. The caller
// holds q.mu, or is Open.
func (q *Queue) lost(h span, why string) {
	q.state.holes = append(q.state.holes, h)
	q.metrics.lost.Add(float64(h.len()))
	q.state.lostBlocks += int64(h.len())
	q.log.Error("buffer lost blocks", "epoch", fmt.Sprintf("%016x", q.epoch), "first", h.first, "last", h.last, "blocks", h.len(), "why", why)
	for seq, more := h.first, true; more; {
		if s, ok := q.store.find(seq); ok {
			noteDamage(q.log, s.dir, fmt.Sprintf("%s: blocks %d to %d of epoch %016x are lost: %s", q.opts.Now().UTC().Format(time.RFC3339), h.first, h.last, q.epoch, why))
		}
		seq, more = q.store.after(seq)
		more = more && seq <= h.last
	}
}
