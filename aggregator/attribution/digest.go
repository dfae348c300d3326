package attribution

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Revision is part of every input digest. It grows when the same facts and
// settings begin to give other results, so that stored rows are seen to be old.
const Revision = 6

// digest returns the XXH64 hash, seed 0, of the canonical bytes of the considered
// facts, and the number of these facts. The layout is in the package comment.
func (e *Engine) digest(c, order *Conversion, s *Settings) (uint64, uint32) {
	sel := &e.sel
	b := appendNumbers(e.buf[:0], Revision, s.Generation)
	b = appendText(b, c.ID)
	b = appendNumbers(b, uint64(c.Time), uint64(c.Received), c.Digest, uint64(c.Marks), uint64(len(sel.touches)))
	b = appendTouches(b, sel.touches)
	b = appendNumbers(b, uint64(len(sel.links)))
	for _, l := range sel.links {
		b = appendText(appendText(b, l.a), l.b)
	}
	b = appendNumbers(b, uint64(len(sel.install)))
	for _, p := range sel.install {
		b = appendText(b, p.Conversion.ID)
		b = appendNumbers(b, uint64(p.Conversion.Time), uint64(p.Conversion.Received), p.Conversion.Digest)
		b = appendCarried(b, &p.Install)
		b = appendNumbers(b, uint64(len(p.Rejected)))
		for _, r := range p.Rejected {
			b = appendText(appendText(b, r.TouchID), string(r.Rule))
		}
	}
	b = appendNumbers(b, uint64(len(sel.taken)))
	for _, t := range sel.taken {
		b = appendText(appendText(b, t.touch), t.install)
	}
	b = appendNumbers(b, uint64(len(sel.probable)))
	b = appendTouches(b, sel.probable)
	b = appendNumbers(b, uint64(len(sel.openings)))
	for _, o := range sel.openings {
		b = appendNumbers(appendText(b, o.ID), uint64(o.Time), uint64(o.Received), o.Digest)
	}
	if order == nil {
		b = appendNumbers(b, 0)
	} else {
		b = appendNumbers(appendText(appendNumbers(b, 1), order.ID), uint64(order.Time), uint64(order.Received), order.Digest)
	}
	e.buf = b
	return xxhash.Sum64(b), uint32(len(sel.touches) + len(sel.links) + len(sel.install) + len(sel.probable) + len(sel.openings))
}

func appendTouches(b []byte, touches []*Touch) []byte {
	for _, t := range touches {
		b = appendNumbers(appendText(b, t.ID), uint64(t.Time), uint64(t.Received), t.Digest, bit(t.Opened)+2*uint64(t.Marks))
	}
	return b
}

// appendCarried appends the fields that rows take over from an earlier install. All of
// them can change while the facts that the row itself considers stay the same, for
// another variant of a touch id may turn out to count.
func appendCarried(b []byte, in *Install) []byte {
	for _, text := range [...]string{string(in.Outcome), in.Reason, string(in.Match), in.TouchID,
		in.MediaSource, in.Campaign, in.AdSet, in.Ad, in.Keyword, in.LinkID, string(in.Fraud)} {
		b = appendText(b, text)
	}
	return b
}

func appendNumbers(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// appendText appends the length in bytes as a number, then the bytes.
func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(text))), text...)
}
