package document

// The part of the parser that most of a text goes through.

// pairs reads members for as long as they are as most are: no whitespace, no
// escape, and a string or a short number as value. It stops behind a value, or
// behind a key whose value is another one, and returns the state there; ok is
// false if it has read nothing. The rest is for the other functions, which know
// all of JSON.
func (d *Document) pairs() (want state, ok bool) {
	t, at, limit := d.text, d.at, d.limits.String
	for !d.badUTF8 && !d.careful && at < len(t) && t[at] == '"' {
		colon := plain(t, at+1) + 1
		if colon+1 >= len(t) || t[colon-1] != '"' || t[colon] != ':' || colon-at-2 > limit || len(d.nodes)+2 > d.limits.Nodes {
			break
		}
		value, end, k := colon+1, 0, Number
		n := Ref(len(d.nodes))
		key := node{start: uint32(at), end: uint32(colon), next: n + 1, kind: String}
		if t[value] == '"' {
			end, k = plain(t, value+1)+1, String
			if end > len(t) || t[end-1] != '"' || end-value-2 > limit {
				end = 0
			}
		} else {
			end = shortNumber(t, value)
		}
		if end == 0 {
			d.nodes = append(d.nodes, key)
			d.at = value
			return wantValue, true
		}
		d.nodes = append(d.nodes, key, node{start: uint32(value), end: uint32(end), next: n + 2, kind: k})
		d.at = end
		want, ok = wantNext, true
		if end >= len(t) || t[end] != ',' {
			break
		}
		at = end + 1
	}
	return want, ok
}

// shortNumber returns where a number of digits, with a point among them or
// without, ends before a comma or a bracket; 0 if there is none.
func shortNumber(t []byte, i int) int {
	whole := digits(t, i)
	if whole == i || whole-i > 18 || t[i] == '0' && whole > i+1 || whole >= len(t) {
		return 0
	}
	end := whole
	if t[end] == '.' {
		end = digits(t, whole+1)
		if end == whole+1 || end-whole > 18 || end >= len(t) {
			return 0
		}
	}
	if c := t[end]; c != ',' && c != '}' {
		return 0
	}
	return end
}
