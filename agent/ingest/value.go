package ingest

import (
	"hash/maphash"
	"unicode/utf8"
)

// The part of document that reads values once the text has been parsed.

func (d *document) kind(r ref) kind {
	if r == 0 {
		return kindNone
	}
	return d.nodes[r].kind
}

// raw is the text of a value as it was sent.
func (d *document) raw(r ref) []byte {
	n := &d.nodes[r]
	return d.text[n.start:n.end]
}

// str is the contents of a string, "" for any other value.
func (d *document) str(r ref) string {
	if d.kind(r) != kindString {
		return ""
	}
	return d.contents(r)
}

// scalar is the contents of a string, or a number as it was written: many
// clients send ids as numbers.
func (d *document) scalar(r ref) string {
	switch d.kind(r) {
	case kindString:
		return d.contents(r)
	case kindNumber:
		return view(d.raw(r))
	}
	return ""
}

func (d *document) contents(r ref) string {
	n := &d.nodes[r]
	if n.escaped {
		return d.unescape(n)
	}
	return view(d.text[n.start+1 : n.end-1])
}

func (d *document) unescape(n *node) string {
	// What was unescaped before stays where it is even if the slice moves.
	from := len(d.unescaped)
	d.unescaped = appendUnescaped(d.unescaped, d.text[n.start+1:n.end-1])
	return view(d.unescaped[from:])
}

// members calls f for each member of an object, until f returns false.
func (d *document) members(object ref, f func(key string, value ref) bool) {
	for k, end := object+1, d.nodes[object].next; k < end; {
		value := k + 1
		if !f(d.contents(k), value) {
			return
		}
		k = d.nodes[value].next
	}
}

// member finds a member of an object, 0 if there is none.
func (d *document) member(object ref, name string) ref {
	if d.nodes[object].kind != kindObject {
		return 0
	}
	for k, end := object+1, d.nodes[object].next; k < end; {
		value := k + 1
		if d.contents(k) == name {
			return value
		}
		k = d.nodes[value].next
	}
	return 0
}

// checkKeys reports too many keys and keys that are there twice: readers differ
// in which of two they take, so neither is safe to store.
func (d *document) checkKeys(object ref) {
	first, end := object+1, d.nodes[object].next
	count := 0
	for k := first; k < end; k = d.nodes[k+1].next {
		if count++; count > d.limits.Keys {
			d.report(reasonTooManyKeys, int(d.nodes[k].start))
			return
		}
	}
	if k := d.repeatedKey(first, end, count); k != 0 {
		d.report(reasonDuplicateKey, int(d.nodes[k].start))
	}
}

// fewKeys is up to how many keys comparing each pair is the fastest way.
const fewKeys = 16

// repeatedKey returns a key that is equal to one before it, 0 if there is none.
func (d *document) repeatedKey(first, end ref, count int) ref {
	if count <= fewKeys {
		if k, ok := d.repeatedAmongFew(first, end); ok {
			return k
		}
	}
	if d.table == nil {
		d.table, d.seed = make([]slot, tableSize), maphash.MakeSeed()
	}
	d.round++
	mark := len(d.unescaped)
	repeated := ref(0)
	for k := first; k < end && repeated == 0; k = d.nodes[k+1].next {
		if d.seen(k) {
			repeated = k
		}
	}
	d.unescaped = d.unescaped[:mark]
	return repeated
}

// repeatedAmongFew compares the keys by length and last byte first. It gives up
// if one of them has an escape.
func (d *document) repeatedAmongFew(first, end ref) (repeated ref, ok bool) {
	var signs [fewKeys]uint32
	var keys [fewKeys]ref
	n := 0
	for k := first; k < end; k = d.nodes[k+1].next {
		key := &d.nodes[k]
		if key.escaped {
			return 0, false
		}
		sign := (key.end-key.start)<<8 | uint32(d.text[key.end-2])
		for i := range n {
			if signs[i] == sign && string(d.raw(keys[i])) == string(d.raw(k)) {
				return k, true
			}
		}
		signs[n], keys[n] = sign, k
		n++
	}
	return 0, true
}

// tableSize is a power of two, well above the largest number of keys.
const tableSize = 1024

// seen enters a key into the table and reports whether it was there.
func (d *document) seen(k ref) bool {
	text := d.contents(k)
	for i := maphash.String(d.seed, text) % tableSize; ; i = (i + 1) % tableSize {
		s := &d.table[i]
		if s.round != d.round {
			*s = slot{round: d.round, key: k}
			return false
		}
		if d.contents(s.key) == text {
			return true
		}
	}
}

// appendUnescaped appends the meaning of the inside of a JSON string that parse
// has accepted. What is not a character becomes U+FFFD; such a string is a fault
// and never stored, but its key may still be compared.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		i += 2
		switch c := s[i-1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(s, i)
			i += 4
			if r >= 0xd800 && r < 0xdc00 {
				if low, ok := hex4(s, i+2); ok && s[i] == '\\' && s[i+1] == 'u' && low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 + low - 0xdc00 + 0x10000
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendCompact appends JSON without the whitespace between its tokens.
func appendCompact(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\n', '\t', '\r':
			i++
		case '"':
			end := i + 1
			for {
				end = plain(text, end)
				if text[end] == '"' {
					break
				}
				end += 2 // an escape; parse has refused control characters
			}
			dst = append(dst, text[i:end+1]...)
			i = end + 1
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
