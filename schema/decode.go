package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// defaultDepth is the nesting that Decode allows when Limits.Depth is 0.
const defaultDepth = 32

// Limits bounds what a document may contain.
type Limits struct {
	// Depth is the deepest nesting of objects and arrays; 0 means 32.
	Depth int
	// MaxElements is the most elements of a multi-valued attribute other than
	// a Relation; 0 means no limit.
	MaxElements int
}

// Decode reads one JSON object (RFC 8259) as clients send it: keys as sent,
// nested values as Object, []any, string, bool, json.Number, and nil for null.
// The text must be UTF-8 (RFC 7644 section 3.8) without trailing data; a key
// must not occur twice in one object, ignoring case, since attribute names are
// the same in any case (RFC 7643 section 2.1); strings must not contain U+0000
// or half a surrogate pair, which no database keeps. Every fault is an *Error
// with InvalidSyntax.
func Decode(data []byte, l Limits) (Object, error) {
	if !utf8.Valid(data) {
		return nil, syntaxError("The body is not valid UTF-8; send JSON in UTF-8.")
	}
	d := decoder{text: string(data), depth: l.Depth, strict: true}
	if d.depth <= 0 {
		d.depth = defaultDepth
	}
	return d.document()
}

func syntaxError(detail string) *Error { return &Error{Code: InvalidSyntax, Detail: detail} }

// decoder is a recursive descent over one text. Strings without escapes are
// parts of that text, so that they cost no copy.
type decoder struct {
	text   string
	pos    int
	depth  int
	strict bool // refuse duplicate keys; off for what Encode wrote
	err    *Error
}

func (d *decoder) document() (Object, error) {
	d.blank()
	if d.pos == len(d.text) {
		return nil, syntaxError("The body is empty; send one JSON object.")
	}
	if d.text[d.pos] != '{' {
		return nil, d.fail("expected a JSON object")
	}
	o, ok := d.object(d.depth)
	if !ok {
		return nil, d.err
	}
	d.blank()
	if d.pos != len(d.text) {
		return nil, d.fail("unexpected data after the JSON object")
	}
	return o, nil
}

// fail records a fault at the current position.
func (d *decoder) fail(what string) *Error {
	if d.err == nil {
		d.err = syntaxError(fmt.Sprintf("The body is not valid JSON: %s at byte %d.", what, d.pos+1))
	}
	return d.err
}

func (d *decoder) blank() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte there, or 0 at the end.
func (d *decoder) next() byte {
	if d.pos < len(d.text) {
		if c := d.text[d.pos]; c > ' ' {
			return c
		}
	}
	d.blank()
	if d.pos == len(d.text) {
		return 0
	}
	return d.text[d.pos]
}

// value reads any value; depth is how many levels may still open.
func (d *decoder) value(depth int) (any, bool) {
	switch c := d.next(); {
	case c == '"':
		s, ok := d.str()
		return s, ok
	case c == '{':
		o, ok := d.object(depth)
		return o, ok
	case c == '[':
		return d.array(depth)
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	case c == 't' && d.word("true"):
		return true, true
	case c == 'f' && d.word("false"):
		return false, true
	case c == 'n' && d.word("null"):
		return nil, true
	}
	if d.pos == len(d.text) {
		d.fail("unexpected end")
	} else {
		d.fail("expected a value")
	}
	return nil, false
}

func (d *decoder) word(w string) bool {
	if !strings.HasPrefix(d.text[d.pos:], w) {
		return false
	}
	d.pos += len(w)
	return true
}

func (d *decoder) object(depth int) (Object, bool) {
	if depth == 0 {
		return nil, d.tooDeep()
	}
	d.pos++
	o := Object{}
	if d.next() == '}' {
		d.pos++
		return o, true
	}
	keys := keySet{}
	for {
		if d.next() != '"' {
			d.fail("expected a quoted key")
			return nil, false
		}
		start := d.pos
		key, ok := d.str()
		if !ok {
			return nil, false
		}
		if d.strict && !keys.add(key) {
			d.pos = start
			d.duplicate(key)
			return nil, false
		}
		if d.next() != ':' {
			d.fail("expected a colon")
			return nil, false
		}
		d.pos++
		v, ok := d.value(depth - 1)
		if !ok {
			return nil, false
		}
		o[key] = v
		switch d.next() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return o, true
		default:
			d.fail("expected a comma or the end of the object")
			return nil, false
		}
	}
}

