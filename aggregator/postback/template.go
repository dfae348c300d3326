package postback

import (
	"encoding/json"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// part is a piece of a template: literal text, or a macro.
type part struct {
	text  string
	macro *Macro
}

// compiled is a definition that was checked.
type compiled struct {
	url, body []part
	headers   map[string][]part
}

// compile splits all templates of a definition and refuses what could not be sent.
func (d *Definition) compile() (*compiled, error) {
	var c compiled
	var err error
	if c.url, err = d.compileURL(); err != nil {
		return nil, err
	}
	if len(d.Body) > MaxBody {
		return nil, invalid("body", "%d bytes, at most %d", len(d.Body), MaxBody)
	}
	if c.body, err = split("body", d.Body, d.Format == FormatJSON); err != nil {
		return nil, err
	}
	if d.Format == FormatJSON {
		if err := d.checkJSON(c.body); err != nil {
			return nil, err
		}
	}
	c.headers, err = d.compileHeaders()
	return &c, err
}

func (d *Definition) compileURL() ([]part, error) {
	if len(d.URL) > MaxURL {
		return nil, invalid("url", "%d bytes, at most %d", len(d.URL), MaxURL)
	}
	parts, err := split("url", d.URL, false)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(Origin(d.URL), "{}") {
		return nil, invalid("url", "a macro must not stand in the scheme, the host or the port: whoever sends the value would choose where the request goes")
	}
	u, err := url.Parse(fill(parts, func(*Macro) string { return "x" }))
	switch {
	case err != nil:
		return nil, invalid("url", "cannot be read as an address once its macros are filled in")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, invalid("url", "must begin with https://")
	case u.Host == "":
		return nil, invalid("url", "names no host")
	case u.User != nil:
		return nil, invalid("url", "must not hold a user or a password: use a header")
	case u.Fragment != "":
		return nil, invalid("url", "must not have a fragment: it would not be sent")
	}
	return parts, nil
}

// Origin is the part of an address template before its path: scheme, host and port.
func Origin(address string) string {
	if i := strings.Index(address, "://"); i >= 0 {
		if j := strings.IndexAny(address[i+3:], "/?#"); j >= 0 {
			return address[:i+3+j]
		}
	}
	return address
}

// reserved are headers that the sender sets or that would change how the request is framed.
func reserved() []string {
	return []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Expect", "Content-Type",
		HeaderDelivery, HeaderSignature, "Idempotency-Key", "User-Agent"}
}

func (d *Definition) compileHeaders() (map[string][]part, error) {
	if len(d.Headers) > MaxHeaders {
		return nil, invalid("headers", "%d of them, at most %d", len(d.Headers), MaxHeaders)
	}
	headers := make(map[string][]part, len(d.Headers))
	for name, value := range d.Headers {
		field := "headers." + name
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !token(name):
			return nil, invalid(field, "is no name of a header")
		case slices.Contains(reserved(), canonical):
			return nil, invalid(field, "is set by us")
		case len(value) > MaxHeader:
			return nil, invalid(field, "%d bytes, at most %d", len(value), MaxHeader)
		case strings.ContainsFunc(value, control):
			return nil, invalid(field, "holds a control character")
		}
		parts, err := split(field, value, false)
		if err != nil {
			return nil, err
		}
		headers[canonical] = parts
	}
	return headers, nil
}

// token reports whether a name is a token of RFC 9110 §5.6.2.
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// split finds the macros of a template. In JSON, braces that hold no macro's name are JSON's own.
func split(field, text string, isJSON bool) ([]part, error) {
	var parts []part
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			return append(parts, part{text: text}), nil
		}
		name, length := macroAt(text[open:])
		switch {
		case length == 0 && isJSON:
			parts = append(parts, part{text: text[:open+1]})
			text = text[open+1:]
			continue
		case length == 0:
			return nil, invalid(field, "a brace opens at %q and names no macro", clip(text[open:]))
		}
		macro, known := macroOf(name)
		if !known {
			return nil, invalid(field, "{%s} is no macro%s", name, meant(name))
		}
		if open > 0 {
			parts = append(parts, part{text: text[:open]})
		}
		parts = append(parts, part{macro: &macro})
		text = text[open+length:]
	}
	return parts, nil
}

// macroAt reads a macro at the beginning of text: {name} of letters, digits, dots, dashes and underscores.
func macroAt(text string) (name string, length int) {
	end := strings.IndexByte(text, '}')
	if end < 2 {
		return "", 0
	}
	name = text[1:end]
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-') {
			return "", 0
		}
	}
	return name, end + 1
}

// meant suggests the macro of the same name in another writing.
func meant(name string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(s))
	}
	for _, m := range Macros() {
		if plain(m.Name) == plain(name) {
			return ": did you mean {" + m.Name + "}?"
		}
	}
	return ": a parameter of the click is {" + paramPrefix + name + "}"
}

func clip(text string) string {
	const most = 20
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// checkJSON tries the body with every macro empty and with every macro hostile.
func (d *Definition) checkJSON(parts []part) error {
	empty := renderJSON(parts, &Fact{})
	full := fillJSON(parts, func(m *Macro) string {
		if m.number {
			return "1.5"
		}
		return "\"\\\n"
	})
	if !json.Valid([]byte(empty)) || !json.Valid([]byte(full)) {
		return invalid("body", "is no JSON once its macros are filled in: put text macros in quotes")
	}
	return nil
}

// fill writes a template with values as they are.
func fill(parts []part, value func(*Macro) string) string {
	var b strings.Builder
	for _, p := range parts {
		if p.macro == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(value(p.macro))
	}
	return b.String()
}

func renderJSON(parts []part, f *Fact) string {
	return fillJSON(parts, func(m *Macro) string { return m.value(f) })
}

// fillJSON writes a JSON template: inside a string a value is escaped, outside it is a number, a
// quoted text or null.
func fillJSON(parts []part, value func(*Macro) string) string {
	var b strings.Builder
	inside := false
	for _, p := range parts {
		if p.macro == nil {
			inside = follow(p.text, inside)
			b.WriteString(p.text)
			continue
		}
		text := value(p.macro)
		quoted, _ := json.Marshal(text) // a string always encodes
		switch {
		case inside:
			b.Write(quoted[1 : len(quoted)-1])
		case text == "":
			b.WriteString("null")
		case p.macro.number:
			b.WriteString(text)
		default:
			b.Write(quoted)
		}
	}
	return b.String()
}

// follow says whether a JSON text that began inside a string, or not, ends inside one.
func follow(text string, inside bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && inside:
			i++
		case text[i] == '"':
			inside = !inside
		}
	}
	return inside
}
