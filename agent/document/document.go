// Package document reads a JSON text with limits, faults and places. It knows no events:
// the meaning of a text's members is for others to say.
package document

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// A Document is a JSON text and a flat index over it. One pass checks the
// grammar of RFC 8259 and every limit, and records where each value lies, so
// that an event can be stored as the bytes in which it came and a fault can be
// named by its place. No value is copied; strings are views of the text, which
// must not change while the document is in use. Reset it to use it again.
type Document struct {
	text   []byte
	nodes  []node
	Faults []Fault
	limits Limits

	Spaced bool // whitespace outside strings: a payload has to be compacted

	at        int
	open      [maxNesting]Ref // containers that are still open
	depth     int
	badUTF8   bool // some string is not valid UTF-8
	careful   bool // test: read every member by the grammar
	lastOwner Ref  // container to which the last fault belongs
	unescaped []byte

	seed  maphash.Seed
	table []slot // finds equal keys of one object
	round uint32
}

// Ref is the index of a node. The root is 0 and is nobody's member, so 0 also
// means "absent".
type Ref uint32

// Kind is the type of a value.
type Kind uint8

// The kinds. None is that of a value that is not there.
const (
	None Kind = iota
	Object
	Array
	String
	Number
	True
	False
	Null
)

// node is one value, or one key of an object: the value follows its key.
type node struct {
	start, end uint32 // span in the text, with quotes and brackets
	next       Ref    // the node after this one and all within it
	kind       Kind
	escaped    bool // a string with a backslash in it
}

// slot remembers a key of the object being checked.
type slot struct {
	round uint32
	key   Ref
}

// Limits bound the contents of an event. A value over them is a fault of the event it
// lies in; the text around it is still read.
type Limits struct {
	Depth   int // containers within each other
	Keys    int // of one object
	String  int // bytes, as escaped in the text
	Nodes   int // of the whole text; over it the text is refused
	Shallow int // depth of the containers that own a fault: 1 a lone event, 3 an event of a batch
}

// maxNesting bounds the memory of the parser itself: a text that is nested
// deeper is refused as a whole.
const maxNesting = 128

// Fault is one broken limit. There is at most one for each container at the
// depth of events, in the order of the text.
type Fault struct {
	Offset int // byte of the text
	Limit  Limit
}

// Limit is a limit that a value can break while the text around it stays readable.
type Limit uint8

// The limits. Strings that are not Unicode and numbers beyond a float count as such.
const (
	TooDeep Limit = iota + 1
	TooManyKeys
	StringTooLong
	DuplicateKey
	InvalidText
	NumberRange
	LimitEnd
)

// state is the part of the grammar that is expected next.
type state uint8

const (
	wantValue state = iota
	wantFirstValue
	wantKey
	wantFirstKey
	wantNext
	wantEnd
)

// Parse reads text, which must not change while the document is in use. The error is a
// *SyntaxError.
func (d *Document) Parse(text []byte, limits Limits) error {
	d.text, d.limits = text, limits
	d.nodes, d.Faults, d.unescaped = d.nodes[:0], d.Faults[:0], d.unescaped[:0]
	d.at, d.depth, d.Spaced, d.lastOwner = 0, 0, false, 0
	d.badUTF8 = !utf8.Valid(text)
	want := wantValue
	for {
		c, ok := d.peek()
		if want == wantEnd {
			if ok {
				return d.fail("one value wanted, more text follows")
			}
			return nil
		}
		if !ok {
			return d.fail("the text ends too early")
		}
		var err error
		want, err = d.step(want, c)
		if err != nil {
			return err
		}
	}
}

func (d *Document) step(want state, c byte) (state, error) {
	switch want {
	case wantFirstValue:
		if c == ']' {
			return d.close()
		}
		return d.value(c)
	case wantFirstKey, wantKey:
		if c == '}' && want == wantFirstKey {
			return d.close()
		}
		if next, ok := d.pairs(); ok {
			return next, nil
		}
		return d.key(c)
	case wantNext:
		return d.separator(c)
	}
	return d.value(c)
}

