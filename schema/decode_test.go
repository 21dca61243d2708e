package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func TestDecodeKeepsWhatWasSent(t *testing.T) {
	t.Parallel()
	got := decode(t, ` {"UserName":"a\u00e9\ud83d\ude00\n\/","n":-12.50e+3,"big":123456789012345678901234567890,
		"t":true,"f":false,"z":null,"o":{"A":{}},"l":[1,"x",[],{"y":null}]} `)
	want := schema.Object{
		"UserName": "aé😀\n/", "n": json.Number("-12.50e+3"), "big": json.Number("123456789012345678901234567890"),
		"t": true, "f": false, "z": nil, "o": schema.Object{"A": schema.Object{}},
		"l": []any{json.Number("1"), "x", []any{}, schema.Object{"y": nil}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
}

func TestRow35_BadJSONIsInvalidSyntax(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	many := func(last string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range 100 {
			b.WriteString(`"key` + string(rune('A'+i%26)) + strings.Repeat("x", i/26) + `":1,`)
		}
		return b.String() + `"` + last + `":1}`
	}
	tests := []struct{ name, body, detail string }{
		{"empty", "", "is empty"},
		{"blank", " \r\n\t", "is empty"},
		{"array", "[]", "expected a JSON object"},
		{"text", `"x"`, "expected a JSON object"},
		{"byte order mark", "\ufeff{}", "expected a JSON object"},
		{"trailing data", "{}{}", "after the JSON object"},
		{"trailing comma", `{"a":1,}`, "expected a quoted key"},
		{"trailing comma in array", `{"a":[1,]}`, "expected a value"},
		{"missing comma", `{"a":1 "b":2}`, "expected a comma"},
		{"missing comma in array", `{"a":[1 2]}`, "expected a comma"},
		{"missing colon", `{"a" 1}`, "expected a colon"},
		{"bare key", `{a:1}`, "expected a quoted key"},
		{"single quotes", `{'a':1}`, "expected a quoted key"},
		{"unterminated", `{"a":"x`, "string without end"},
		{"unterminated after escape", `{"a":"\n`, "string without end"},
		{"unterminated object", `{"a":1`, "expected a comma"},
		{"no value", `{"a":`, "unexpected end"},
		{"leading zero", `{"a":01}`, "expected a comma"},
		{"plus", `{"a":+1}`, "expected a value"},
		{"lone minus", `{"a":-}`, "malformed number"},
		{"open fraction", `{"a":1.}`, "malformed number"},
		{"open exponent", `{"a":1e+}`, "malformed number"},
		{"NaN", `{"a":NaN}`, "expected a value"},
		{"word", `{"a":trust}`, "expected a value"},
		{"control character", "{\"a\":\"\n\"}", "control character"},
		{"control character after escape", "{\"a\":\"\\n\n\"}", "control character"},
		{"bad escape", `{"a":"\x"}`, "invalid escape"},
		{"signed escape", `{"a":"\u+12f"}`, "invalid escape"},
		{"short escape", `{"a":"\u12"}`, "invalid escape"},
		{"U+0000", `{"a":"\u0000"}`, "invalid escape"},
		{"lone high surrogate", `{"a":"\ud800x"}`, "invalid escape"},
		{"two high surrogates", `{"a":"\ud800\ud800"}`, "invalid escape"},
		{"lone low surrogate", `{"a":"\udc00"}`, "invalid escape"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"overlong UTF-8", "{\"a\":\"\xc0\x80\"}", "UTF-8"},
		{"duplicate key", `{"a":1,"a":1}`, `"a" occurs twice`},
		{"duplicate key in other case", `{"userName":1,"USERNAME":1}`, `"USERNAME" occurs twice`},
		{"duplicate key below", `{"x":[{"b":1,"B":1}]}`, `"B" occurs twice`},
		{"duplicate key escaped", `{"a":1,"\u0061":1}`, `"a" occurs twice`},
		{"duplicate among many keys", many("KEYA"), `"KEYA" occurs twice`},
		{"too deep", deep(33), "deeper than 32"},
		{"too deep arrays", `{"a":` + strings.Repeat("[", 100000), "deeper than 32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Decode([]byte(tt.body), schema.Limits{})
			e, ok := errors.AsType[*schema.Error](err)
			if !ok || e.Code != schema.InvalidSyntax || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("Decode = %v, want invalidSyntax with %q", err, tt.detail)
			}
		})
	}
	for _, good := range []string{deep(32), many("other")} {
		if _, err := schema.Decode([]byte(good), schema.Limits{}); err != nil {
			t.Errorf("Decode(%.40s…) = %v, want nil", good, err)
		}
	}
	if _, err := schema.Decode([]byte(deep(4)), schema.Limits{Depth: 3}); err == nil {
		t.Error("Decode of 4 levels with Depth 3 = nil, want an error")
	}
}

