package warehouse

import (
	"encoding/binary"
	"errors"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// errPacked says that a packed row does not have the layout that the migrations write.
var errPacked = errors.New("read a packed row: it ends too early: the table and this program are of different versions")

// unpacker reads ClickHouse's RowBinary: numbers in little endian, and texts and
// arrays behind their length as a varint. Texts share the row's memory. After the
// first fault everything reads as zero.
type unpacker struct {
	rest string
	bad  bool
}

func (u *unpacker) take(n uint64) string {
	if n > uint64(len(u.rest)) {
		u.bad, u.rest = true, ""
		return ""
	}
	part := u.rest[:n]
	u.rest = u.rest[n:]
	return part
}

func (u *unpacker) length() uint64 {
	var n uint64
	for i := 0; i < len(u.rest) && i < binary.MaxVarintLen64; i++ {
		b := u.rest[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			u.rest = u.rest[i+1:]
			return n
		}
	}
	u.bad, u.rest = true, ""
	return 0
}

func (u *unpacker) text() string { return u.take(u.length()) }

func (u *unpacker) texts() []string {
	n := u.length()
	if n > uint64(len(u.rest)) { // each takes a byte at least
		u.bad, u.rest = true, ""
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = u.text()
	}
	return list
}

func (u *unpacker) uint64() uint64 {
	b := u.take(8)
	if len(b) < 8 {
		return 0
	}
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

func (u *unpacker) int64() int64 { return int64(u.uint64()) }

func (u *unpacker) uint8() uint8 {
	b := u.take(1)
	if b == "" {
		return 0
	}
	return b[0]
}

func (u *unpacker) bool() bool { return u.uint8() != 0 }

// fault returns an error if the row could not be read.
func (u *unpacker) fault() error {
	if u.bad {
		return errPacked
	}
	return nil
}

// readStamp reads the beginning of a row packed by touch_lookup_view: the id and the
// stamps of the touch.
func readStamp(app, row string) (attribution.Touch, unpacker) {
	u := unpacker{rest: row}
	return attribution.Touch{App: app, ID: u.text(), Original: u.int64(), Time: u.int64(), Received: u.int64(), Digest: u.uint64()}, u
}

// readTouch reads the rest, field by field in the order of the view.
func readTouch(t *attribution.Touch, u *unpacker) {
	t.Kind, t.MediaSource, t.Medium, t.Campaign = attribution.ParseKind(u.text()), u.text(), u.text(), u.text()
	t.AdSet, t.Ad, t.Keyword = u.text(), u.text(), u.text()
	copy(t.Sub[:], u.texts())
	t.LinkID, t.ClickID, t.Cost, t.CostCurrency = u.text(), u.text(), u.int64(), u.text()
	t.Retargeting, t.Withheld, t.Keys = u.bool(), u.bool(), u.texts()
	t.Opened, t.Marks = u.bool(), attribution.Marks(u.uint8())
}
