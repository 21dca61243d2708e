package schema

import "unicode/utf8"

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
			return "", d.fail("unescaped control character in a string")
		}
	}
	d.pos = len(d.text)
	return "", d.fail("string without end")
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
			return "", d.fail("unescaped control character in a string")
		case c != '\\':
			b = append(b, c)
			i++
		default:
			r, n := Unescape(d.text[i:])
			if n == 0 {
				d.pos = i
				return "", d.fail("invalid escape in a string")
			}
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	d.pos = len(d.text)
	return "", d.fail("string without end")
}

// Unescape decodes the JSON escape (RFC 8259 section 7) that s begins with and
// returns its length in bytes, or 0 if it is malformed, U+0000 (which no stored
// string can hold), or half a surrogate pair.
func Unescape(s string) (rune, int) {
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
	var r rune
	for i := 2; i < 6; i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