// TestRow13_LargeIntegers: numbers never go through float64.
func TestRow13_LargeIntegersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	o := accept(t, rt, `{"schemas":["`+deviceURN+`"],"name":"d","count":9007199254740993123}`, rfc)
	if doc := string(rt.Encode(o)); !strings.Contains(doc, `"count":9007199254740993123`) {
		t.Errorf("Encode = %s, want the digits as sent", doc)
	}
	for _, bad := range []string{"1.0", "1e3", `"7"`, "true"} {
		_, _, err := rt.Accept(decode(t, `{"schemas":["`+deviceURN+`"],"name":"d","count":`+bad+`}`), rfc, schema.Limits{})
		wantFault(t, err, schema.InvalidValue, "count")
	}
}

// FuzzDecode holds Decode against encoding/json: whatever Decode takes, that
// reads to the same value; what Decode refuses is either no JSON object or
// breaks one of the stricter rules.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		fullUser, `{}`, `{"a":"\ud83d\ude00\u0041"}`, `{"a":[1,2,{"b":null}]}`, `{"a":1,"A":2}`, `{"a":-0.1E-7}`, `[`, "\xff",
		`{"a":"\ud800"}`, `{"a":"\u0000"}`, `{"":{"":[[]]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := schema.Decode(data, schema.Limits{Depth: 64})
		want, ok := decodeStandard(data)
		if err != nil {
			if ok && !stricter(data) {
				t.Fatalf("Decode(%q) = %v, encoding/json takes it", data, err)
			}
			return
		}
		if !ok {
			t.Fatalf("Decode(%q) = %v, encoding/json refuses it", data, got)
		}
		if diff := cmp.Diff(want, any(got)); diff != "" {
			t.Fatalf("Decode(%q) (-encoding/json +got):\n%s", data, diff)
		}
	})
}

func decodeStandard(data []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil || v == nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return objects(v), true
}

// objects turns the maps of encoding/json into ours.
func objects(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := schema.Object{}
		for k, e := range v {
			o[k] = objects(e)
		}
		return o
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = objects(e)
		}
		return out
	}
	return v
}

// stricter reports whether a text breaks a rule that encoding/json does not
// have: UTF-8, surrogate pairs, U+0000, duplicate keys, depth.
func stricter(data []byte) bool {
	if !utf8.Valid(data) || bytes.Contains(data, []byte(`\u`)) {
		return true
	}
	depth, deepest := 0, 0
	for _, c := range data {
		switch c {
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest > 64 || hasDuplicates(json.NewDecoder(bytes.NewReader(data)))
}

// hasDuplicates walks the tokens of one value.
func hasDuplicates(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return false
			}
			lower := strings.ToLower(key.(string))
			for other := range seen {
				if strings.EqualFold(other, lower) {
					return true
				}
			}
			seen[lower] = true
			if hasDuplicates(d) {
				return true
			}
		}
		_, _ = d.Token()
	case json.Delim('['):
		for d.More() {
			if hasDuplicates(d) {
				return true
			}
		}
		_, _ = d.Token()
	}
	return false
}
