package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// defaultDepth is the nesting that Decode allows when Limits.Depth is 0.
const defaultDepth = 32

// typicalMembers is the most members that a typical body has open at once.
const typicalMembers = 32

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

	members  []member // of the objects being read
	elements []any    // of the arrays being read
}

func (d *decoder) document() (Object, error) {
	d.blank()
	if d.pos == len(d.text) {
		return nil, syntaxError("The body is empty; send one JSON object.")
	}
	if d.text[d.pos] != '{' {
		d.fail("expected a JSON object")
		return nil, d.err
	}
	d.members = make([]member, 0, typicalMembers)
	o, ok := d.object(d.depth)
	if !ok {
		return nil, d.err
	}
	d.blank()
	if d.pos != len(d.text) {
		d.fail("unexpected data after the JSON object")
		return nil, d.err
	}
	return o, nil
}

// fail records a fault at the current position, and returns false.
func (d *decoder) fail(what string) bool {
	d.err = syntaxError(fmt.Sprintf("The body is not valid JSON: %s at byte %d.", what, d.pos+1))
	return false
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
		return nil, d.fail("unexpected end")
	}
	return nil, d.fail("expected a value")
}

func (d *decoder) word(w string) bool {
	if !strings.HasPrefix(d.text[d.pos:], w) {
		return false
	}
	d.pos += len(w)
	return true
}

// member is one member of an object that is still being read.
type member struct {
	key   string
	value any
}

// object reads an object. Members wait on a stack shared by all levels until
// their number is known, so that the map is made in its final size.
func (d *decoder) object(depth int) (Object, bool) {
	if depth == 0 {
		return nil, d.tooDeep()
	}
	d.pos++
	if d.next() == '}' {
		d.pos++
		return Object{}, true
	}
	base := len(d.members)
	var seen map[string]struct{}
	for {
		key, ok := d.key()
		if !ok {
			return nil, false
		}
		if d.strict {
			if seen, ok = newKey(d.members[base:], seen, key); !ok {
				return nil, d.duplicate(key)
			}
		}
		v, ok := d.value(depth - 1)
		if !ok {
			return nil, false
		}
		d.members = append(d.members, member{key, v})
		switch d.next() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			o := make(Object, len(d.members)-base)
			for _, m := range d.members[base:] {
				o[m.key] = m.value
			}
			d.members = d.members[:base]
			return o, true
		default:
			return nil, d.fail("expected a comma or the end of the object")
		}
	}
}

// key reads a key and its colon.
func (d *decoder) key() (string, bool) {
	if d.next() != '"' {
		return "", d.fail("expected a quoted key")
	}
	key, ok := d.str()
	if !ok {
		return "", false
	}
	if d.next() != ':' {
		return "", d.fail("expected a colon")
	}
	d.pos++
	return key, true
}

func (d *decoder) tooDeep() bool {
	d.err = syntaxError(fmt.Sprintf("The body is nested deeper than %d levels at byte %d.", d.depth, d.pos+1))
	return false
}

func (d *decoder) duplicate(key string) bool {
	d.err = syntaxError(fmt.Sprintf("The key %s occurs twice in one object (names are compared ignoring case), before byte %d.",
		quoteName(key), d.pos+1))
	return false
}

func (d *decoder) array(depth int) (any, bool) {
	if depth == 0 {
		return nil, d.tooDeep()
	}
	d.pos++
	if d.next() == ']' {
		d.pos++
		return []any{}, true
	}
	base := len(d.elements)
	for {
		v, ok := d.value(depth - 1)
		if !ok {
			return nil, false
		}
		d.elements = append(d.elements, v)
		switch d.next() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			out := make([]any, len(d.elements)-base)
			copy(out, d.elements[base:])
			d.elements = d.elements[:base]
			return out, true
		default:
			return nil, d.fail("expected a comma or the end of the array")
		}
	}
}

// number reads a number by the grammar of RFC 8259 section 6, digits as sent.
func (d *decoder) number() (any, bool) {
	n := numberLength(d.text[d.pos:])
	if n == 0 {
		return nil, d.fail("malformed number")
	}
	out := json.Number(d.text[d.pos : d.pos+n])
	d.pos += n
	return out, true
}

// IsNumber says whether all of s is a number of JSON (RFC 8259 section 6).
func IsNumber(s string) bool {
	return s != "" && numberLength(s) == len(s)
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

// fewKeys is how many keys are compared one by one; more go into a map.
const fewKeys = 24

// newKey reports whether key differs, ignoring case, from those of the members
// before it; seen is the map of keys once there are many.
func newKey(before []member, seen map[string]struct{}, key string) (map[string]struct{}, bool) {
	if len(before) < fewKeys {
		for _, m := range before {
			if len(m.key) == len(key) && strings.EqualFold(m.key, key) {
				return nil, false
			}
		}
		return nil, true
	}
	if seen == nil {
		seen = make(map[string]struct{}, 2*fewKeys)
		for _, m := range before {
			seen[strings.ToLower(m.key)] = struct{}{}
		}
	}
	lower := strings.ToLower(key)
	_, found := seen[lower]
	seen[lower] = struct{}{}
	return seen, !found
}