func (d *decoder) tooDeep() bool {
	if d.err == nil {
		d.err = syntaxError(fmt.Sprintf("The body is nested deeper than %d levels at byte %d.", d.depth, d.pos+1))
	}
	return false
}

func (d *decoder) duplicate(key string) {
	if d.err == nil {
		d.err = syntaxError(fmt.Sprintf("The key %s occurs twice in one object (names are compared ignoring case), at byte %d.",
			quoteName(key), d.pos+1))
	}
}

func (d *decoder) array(depth int) (any, bool) {
	if depth == 0 {
		return nil, d.tooDeep()
	}
	d.pos++
	out := []any{}
	if d.next() == ']' {
		d.pos++
		return out, true
	}
	for {
		v, ok := d.value(depth - 1)
		if !ok {
			return nil, false
		}
		out = append(out, v)
		switch d.next() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return out, true
		default:
			d.fail("expected a comma or the end of the array")
			return nil, false
		}
	}
}

// number reads a number by the grammar of RFC 8259 section 6, digits as sent.
func (d *decoder) number() (any, bool) {
	n := numberLength(d.text[d.pos:])
	if n == 0 {
		d.fail("malformed number")
		return nil, false
	}
	out := json.Number(d.text[d.pos : d.pos+n])
	d.pos += n
	return out, true
}

// numberLength returns the length of the JSON number that s begins with, or 0.
func numberLength(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch n := digits(s[i:]); {
	case n == 0:
		return 0
	case s[i] == '0':
		i++
	default:
		i += n
	}
	if i < len(s) && s[i] == '.' {
		n := digits(s[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		n := digits(s[i:])
		if n == 0 {
			return 0
		}
		i += n
	}
	return i
}

// digits counts the decimal digits that s begins with.
func digits(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// str reads a string; the position is at its opening quote.
func (d *decoder) str() (string, bool) {
	start := d.pos + 1
	for i := start; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			return d.text[start:i], true
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.pos = i
			d.fail("unescaped control character in a string")
			return "", false
		}
	}
	d.pos = len(d.text)
	d.fail("string without end")
	return "", false
}

// escaped reads a string that has its first escape at i.
func (d *decoder) escaped(start, i int) (string, bool) {
	b := make([]byte, 0, i-start+32)
	b = append(b, d.text[start:i]...)
	for i < len(d.text) {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			return string(b), true
		case c < ' ':
			d.pos = i
			d.fail("unescaped control character in a string")
			return "", false
		case c != '\\':
			b = append(b, c)
			i++
		default:
			r, n := escape(d.text[i:])
			if n == 0 {
				d.pos = i
				d.fail("invalid escape in a string")
				return "", false
			}
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	d.pos = len(d.text)
	d.fail("string without end")
	return "", false
}

// escape decodes the escape that s begins with and returns its length, or 0 if
// it is malformed, U+0000, or half a surrogate pair.
func escape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unicodeEscape(s)
	}
	return 0, 0
}

func unicodeEscape(s string) (rune, int) {
	high, ok := hex4(s)
	switch {
	case !ok || high == 0:
		return 0, 0
	case high < 0xd800 || high > 0xdfff:
		return high, 6
	case high > 0xdbff:
		return 0, 0
	}
	low, ok := hex4(s[6:])
	if !ok || low < 0xdc00 || low > 0xdfff {
		return 0, 0
	}
	return (high-0xd800)<<10 + (low - 0xdc00) + 0x10000, 12
}

// hex4 reads `\uXXXX`.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 32)
	return rune(n), err == nil
}

// keySet finds keys that are equal ignoring case: by looking at each while they
// are few, in a map when they are many.
type keySet struct {
	few  [16]string
	n    int
	many map[string]struct{}
}

// add enters a key and reports whether it is new.
func (k *keySet) add(key string) bool {
	if k.many == nil {
		for _, other := range k.few[:k.n] {
			if len(other) == len(key) && strings.EqualFold(other, key) {
				return false
			}
		}
		if k.n < len(k.few) {
			k.few[k.n] = key
			k.n++
			return true
		}
		k.many = make(map[string]struct{}, 2*len(k.few))
		for _, other := range k.few {
			k.many[strings.ToLower(other)] = struct{}{}
		}
	}
	lower := strings.ToLower(key)
	if _, ok := k.many[lower]; ok {
		return false
	}
	k.many[lower] = struct{}{}
	return true
}