// peek skips whitespace and returns the byte at which the next token starts.
func (d *Document) peek() (byte, bool) {
	for d.at < len(d.text) {
		c := d.text[d.at]
		if c > ' ' {
			return c, true
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, true // not whitespace in JSON: the grammar will refuse it
		}
		d.Spaced = true
		d.at++
	}
	return 0, false
}

func (d *Document) value(c byte) (state, error) {
	if len(d.nodes) >= d.limits.Nodes {
		return 0, &SyntaxError{Offset: d.at, Text: "more than " + strconv.Itoa(d.limits.Nodes) + " values"}
	}
	switch c {
	case '{':
		return wantFirstKey, d.enter(Object)
	case '[':
		return wantFirstValue, d.enter(Array)
	case '"':
		return d.after(), d.string()
	case 't':
		return d.after(), d.literal("true", True)
	case 'f':
		return d.after(), d.literal("false", False)
	case 'n':
		return d.after(), d.literal("null", Null)
	}
	return d.after(), d.number(c)
}

// after is the state behind a complete value.
func (d *Document) after() state {
	if d.depth == 0 {
		return wantEnd
	}
	return wantNext
}

func (d *Document) key(c byte) (state, error) {
	if c != '"' {
		return 0, d.fail("a key in double quotes wanted")
	}
	if err := d.string(); err != nil {
		return 0, err
	}
	if c, ok := d.peek(); !ok || c != ':' {
		return 0, d.fail("':' wanted after a key")
	}
	d.at++
	return wantValue, nil
}

func (d *Document) separator(c byte) (state, error) {
	object := d.nodes[d.open[d.depth-1]].kind == Object
	switch {
	case c == ',' && object:
		d.at++
		return wantKey, nil
	case c == ',':
		d.at++
		return wantValue, nil
	case c == '}' && object, c == ']' && !object:
		return d.close()
	case object:
		return 0, d.fail("',' or '}' wanted")
	}
	return 0, d.fail("',' or ']' wanted")
}

func (d *Document) enter(k Kind) error {
	if d.depth == maxNesting {
		return d.fail("nested deeper than " + strconv.Itoa(maxNesting))
	}
	d.open[d.depth] = Ref(len(d.nodes))
	d.nodes = append(d.nodes, node{start: uint32(d.at), kind: k})
	d.depth++
	if d.depth > d.limits.Depth {
		d.report(TooDeep, d.at)
	}
	d.at++
	return nil
}

func (d *Document) close() (state, error) {
	d.at++
	d.depth--
	self := d.open[d.depth]
	n := &d.nodes[self]
	n.end, n.next = uint32(d.at), Ref(len(d.nodes))
	if n.kind == Object {
		d.depth++ // a fault of the keys belongs to the container in which they are
		d.checkKeys(self)
		d.depth--
	}
	return d.after(), nil
}

func (d *Document) literal(word string, k Kind) error {
	if len(d.text)-d.at < len(word) || string(d.text[d.at:d.at+len(word)]) != word {
		return d.fail("a JSON value wanted")
	}
	d.leaf(k, d.at+len(word), false)
	return nil
}

// leaf records a value that holds no others, and moves behind it.
func (d *Document) leaf(k Kind, end int, escaped bool) {
	d.nodes = append(d.nodes, node{start: uint32(d.at), end: uint32(end), next: Ref(len(d.nodes) + 1), kind: k, escaped: escaped})
	d.at = end
}

func (d *Document) number(first byte) error {
	t, i := d.text, d.at
	if first == '-' {
		i++
	}
	whole := digits(t, i)
	if whole == i || t[i] == '0' && whole > i+1 {
		return d.fail("a JSON value wanted")
	}
	i = whole
	if i < len(t) && t[i] == '.' {
		end := digits(t, i+1)
		if end == i+1 {
			return d.fail("a digit wanted after the decimal point of a number")
		}
		i = end
	}
	large := i-d.at > 300
	if i < len(t) && t[i]|0x20 == 'e' {
		large = true
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		end := digits(t, i)
		if end == i {
			return d.fail("a digit wanted in the exponent of a number")
		}
		i = end
	}
	if large {
		if _, err := strconv.ParseFloat(View(t[d.at:i]), 64); err != nil {
			d.report(NumberRange, d.at)
		}
	}
	d.leaf(Number, i, false)
	return nil
}

