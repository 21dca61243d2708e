package schema

import (
	"strconv"
	"strings"
)

// exponentBias makes the exponent of a number's key non-negative; exponents
// beyond it on either side have no key.
const (
	exponentBias   = 5_000_000_000
	exponentDigits = 10
)

// numberKey returns a text that sorts bytewise as the numbers sort, for numbers
// of any size without loss: a sign ("-" before "0" before "1"), the decimal
// exponent with a bias, and the significant digits without trailing zeros.
// Equal numbers have equal keys, however they are written. Of a negative number
// every digit is complemented and "~" ends it, so that more digits sort first.
func numberKey(s string) (string, bool) {
	if !IsNumber(s) {
		return "", false
	}
	negative := s[0] == '-'
	if negative {
		s = s[1:]
	}
	mantissa, exponent, ok := scientific(s)
	if !ok {
		return "", false
	}
	if mantissa == "" {
		return "0", true
	}
	biased := strconv.FormatInt(exponent+exponentBias, 10)
	out := make([]byte, 0, 2+exponentDigits+len(mantissa))
	out = append(out, '1')
	for range exponentDigits - len(biased) {
		out = append(out, '0')
	}
	out = append(out, biased...)
	out = append(out, mantissa...)
	if !negative {
		return string(out), true
	}
	out[0] = '-'
	for i := 1; i < len(out); i++ {
		out[i] = '0' + '9' - out[i]
	}
	return string(append(out, '~')), true
}

// scientific splits an unsigned JSON number into significant digits without
// leading and trailing zeros, read as d.ddd, and the exponent of ten. The
// digits of zero are empty.
func scientific(s string) (mantissa string, exponent int64, ok bool) {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.ParseInt(s[i+1:], 10, 64)
		if err != nil || n > exponentBias/2 || n < -exponentBias/2 {
			return "", 0, strings.Trim(s[:i], "0.") == ""
		}
		s, exponent = s[:i], n
	}
	whole, frac, _ := strings.Cut(s, ".")
	all := whole + frac
	trimmed := strings.TrimLeft(all, "0")
	exponent += int64(len(whole)-1) - int64(len(all)-len(trimmed))
	return strings.TrimRight(trimmed, "0"), exponent, true
}

// isInteger reports whether s is a JSON number without fraction and exponent
// (RFC 7643 section 2.3.4).
func isInteger(s string) bool {
	return numberLength(s) == len(s) && s != "" && !strings.ContainsAny(s, ".eE")
}
