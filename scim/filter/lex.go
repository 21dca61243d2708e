package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/schema"
)

// scanner walks over the text once. Tokens are substrings of the text, so that
// reading a filter allocates its tree and little else.
type scanner struct {
	text string
	pos  int
	code schema.Code // of every fault: invalidFilter, or invalidPath for a path
}

// fault returns an error at a byte offset. The text itself is never quoted: a
// filter may hold what must not be logged (RFC 7644 section 7.5.2).
func (s *scanner) fault(pos int, path AttrPath, format string, args ...any) *schema.Error {
	character := utf8.RuneCountInString(s.text[:pos]) + 1
	return &schema.Error{
		Code:   s.code,
		Path:   shown(path),
		Detail: fmt.Sprintf("%s at character %d.", fmt.Sprintf(format, args...), character),
	}
}

// blanks skips spaces.
func (s *scanner) blanks() {
	for s.pos < len(s.text) && s.text[s.pos] == ' ' {
		s.pos++
	}
}

// next skips spaces and returns the byte that follows, 0 at the end. The text
// holds no byte 0 (see checkText).
func (s *scanner) next() byte {
	s.blanks()
	return s.peek()
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// word consumes everything up to the next delimiter: a path, an operator, a
// keyword, a number or an unquoted value.
func (s *scanner) word() string {
	start := s.pos
	for s.pos < len(s.text) && !delimiter(s.text[s.pos]) {
		s.pos++
	}
	return s.text[start:s.pos]
}

// keyword consumes the given word, ignoring case, if it is the next one.
func (s *scanner) keyword(word string) bool {
	s.blanks()
	start := s.pos
	if got := s.word(); len(got) == len(word) && strings.EqualFold(got, word) {
		return true
	}
	s.pos = start
	return false
}

// negation consumes "not" if an opening parenthesis follows, with or without
// a blank; otherwise the word is an attribute of that name.
func (s *scanner) negation() bool {
	start := s.pos
	if s.keyword("not") && s.next() == '(' {
		return true
	}
	s.pos = start
	return false
}

func delimiter(c byte) bool {
	switch c {
	case ' ', '(', ')', '[', ']', '"':
		return true
	default:
		return false
	}
}

// quoted consumes a JSON string (RFC 8259 section 7) and decodes it.
func (s *scanner) quoted(path AttrPath) (string, error) {
	open := s.pos
	s.pos++
	start := s.pos
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case '"':
			text := s.text[start:s.pos]
			s.pos++
			return text, nil
		case '\\':
			return s.escaped(open, start, path)
		default:
			s.pos++
		}
	}
	return "", s.fault(open, path, "The string is not closed by a double quote; it starts")
}

// escaped goes on where quoted met the first escape.
func (s *scanner) escaped(open, start int, path AttrPath) (string, error) {
	var b strings.Builder
	b.WriteString(s.text[start:s.pos])
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch c {
		case '"':
			s.pos++
			return b.String(), nil
		case '\\':
			r, size := schema.Unescape(s.text[s.pos:])
			if size == 0 {
				return "", s.fault(s.pos, path, `The escape is not one of JSON (write \\ for a backslash)`)
			}
			b.WriteRune(r)
			s.pos += size
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	return "", s.fault(open, path, "The string is not closed by a double quote; it starts")
}

// attributeName says whether s is an attribute name: ATTRNAME of RFC 7643
// section 2.1, with "$" for "$ref".
func attributeName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '$':
		case '0' <= c && c <= '9', c == '-', c == '_':
			if i == 0 {
				return false
			}
		default:
			return false
		}
	}
	return s != ""
}

// uri says whether s consists of characters of a URI (RFC 3986 section 2); the
// delimiters of a filter cannot occur in it.
func uri(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// operator returns the operator that the word names, ignoring case.
func operator(w string) (Op, bool) {
	if len(w) != 2 {
		return "", false
	}
	switch [2]byte{w[0] | 0x20, w[1] | 0x20} {
	case [2]byte{'e', 'q'}:
		return Eq, true
	case [2]byte{'n', 'e'}:
		return Ne, true
	case [2]byte{'c', 'o'}:
		return Co, true
	case [2]byte{'s', 'w'}:
		return Sw, true
	case [2]byte{'e', 'w'}:
		return Ew, true
	case [2]byte{'p', 'r'}:
		return Pr, true
	case [2]byte{'g', 't'}:
		return Gt, true
	case [2]byte{'g', 'e'}:
		return Ge, true
	case [2]byte{'l', 't'}:
		return Lt, true
	case [2]byte{'l', 'e'}:
		return Le, true
	default:
		return "", false
	}
}
