package schema_test

import (
	"cmp"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
)

func key(t testing.TB, a *schema.Attribute, v any) string {
	t.Helper()
	k, ok := a.Key(v)
	if !ok {
		t.Fatalf("Key(%v) of %s is not ok", v, a.Type)
	}
	return k
}

// TestRow32_KeyByCaseExact covers rows 8, 14 and 32: what folds and what does not.
func TestRow32_KeyByCaseExact(t *testing.T) {
	t.Parallel()
	u, g, d := userType(t), groupType(t), deviceType(t)
	for _, tt := range []struct {
		rt    *schema.ResourceType
		path  string
		value any
		want  string
	}{
		{u, "userName", "BJensen", "bjensen"},
		{u, "id", "AbC", "AbC"},
		{u, "externalId", "AbC", "AbC"},
		{u, "meta.resourceType", "User", "User"},
		{u, "meta.version", `W/"1"`, `W/"1"`},
		{u, "schemas", schema.UserURN, strings.ToLower(schema.UserURN)},
		{u, "profileUrl", "HTTP://X/Y", "HTTP://X/Y"},
		{u, "x509Certificates.value", "AbC=", "AbC="},
		{u, "emails.value", "B@X", "b@x"},
		{u, "active", true, "true"},
		{u, "active", false, "false"},
		{u, enterprise + ":manager.value", "A-B", "a-b"},
		{g, "members.value", "A-B", "a-b"},
		{d, "serial", "S1", "S1"},
		{d, "assetTag", "T1", "t1"},
		{d, "purchased", "1970-01-01T00:00:00Z", "062135683200000000"},
	} {
		if got := key(t, ref(t, tt.rt, tt.path).Target(), tt.value); got != tt.want {
			t.Errorf("Key(%s, %v) = %q, want %q", tt.path, tt.value, got, tt.want)
		}
	}
	for _, tt := range []struct {
		path  string
		value any
	}{
		{"name", true},
		{"name", json.Number("1")},
		{"name", nil},
		{"name", []any{"x"}},
		{"enabled", "true"},
		{"count", json.Number("1.5")},
		{"count", json.Number("1e2")},
		{"count", "1"},
		{"count", true},
		{"weight", json.Number("x")},
		{"weight", json.Number("")},
		{"weight", json.Number("1e9999999999")},
		{"purchased", "yesterday"},
		{"purchased", json.Number("1")},
		{"owner", "x"},
		{"owner", schema.Object{"value": "x"}},
	} {
		if got, ok := ref(t, d, tt.path).Target().Key(tt.value); ok {
			t.Errorf("Key(%s, %v) = %q, want none", tt.path, tt.value, got)
		}
	}
}

// TestNumberKeysSortAsNumbers holds the keys against math/big.
func TestNumberKeysSortAsNumbers(t *testing.T) {
	t.Parallel()
	weight := ref(t, deviceType(t), "weight").Attr
	literal := rapid.Custom(func(t *rapid.T) string {
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := literal.Draw(rt, "a"), literal.Draw(rt, "b")
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		if !ok1 || !ok2 {
			rt.Fatalf("math/big refuses %s or %s", a, b)
		}
		ka, kb := key(t, weight, json.Number(a)), key(t, weight, json.Number(b))
		if got, want := strings.Compare(ka, kb), x.Cmp(y); got != want {
			rt.Fatalf("keys of %s and %s compare %d (%q, %q), want %d", a, b, got, ka, kb, want)
		}
		if schema.Equal(json.Number(a), json.Number(b)) != (x.Cmp(y) == 0) {
			rt.Fatalf("Equal(%s, %s) is wrong", a, b)
		}
	})
	ordered := []string{
		"-1e400", "-123456789012345678901234567890", "-10", "-9.99", "-1.5", "-1.45", "-1", "-0.5", "-1e-300",
		"0", "1e-300", "0.5", "1", "1.45", "1.5", "9.99", "10", "123456789012345678901234567890", "1e400",
	}
	for i := 1; i < len(ordered); i++ {
		if a, b := key(t, weight, json.Number(ordered[i-1])), key(t, weight, json.Number(ordered[i])); a >= b {
			t.Errorf("key of %s = %q is not below that of %s = %q", ordered[i-1], a, ordered[i], b)
		}
	}
	for _, zero := range []string{"0", "-0", "0.000", "0e5", "-0.0e-7", "0e99999999999999999999"} {
		if got := key(t, weight, json.Number(zero)); got != "0" {
			t.Errorf("key of %s = %q, want 0", zero, got)
		}
	}
	if a, b := key(t, weight, json.Number("1.0")), key(t, weight, json.Number("10e-1")); a != b {
		t.Errorf("keys of 1.0 and 10e-1 differ: %q, %q", a, b)
	}
}

