package buffer

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// errDamaged is wrapped by the error of read for a block that is missing or
// differs from the one that was written.
var errDamaged = errors.New("block is damaged")

// write commits one block in one synced transaction, with the mark that
// belongs to it. Only the committer calls it.
func (q *Queue) write(seq uint64, block []byte, m mark) error {
	if q.opts.commitFault != nil {
		if err := q.opts.commitFault(); err != nil {
			return fmt.Errorf("commit block %d: %w", seq, err)
		}
	}
	s, err := q.store.segmentFor(seq, len(block))
	if err != nil {
		return full(fmt.Errorf("commit block %d: %w", seq, err))
	}
	if err == nil {
		err = s.update(len(block), func(txn *badger.Txn) error {
			if err := txn.Set(blockKey(q.epoch, seq), block); err != nil {
				return err
			}
			return txn.Set(markKey(), m.encode())
		})
	}
	if err != nil {
		return fmt.Errorf("commit block %d: %w", seq, err)
	}
	q.store.wrote(s, len(block))
	return nil
}

// read returns a copy of one block after checking it. An error that is not
// errDamaged says that the block could not be asked for.
func (q *Queue) read(seq uint64) (block []byte, b protocol.Block, err error) {
	q.mu.Lock()
	floor := q.state.mark.floor
	q.mu.Unlock()
	s, ok := q.store.find(seq)
	if !ok || seq < floor {
		return nil, b, fmt.Errorf("%w: block %d: not there", errDamaged, seq)
	}
	if block, err = s.get(&q.store, q.epoch, seq); err != nil {
		return nil, b, err
	}
	b, err = q.check(seq, block)
	return block, b, err
}

func (q *Queue) check(seq uint64, block []byte) (protocol.Block, error) {
	b, err := protocol.ParseBlock(block)
	if err != nil {
		return b, fmt.Errorf("%w: block %d: %w", errDamaged, seq, err)
	}
	if b.Epoch != q.epoch || b.Seq != seq {
		return b, fmt.Errorf("%w: block %d of epoch %016x lies where block %d of epoch %016x belongs", errDamaged, b.Seq, b.Epoch, seq, q.epoch)
	}
	return b, nil
}
