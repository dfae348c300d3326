package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// positionsFile holds where the queue has been whenever it told the core: the
// newest last, behind a checksum. It proves that a queue that is ahead of the
// position known to the core is the one that the core knows.
const positionsFile = "positions"

const positionSize = 16

// Tell returns where the queue stands: its lowest sequence that is not
// acknowledged, and where it has been, the newest last. The position is on the disk
// before it is told.
func (q *Queue) Tell() (first uint64, history []protocol.Position, err error) {
	q.telling.Lock()
	defer q.telling.Unlock()
	q.mu.Lock()
	m := q.state.mark
	q.mu.Unlock()
	here := protocol.Position{Next: m.tail + 1, Chain: m.chain}
	if n := len(q.positions); n == 0 || q.positions[n-1] != here {
		list := append(slices.Clone(q.positions), here)
		list = list[max(0, len(list)-protocol.MaxHistory):]
		if err := writePositions(q.opts.Dir, list); err != nil {
			return 0, nil, fmt.Errorf("tell the position of the buffer: %w", err)
		}
		q.positions = list
	}
	return m.low + 1, slices.Clone(q.positions), nil
}

// Resume goes on from where the core saw this queue last, if that is further than
// the queue itself knows: its end was lost. Blocks from knownFirst on, which nobody had
// acknowledged then, count as lost. It returns how many sequences are skipped.
func (q *Queue) Resume(knownFirst uint64, known protocol.Position) (skipped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if known.Next <= q.state.mark.tail+1 {
		return 0
	}
	skipped = known.Next - q.state.mark.tail - 1
	q.state.resume = resume{first: knownFirst, at: known}
	if !q.state.committing {
		q.resumeLocked()
	}
	return skipped
}

// resume is a position to go on from.
type resume struct {
	first uint64
	at    protocol.Position
}

// resumeLocked goes to the position that Resume was told. Only between two commits:
// sequences are the committer's.
func (q *Queue) resumeLocked() {
	s := &q.state
	r := s.resume
	s.resume = resume{}
	if r.at.Next <= s.mark.tail+1 {
		return
	}
	gap := span{s.mark.tail + 1, r.at.Next - 1}
	s.mark.tail, s.mark.chain = gap.last, r.at.Chain
	if gap.first < r.first { // acknowledged, as the core says
		s.holes = append(s.holes, span{gap.first, min(gap.last, r.first-1)})
		gap.first = r.first
	}
	if gap.first <= gap.last {
		q.lost(gap, "the core has seen them and this disk has not got them: the end of the buffer was lost, or an older copy was put back")
	}
	q.advanceLocked()
	q.marker.note(s.mark)
}

// Refuse makes the queue take no events, for a reason that their senders are told;
// "" ends that. The queue keeps the events that it has.
func (q *Queue) Refuse(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state.refused = reason
}

func writePositions(dir string, list []protocol.Position) error {
	data := make([]byte, 0, len(list)*positionSize+4)
	for _, p := range list {
		data = binary.BigEndian.AppendUint64(data, p.Next)
		data = binary.BigEndian.AppendUint64(data, p.Chain)
	}
	return writeSummed(filepath.Join(dir, positionsFile), data)
}

// readPositions returns nothing of a file that is missing; the error is for one that
// is damaged. The core then believes the queue.
func readPositions(dir string) ([]protocol.Position, error) {
	data, err := readSummed(filepath.Join(dir, positionsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || len(data)%positionSize != 0 || len(data)/positionSize > protocol.MaxHistory {
		return nil, errors.Join(err, errors.New("what it holds are no positions"))
	}
	var list []protocol.Position
	for ; len(data) > 0; data = data[positionSize:] {
		list = append(list, protocol.Position{Next: binary.BigEndian.Uint64(data), Chain: binary.BigEndian.Uint64(data[8:])})
	}
	return list, nil
}
