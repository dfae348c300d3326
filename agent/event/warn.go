package event

import (
	"encoding/hex"
	"strconv"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Warned is something of a message that was not stored as it was sent.
type Warned struct {
	Index  int
	Code   protocol.Warnings // one of them
	Detail string
}

// maxWarned bounds the warnings of one request that are told. Its events have theirs all the same.
const maxWarned = 100

// warn notes that something of the message is not stored as it was sent. The value in the message
// comes first in the detail, shortened.
func (m *Maker) warn(code protocol.Warnings, said, detail string) {
	m.Event.Warnings |= code
	if len(m.Warned) >= maxWarned {
		return
	}
	if said != "" {
		detail = strconv.QuoteToASCII(clip(said, 60)) + " " + detail
	}
	m.Warned = append(m.Warned, Warned{Index: m.message.index, Code: code, Detail: detail})
}

// sign sets under which key an event with warnings came, for whoever has to mend its sender.
func sign(e *protocol.Event, keyHash []byte) {
	if e.Warnings != 0 && len(keyHash) >= keyBytes {
		e.Key = hex.EncodeToString(keyHash[:keyBytes])
	}
}

// keyBytes of a key's hash tell the keys of an app apart, and nothing of the key.
const keyBytes = 6
