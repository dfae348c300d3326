package document

// Writer writes a JSON text. Members without a value are left out.
type Writer struct{ Out []byte }

// Begin opens an object; name is empty for the root and in a list.
func (w *Writer) Begin(name string) { w.Out = append(w.next(name), '{') }

// End closes an object.
func (w *Writer) End() { w.Out = append(w.Out, '}') }

// BeginList opens a list.
func (w *Writer) BeginList(name string) { w.Out = append(w.next(name), '[') }

// EndList closes a list.
func (w *Writer) EndList() { w.Out = append(w.Out, ']') }

func (w *Writer) next(name string) []byte {
	b := w.Out
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' && b[n-1] != ':' {
		b = append(b, ',')
	}
	if name == "" {
		return b
	}
	return append(AppendString(b, name), ':')
}

// Text writes a string; the empty one is no value.
func (w *Writer) Text(name, s string) {
	if s != "" {
		w.Out = AppendString(w.next(name), s)
	}
}

// Literal writes what already is JSON; the empty text is no value.
func (w *Writer) Literal(name, json string) {
	if json != "" {
		w.Out = append(w.next(name), json...)
	}
}

// Value copies a value of a document; null is no value.
func (w *Writer) Value(name string, d *Document, v Ref) {
	if k := d.Kind(v); k != None && k != Null {
		w.Out = append(w.next(name), d.Raw(v)...)
	}
}

// Element copies an element of a list, whatever it is.
func (w *Writer) Element(d *Document, v Ref) { w.Out = append(w.next(""), d.Raw(v)...) }

// Members copies the members of an object that are not in without. The object may be the
// root, 0.
func (w *Writer) Members(d *Document, object Ref, without ...string) {
	if d.Root() == None || d.nodes[object].kind != Object {
		return
	}
	d.Members(object, func(key string, v Ref) bool {
		for _, name := range without {
			if key == name {
				return true
			}
		}
		w.Value(key, d, v)
		return true
	})
}

// AppendString quotes s. Bytes that are not UTF-8 stay so, for Parse to find.
func AppendString[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch b := s[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}
