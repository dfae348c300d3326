package document

import (
	"hash/maphash"
	"unicode/utf8"
)

// The part of document that reads values once the text has been parsed.

// Kind is the kind of a value, None of one that is not there.
func (d *Document) Kind(r Ref) Kind {
	if r == 0 {
		return None
	}
	return d.nodes[r].kind
}

// Root is the kind of the whole text, None of a document that was never parsed.
func (d *Document) Root() Kind {
	if len(d.nodes) == 0 {
		return None
	}
	return d.nodes[0].kind
}

// Text is the whole text.
func (d *Document) Text() []byte { return d.text }

// Next is the value, or the key, after a value and all that is within it. The members of
// an object o lie from the key o+1 to before Next(o); a value v follows its key k as k+1,
// and the next key is Next(k+1). The elements of a list lie likewise, without keys.
func (d *Document) Next(r Ref) Ref { return d.nodes[r].next }

// Span is where a value lies in the text.
func (d *Document) Span(r Ref) (start, end int) {
	n := &d.nodes[r]
	return int(n.start), int(n.end)
}

// Size is how many bytes of memory the index holds, for those who keep documents.
func (d *Document) Size() int { return 16*cap(d.nodes) + cap(d.unescaped) }

// Mark is a place among the strings that were unescaped; Release gives back the memory of
// those that came after it.
func (d *Document) Mark() int { return len(d.unescaped) }

// Release ends the use of the strings that were unescaped since a mark.
func (d *Document) Release(mark int) { d.unescaped = d.unescaped[:mark] }

// Raw is the text of a value as it was sent.
func (d *Document) Raw(r Ref) []byte {
	n := &d.nodes[r]
	return d.text[n.start:n.end]
}

// Str is the contents of a string, "" for any other value.
func (d *Document) Str(r Ref) string {
	if d.Kind(r) != String {
		return ""
	}
	return d.Contents(r)
}

// Scalar is the contents of a string, or a number as it was written: many
// clients send ids as numbers.
func (d *Document) Scalar(r Ref) string {
	switch d.Kind(r) {
	case String:
		return d.Contents(r)
	case Number:
		return View(d.Raw(r))
	}
	return ""
}

// Contents is the text of a string or a key, without its quotes and escapes.
func (d *Document) Contents(r Ref) string {
	n := &d.nodes[r]
	if n.escaped {
		return d.unescape(n)
	}
	return View(d.text[n.start+1 : n.end-1])
}

func (d *Document) unescape(n *node) string {
	// Text unescaped before stays where it is even if the slice moves.
	from := len(d.unescaped)
	d.unescaped = appendUnescaped(d.unescaped, d.text[n.start+1:n.end-1])
	return View(d.unescaped[from:])
}

// Members calls f for each member of an object, until f returns false.
func (d *Document) Members(object Ref, f func(key string, value Ref) bool) {
	for k, end := object+1, d.nodes[object].next; k < end; {
		value := k + 1
		if !f(d.Contents(k), value) {
			return
		}
		k = d.nodes[value].next
	}
}

// Member finds a member of an object, 0 if there is none.
func (d *Document) Member(object Ref, name string) Ref {
	if d.nodes[object].kind != Object {
		return 0
	}
	for k, end := object+1, d.nodes[object].next; k < end; {
		value := k + 1
		if d.Contents(k) == name {
			return value
		}
		k = d.nodes[value].next
	}
	return 0
}

// checkKeys reports too many keys and keys that are there twice: readers differ
// in which of two they take, so neither is safe to store.
func (d *Document) checkKeys(object Ref) {
	first, end := object+1, d.nodes[object].next
	count := 0
	for k := first; k < end; k = d.nodes[k+1].next {
		if count++; count > d.limits.Keys {
			d.report(TooManyKeys, int(d.nodes[k].start))
			return
		}
	}
	if k := d.repeatedKey(first, end, count); k != 0 {
		d.report(DuplicateKey, int(d.nodes[k].start))
	}
}

// fewKeys is up to how many keys comparing each pair is the fastest way.
const fewKeys = 16

// repeatedKey returns a key that is equal to one before it, 0 if there is none.
func (d *Document) repeatedKey(first, end Ref, count int) Ref {
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
	repeated := Ref(0)
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
func (d *Document) repeatedAmongFew(first, end Ref) (repeated Ref, ok bool) {
	var signs [fewKeys]uint32
	var keys [fewKeys]Ref
	n := 0
	for k := first; k < end; k = d.nodes[k+1].next {
		key := &d.nodes[k]
		if key.escaped {
			return 0, false
		}
		sign := (key.end-key.start)<<8 | uint32(d.text[key.end-2])
		for i := range n {
			if signs[i] == sign && string(d.Raw(keys[i])) == string(d.Raw(k)) {
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

// MaxKeys is the most keys of one object that Limits may allow.
const MaxKeys = tableSize / 2

// seen enters a key into the table and reports whether it was there.
func (d *Document) seen(k Ref) bool {
	text := d.Contents(k)
	for i := maphash.String(d.seed, text) % tableSize; ; i = (i + 1) % tableSize {
		s := &d.table[i]
		if s.round != d.round {
			*s = slot{round: d.round, key: k}
			return false
		}
		if d.Contents(s.key) == text {
			return true
		}
	}
}

// appendUnescaped appends the meaning of the inside of a JSON string that parse
// has accepted. An escape of no character becomes U+FFFD; such a string is a
// fault and never stored, but its key may still be compared.
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

// Object returns v if it is an object, else 0.
func (d *Document) Object(v Ref) Ref {
	if d.Kind(v) != Object {
		return 0
	}
	return v
}

// Named is Member, for an object that may be absent.
func (d *Document) Named(object Ref, name string) Ref {
	if object == 0 {
		return 0
	}
	return d.Member(object, name)
}

// AppendKey appends a key and its colon, after a comma unless it is the first.
func (d *Document) AppendKey(dst []byte, key Ref, first *bool) []byte {
	if !*first {
		dst = append(dst, ',')
	}
	*first = false
	dst = append(dst, d.Raw(key)...)
	return append(dst, ':')
}

// AppendValue appends a value without the whitespace between its tokens.
func (d *Document) AppendValue(dst []byte, v Ref) []byte {
	if d.Spaced {
		return appendCompact(dst, d.Raw(v))
	}
	return append(dst, d.Raw(v)...)
}

// AppendMerged appends the members of own, then those of common that own does not have.
func (d *Document) AppendMerged(dst []byte, own, common Ref) []byte {
	dst = append(dst, '{')
	first := true
	for k, end := own+1, d.nodes[own].next; k < end; k = d.nodes[k+1].next {
		dst = d.AppendKey(dst, k, &first)
		dst = d.AppendValue(dst, k+1)
	}
	for k, end := common+1, d.nodes[common].next; k < end; k = d.nodes[k+1].next {
		if d.Member(own, d.Contents(k)) != 0 {
			continue
		}
		dst = d.AppendKey(dst, k, &first)
		dst = d.AppendValue(dst, k+1)
	}
	return append(dst, '}')
}
