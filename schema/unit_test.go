package schema

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNumberGrammar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"0": 1, "-0": 2, "12": 2, "12,": 2, "1.5": 3, "1.50e+10]": 8, "1E5": 3, "1e-05": 5,
		"01": 1, "00": 1, "": 0, "-": 0, "+1": 0, ".5": 0, "1.": 0, "1.e5": 0, "1e": 0, "1e+": 0, "-x": 0, "x": 0,
	} {
		if got := numberLength(text); got != want {
			t.Errorf("numberLength(%q) = %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"0": true, "-12": true, "12345678901234567890123": true, "1.0": false, "1e2": false, "01": false, "": false, "1x": false, "--1": false,
	} {
		if got := isInteger(text); got != want {
			t.Errorf("isInteger(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestScientific(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		mantissa string
		exponent int64
	}{
		"0": {"", 0}, "1": {"1", 0}, "10": {"1", 1}, "100.500": {"1005", 2}, "0.05": {"5", -2}, "0.5e3": {"5", 2},
		"12345": {"12345", 4}, "1e-3": {"1", -3}, "1000e-3": {"1", 0}, "0.000": {"", -1},
	} {
		mantissa, exponent, ok := scientific(text)
		if mantissa != want.mantissa || mantissa != "" && exponent != want.exponent || !ok {
			t.Errorf("scientific(%q) = %q, %d, %v, want %q, %d", text, mantissa, exponent, ok, want.mantissa, want.exponent)
		}
	}
	for _, text := range []string{"1e2500000001", "1e-2500000001", "1e99999999999999999999"} {
		if _, _, ok := scientific(text); ok {
			t.Errorf("scientific(%q) is ok, want it out of range", text)
		}
	}
}

// TestParseDateTime compares with package time where both take the form.
func TestParseDateTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1970-01-01T00:00:00Z", "2008-01-23T04:56:22Z", "2024-02-29T23:59:59.999999Z", "1969-12-31T23:59:59.5-08:00",
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2000-02-29T12:00:00+14:00", "1900-03-01T00:00:00-00:30",
	} {
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseDateTime(text); !ok || got != want.UnixMicro() {
			t.Errorf("parseDateTime(%q) = %d, %v, want %d", text, got, ok, want.UnixMicro())
		}
	}
	for _, text := range []string{
		"", "2008-01-23", "2008-01-23T04:56Z", "2008-01-23T04:56:22ZZ", "2008-01-23T04:56:22+2:00", "2008-01-23T04:56:22+02:60",
		"2008-01-23T04:56:22+14:01", "2008-01-23T04:56:60Z", "2008-01-23T25:00:00Z", "2008-00-23T04:56:22Z", "2008-01-00T04:56:22Z",
		"2008-04-31T04:56:22Z", "1900-02-29T00:00:00Z", "-2008-01-23T04:56:22Z", "12008-01-23T04:56:22Z", "2008-01-23T24:00:00.1Z",
		"2008-01-23T04:56:22.Z", "2008-01-23T04:56:22,5Z", "2008/01/23T04:56:22Z", "2008-01-23T+4:56:22Z",
	} {
		if got, ok := parseDateTime(text); ok {
			t.Errorf("parseDateTime(%q) = %d, want it refused", text, got)
		}
	}
}

func TestFormatDateTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 13, 0, 0, 123456789, time.FixedZone("", 3600))
	for moment, want := range map[time.Time]string{
		at:                              "2026-11-01T12:00:00.123456Z",
		at.Truncate(time.Second):        "2026-11-01T12:00:00Z",
		at.Truncate(time.Millisecond):   "2026-11-01T12:00:00.123Z",
		time.UnixMicro(0).In(time.UTC):  "1970-01-01T00:00:00Z",
		time.UnixMicro(-1).In(time.UTC): "1969-12-31T23:59:59.999999Z",
	} {
		got := FormatDateTime(moment)
		if got != want {
			t.Errorf("FormatDateTime(%v) = %s, want %s", moment, got, want)
		}
		if micros, ok := parseDateTime(got); !ok || micros != moment.UnixMicro() {
			t.Errorf("parseDateTime(%s) = %d, %v, want %d", got, micros, ok, moment.UnixMicro())
		}
	}
}

func TestTextForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"AA==": true, "AAA=": true, "AAAA": true, "": true, "-_-_": true, "+/+/": true,
		"A": false, "AA": false, "AA=": false, "AA==AA==": false, "+_AA": false, "AB==": false, "AAAA\n": false, "ÄAA=": false,
	} {
		if got := isBase64(text); got != want {
			t.Errorf("isBase64(%q) = %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"https://a.example/b?c=d&e#f": true, "../Users/1": true, "urn:a:b": true, "mailto:a@b": true, "a": true, "%41": true, "http://[::1]/": true,
		"https://müller.example/": true,
		"":                        false, " ": false, "a b": false, "a\tb": false, "<a>": false, `"a"`: false, `a\b`: false, "a^b": false, "{a}": false, "a|b": false, "`": false,
		"%": false, "%4": false, "%4g": false, "a\x7f": false,
	} {
		if got := isReference(text); got != want {
			t.Errorf("isReference(%q) = %v, want %v", text, got, want)
		}
	}
	for name, want := range map[string]bool{
		"a": true, "A1": true, "a_b-c$": true, "": false, "1a": false, "_a": false, "$a": false, "$ref": false, "a b": false, "a.b": false, "a:b": false, "é": false,
	} {
		if got := isAttributeName(name, false); got != want {
			t.Errorf("isAttributeName(%q) = %v, want %v", name, got, want)
		}
	}
	if !isAttributeName("$ref", true) {
		t.Error("$ref is refused below a complex attribute")
	}
	for urn, want := range map[string]bool{
		UserURN: true, EnterpriseUserURN: true, SecondFactorURN: true, PingUserURN: true, "URN:a:b": true,
		"": false, "urn": false, "urn:a": false, "urn:a:": false, "urn::b": false, "http://a": false, "urn:a:b c": false, "urn:a:b/c": false, "urn:a:é": false,
	} {
		if got := isSchemaURN(urn); got != want {
			t.Errorf("isSchemaURN(%q) = %v, want %v", urn, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               `""`,
		"a\"b\\c/d":      `"a\"b\\c/d"`,
		"\b\f\n\r\t":     `"\b\f\n\r\t"`,
		"\x00\x1f\x7f":   "\"\\u0000\\u001f\x7f\"",
		"é😀\u2028<>&":    "\"é😀\u2028<>&\"",
		"a\xffb\xc3(é\"": "\"a\ufffdb\ufffd(é\\\"\"",
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("appendString(%q) = %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"", "ABC\"\\\n\x01xyz[`{@", "plain"} {
		if got, want := string(appendLower(nil, in)), string(appendString(nil, strings.ToLower(in))); got != want {
			t.Errorf("appendLower(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestTablesAgree: every way to an attribute leads to the same definition.
func TestTablesAgree(t *testing.T) {
	t.Parallel()
	g, err := Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range g.Types() {
		for i, f := range rt.fields {
			if f.index != i || rt.byAttr[f.attr] != f || rt.refs[i] != f.ref {
				t.Errorf("%s: field %d is out of place", f.ref, i)
			}
			for j, s := range f.attr.Sub {
				if s.slot != j || f.attr.SubAttribute(strings.ToUpper(s.Name)) != s {
					t.Errorf("%s.%s is out of place", f.ref, s.Name)
				}
			}
			stored := slices.Contains(rt.core, f)
			if want := f.ext == nil && f.attr.stored() && f.attr.Name != "schemas"; stored != want {
				t.Errorf("%s is in the stored core: %v, want %v", f.ref, stored, want)
			}
		}
	}
	if u := g.ByName("User"); u.userName == nil || g.ByName("Group").userName != nil {
		t.Error("only User has a userName")
	}
}
