package ingest

// appendPayload appends the message as it is stored: without writeKey and
// sentAt, which differ between the retries of one message, with the batch's
// context and integrations merged in, and without whitespace. It appends nothing
// if that is the message as it came.
func (c *call) appendPayload(dst []byte) []byte {
	d, m := &c.doc, &c.message
	if m.sentAt == 0 && m.writeKey == 0 && c.shared.context == 0 && c.shared.integrations == 0 && !d.spaced {
		return dst
	}
	dst = append(dst, '{')
	first := true
	for k, end := m.self+1, d.nodes[m.self].next; k < end; k = d.nodes[k+1].next {
		v := k + 1
		if v == m.sentAt || v == m.writeKey || c.replaced(v) {
			continue
		}
		dst = d.appendKey(dst, k, &first)
		switch {
		case v == m.context && c.shared.context != 0:
			dst = d.appendMerged(dst, v, c.shared.context)
		case v == m.integrations && c.shared.integrations != 0:
			dst = d.appendMerged(dst, v, c.shared.integrations)
		default:
			dst = d.appendRaw(dst, v)
		}
	}
	if m.context == 0 && c.shared.context != 0 {
		dst = d.appendKey(dst, c.shared.context-1, &first)
		dst = d.appendRaw(dst, c.shared.context)
	}
	if m.integrations == 0 && c.shared.integrations != 0 {
		dst = d.appendKey(dst, c.shared.integrations-1, &first)
		dst = d.appendRaw(dst, c.shared.integrations)
	}
	return append(dst, '}')
}

// replaced reports whether v is a context or integrations that is no object,
// such as null, and gives way to the batch's.
func (c *call) replaced(v ref) bool {
	d := &c.doc
	if d.kind(v) == kindObject || c.shared.context == 0 && c.shared.integrations == 0 {
		return false
	}
	switch d.contents(v - 1) {
	case "context":
		return c.shared.context != 0
	case "integrations":
		return c.shared.integrations != 0
	}
	return false
}

func (d *document) appendKey(dst []byte, key ref, first *bool) []byte {
	if !*first {
		dst = append(dst, ',')
	}
	*first = false
	dst = append(dst, d.raw(key)...)
	return append(dst, ':')
}

func (d *document) appendRaw(dst []byte, v ref) []byte {
	if d.spaced {
		return appendCompact(dst, d.raw(v))
	}
	return append(dst, d.raw(v)...)
}

// appendMerged appends the members of own, then those of common that own does
// not have.
func (d *document) appendMerged(dst []byte, own, common ref) []byte {
	dst = append(dst, '{')
	first := true
	for k, end := own+1, d.nodes[own].next; k < end; k = d.nodes[k+1].next {
		dst = d.appendKey(dst, k, &first)
		dst = d.appendRaw(dst, k+1)
	}
	for k, end := common+1, d.nodes[common].next; k < end; k = d.nodes[k+1].next {
		if d.member(own, d.contents(k)) != 0 {
			continue
		}
		dst = d.appendKey(dst, k, &first)
		dst = d.appendRaw(dst, k+1)
	}
	return append(dst, '}')
}