// TestRow65_DateTimesSortAsMoments covers the dates of row 65.
func TestRow65_DateTimesSortAsMoments(t *testing.T) {
	t.Parallel()
	purchased := ref(t, deviceType(t), "purchased").Attr
	same := []string{
		"2011-05-13T04:42:34Z", "2011-05-13T06:42:34+02:00", "2011-05-12T23:12:34-05:30", "2011-05-13T04:42:34",
		"2011-05-13T04:42:34.0000000000Z", "2011-05-13T04:42:34.0000009Z",
	}
	for _, s := range same {
		if a, b := key(t, purchased, same[0]), key(t, purchased, s); a != b {
			t.Errorf("keys of %s and %s differ: %q, %q", same[0], s, a, b)
		}
	}
	if a, b := key(t, purchased, "2012-12-31T24:00:00Z"), key(t, purchased, "2013-01-01T00:00:00Z"); a != b {
		t.Errorf("the end of a day is not the begin of the next: %q, %q", a, b)
	}
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		micros := rapid.Int64Range(first.UnixMicro(), last.UnixMicro())
		a, b := micros.Draw(rt, "a"), micros.Draw(rt, "b")
		ka, kb := schema.DateTimeKey(a), schema.DateTimeKey(b)
		if got, want := strings.Compare(ka, kb), cmp.Compare(a, b); got != want {
			rt.Fatalf("keys of %d and %d compare %d, want %d", a, b, got, want)
		}
		if back, ok := schema.DateTimeMicros(ka); !ok || back != a {
			rt.Fatalf("DateTimeMicros(DateTimeKey(%d)) = %d, %v", a, back, ok)
		}
		text := schema.FormatDateTime(time.UnixMicro(a))
		if got := key(t, purchased, text); got != ka {
			rt.Fatalf("key of %s = %q, want %q", text, got, ka)
		}
	})
	for _, bad := range []string{"", "x", strconv.Itoa(1), strings.Repeat("x", 18)} {
		if _, ok := schema.DateTimeMicros(bad); ok {
			t.Errorf("DateTimeMicros(%q) is ok", bad)
		}
	}
	for _, edge := range []string{"0001-01-01T00:00:00+14:00", "9999-12-31T24:00:00-14:00"} {
		if k := key(t, purchased, edge); len(k) != 18 || k[0] == '-' {
			t.Errorf("key of %s = %q, want 18 digits", edge, k)
		}
	}
}

func TestKeysDocument(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, `{`+coreUser+`,"externalId":"E1","password":"secret","active":true,"displayName":"B\"\u00c4",
		"emails":[{"value":"B@X","type":"Work","primary":true}],"secondFactorEnabled":false,
		"`+enterprise+`":{"department":"D","manager":{"value":"M1"}}}`, rfc)
	o["id"] = "Id1"
	o["meta"] = schema.Object{"version": "x"}
	o["groups"] = []any{schema.Object{"value": "g"}}
	want := `{"schemas":["` + strings.ToLower(schema.UserURN) + `","` + strings.ToLower(enterprise) + `","` + strings.ToLower(second) + `"],
		"id":"Id1","externalId":"E1","userName":"bjensen","displayName":"b\"ä","active":"true",
		"emails":[{"value":"b@x","type":"work","primary":"true"}],
		"` + enterprise + `":{"department":"d","manager":{"value":"m1","$ref":"../Users/M1"}},
		"` + second + `":{"secondFactorEnabled":"false"}}`
	if diff := gocmp.Diff(decode(t, want), decode(t, string(u.Keys(o)))); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
	d := deviceType(t)
	o = accept(t, d, `{"schemas":["`+deviceURN+`"],"name":"D","count":-12,"weight":1.50,"tags":["B","a"],"ports":[{"value":1,"protocols":["TCP"]}]}`, rfc)
	want = `{"schemas":["` + strings.ToLower(deviceURN) + `"],"name":"d","count":"-499999999887~","weight":"1500000000015",
		"tags":["b","a"],"ports":[{"value":"150000000001","protocols":["tcp"]}]}`
	if diff := gocmp.Diff(decode(t, want), decode(t, string(d.Keys(o)))); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}

// keysOf is the keys document by its definition.
func keysOf(rt *schema.ResourceType, o schema.Object) schema.Object {
	out := schema.Object{}
	for _, r := range rt.Attributes() {
		if r.Attr.Derived || r.Attr.Relation || r.Attr.Returned == schema.ReturnedNever || r.Attr.Name == "schemas" {
			continue
		}
		in, to := o, out
		if r.URN != "" {
			in, _ = o[r.URN].(schema.Object)
			if len(in) > 0 && out[r.URN] == nil {
				out[r.URN] = schema.Object{}
			}
			to, _ = out[r.URN].(schema.Object)
		}
		if v, ok := in[r.Attr.Name]; ok {
			to[r.Attr.Name] = keysOfValue(r.Attr, v)
		}
	}
	return out
}

func keysOfValue(a *schema.Attribute, v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = keysOfValue(a, e)
		}
		return out
	case schema.Object:
		out := schema.Object{}
		for name, e := range v {
			out[name] = keysOfValue(a.SubAttribute(name), e)
		}
		return out
	}
	key, _ := a.Key(v)
	return key
}

// TestKeysAreTheKeysOfEveryLeaf: SQL reads Keys, the evaluator calls Key.
func TestKeysAreTheKeysOfEveryLeaf(t *testing.T) {
	t.Parallel()
	g := custom(t)
	rapid.Check(t, func(t *rapid.T) {
		rt := anyType(t, g)
		o := anyObject(t, rt)
		if c, ok := o[enterprise].(schema.Object); ok {
			delete(c, "manager") // its $ref is not a leaf of its own
			if len(c) == 0 {
				delete(o, enterprise)
			}
		}
		got, err := rt.Parse(rt.Keys(o))
		if err != nil {
			t.Fatalf("Parse(Keys): %v", err)
		}
		delete(got, "schemas")
		if diff := gocmp.Diff(keysOf(rt, o), got); diff != "" {
			t.Fatalf("Keys (-by definition +got):\n%s", diff)
		}
	})
}
