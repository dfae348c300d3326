package event

import "github.com/unmogrowp/unmogrowp/agent/document"

// appendPayload appends the message as it is stored: without writeKey and
// sentAt, which differ between the retries of one message, with the batch's
// context and integrations merged in, and without whitespace. It appends nothing
// if that is the message as it came.
func (m *Maker) appendPayload(dst []byte) []byte {
	d, msg := &m.Doc, &m.message
	if msg.sentAt == 0 && msg.writeKey == 0 && m.shared.context == 0 && m.shared.integrations == 0 && !d.Spaced {
		return dst
	}
	dst = append(dst, '{')
	first := true
	for k, end := msg.self+1, d.Next(msg.self); k < end; k = d.Next(k + 1) {
		v := k + 1
		if v == msg.sentAt || v == msg.writeKey || m.shared.replaces(d, v) {
			continue
		}
		dst = d.AppendKey(dst, k, &first)
		switch {
		case v == msg.context && m.shared.context != 0:
			dst = d.AppendMerged(dst, v, m.shared.context)
		case v == msg.integrations && m.shared.integrations != 0:
			dst = d.AppendMerged(dst, v, m.shared.integrations)
		default:
			dst = d.AppendValue(dst, v)
		}
	}
	if msg.context == 0 && m.shared.context != 0 {
		dst = d.AppendKey(dst, m.shared.context-1, &first)
		dst = d.AppendValue(dst, m.shared.context)
	}
	if msg.integrations == 0 && m.shared.integrations != 0 {
		dst = d.AppendKey(dst, m.shared.integrations-1, &first)
		dst = d.AppendValue(dst, m.shared.integrations)
	}
	return append(dst, '}')
}

// replaces reports whether v is a context or integrations that is no object,
// such as null, and gives way to the batch's.
func (s *shared) replaces(d *document.Document, v document.Ref) bool {
	if d.Kind(v) == document.Object || s.context == 0 && s.integrations == 0 {
		return false
	}
	switch d.Contents(v - 1) {
	case "context":
		return s.context != 0
	case "integrations":
		return s.integrations != 0
	}
	return false
}