func digits(t []byte, i int) int {
	for i < len(t) && t[i]-'0' <= 9 {
		i++
	}
	return i
}

// string reads the string that starts at d.at.
func (d *Document) string() error {
	t, i, escaped := d.text, d.at+1, false
	for {
		i = plain(t, i)
		if i >= len(t) {
			return d.fail("a string is not closed")
		}
		switch c := t[i]; {
		case c == '"':
			if i-d.at-1 > d.limits.String {
				d.report(StringTooLong, d.at)
			}
			if d.badUTF8 && !utf8.Valid(t[d.at+1:i]) {
				d.report(InvalidText, d.at)
			}
			d.leaf(String, i+1, escaped)
			return nil
		case c == '\\':
			n := d.escape(i)
			if n == 0 {
				d.at = i
				return d.fail("an unknown escape in a string")
			}
			i += n
			escaped = true
		default:
			d.at = i
			return d.fail("a control character in a string; escape it as \\u00XX")
		}
	}
}

// plain returns the index of the first byte from i on that is a quote, a
// backslash or a control character, looking at eight bytes at a time.
func plain(t []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(t) {
		w := binary.LittleEndian.Uint64(t[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// The lowest set bit of each is exact; borrows only spoil higher bytes.
		hit := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ones*0x20) &^ w)
		if hit &= tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
		i += 8
	}
	for i < len(t) && t[i] >= 0x20 && t[i] != '"' && t[i] != '\\' {
		i++
	}
	return i
}

// escape returns the length of the escape at i, 0 if there is no such escape.
// A pair of surrogates is one escape; half a pair and NUL are faults.
func (d *Document) escape(i int) int {
	t := d.text
	if i+1 >= len(t) {
		return 0
	}
	switch t[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	r, ok := hex4(t, i+2)
	switch {
	case !ok:
		return 0
	case r == 0, r >= 0xdc00 && r < 0xe000:
		d.report(InvalidText, i)
	case r >= 0xd800 && r < 0xdc00:
		low, ok := hex4(t, i+8)
		if !ok || t[i+6] != '\\' || t[i+7] != 'u' || low < 0xdc00 || low >= 0xe000 {
			d.report(InvalidText, i)
			return 6
		}
		return 12
	}
	return 6
}

func hex4(t []byte, i int) (rune, bool) {
	if i+4 > len(t) {
		return 0, false
	}
	var r rune
	for _, c := range t[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// report records a fault of the event that is being read.
func (d *Document) report(l Limit, offset int) {
	var owner Ref
	if d.depth >= d.limits.Shallow {
		owner = d.open[d.limits.Shallow-1]
	}
	if len(d.Faults) > 0 && owner == d.lastOwner {
		return
	}
	d.lastOwner = owner
	d.Faults = append(d.Faults, Fault{Offset: offset, Limit: l})
}

// FaultIn returns the first fault within the span of a node.
func (d *Document) FaultIn(r Ref) (Fault, bool) {
	n := &d.nodes[r]
	for _, f := range d.Faults { // there is rarely one
		if f.Offset >= int(n.start) && f.Offset < int(n.end) {
			return f, true
		}
	}
	return Fault{}, false
}

func (d *Document) fail(text string) error { return &SyntaxError{Offset: d.at, Text: text} }

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int
	Text   string
}

func (e *SyntaxError) Error() string {
	return "byte " + strconv.Itoa(e.Offset) + ": " + e.Text
}

// View returns b as a string without a copy. b must not change while the string
// is in use: for a document it is the text that was parsed.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
