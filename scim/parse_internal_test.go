package scim

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// Rows 106, 107: how lists of entity tags compare.
func TestRow106_TagLists(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list string
		want bool
	}{
		{`W/"7"`, true},
		{`"7"`, true},
		{`w/"7"`, true},
		{`7`, true},
		{`*`, true},
		{` * `, true},
		{`"1", W/"7"`, true},
		{`"1",W/"7","9"`, true},
		{`,, "7"`, true},
		{`"a,b", "7"`, true},
		{`"x","7`, true},
		{`W/"77"`, false},
		{`"70"`, false},
		{`""`, false},
		{`"a,7,b"`, false},
		{`"7 "`, false},
		{`W/`, false},
		{``, false},
		{`,`, false},
		{`"`, false},
	} {
		if got := matchesTag(tt.list, etag(7)); got != tt.want {
			t.Errorf("matchesTag(%q, %s) = %v, want %v", tt.list, etag(7), got, tt.want)
		}
	}
}

func FuzzMatchesTag(f *testing.F) {
	for _, s := range []string{`W/"7"`, `*`, `"a,b", W/"7"`, `"`, `,,,`, `W/W/"7"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		got := matchesTag(list, etag(7))
		if got && !strings.ContainsAny(list, "7*") {
			t.Errorf("matchesTag(%q) = true", list)
		}
		if !strings.ContainsAny(list, `"`) && !matchesTag(list+`, W/"7"`, etag(7)) {
			t.Errorf("a tag behind %q is not found", list)
		}
	})
}

// Row 73: any body either is a query or is refused with a sentence.
func FuzzSearchQuery(f *testing.F) {
	for _, body := range []string{
		`{"schemas":["` + SearchURN + `"],"filter":"a pr","count":1,"startIndex":-2,"attributes":["a,b"],"sortOrder":"descending"}`,
		`{"schemas":["` + SearchURN + `"],"cursor":"","count":"x"}`, `{}`, `{"attributes":[1]}`, `{"COUNT":1e9}`,
	} {
		f.Add(body, true)
		f.Add(body, false)
	}
	profiles := Profiles()
	f.Fuzz(func(t *testing.T, body string, loose bool) {
		o, err := schema.Decode([]byte(body), schema.Limits{Depth: 32})
		if err != nil {
			return
		}
		p := profiles[ProfileRFC]
		if loose {
			p = profiles[ProfileCompat]
		}
		q, err := searchQuery(o, &p)
		if e := AsError(err); err != nil && (e.Status != http.StatusBadRequest || e.Detail == "" || e.Type == "") {
			t.Errorf("searchQuery(%s) = %v", body, err)
		}
		for _, name := range append(q.Attributes, q.Excluded...) {
			if name == "" || strings.Contains(name, ",") {
				t.Errorf("searchQuery(%s) names %q", body, name)
			}
		}
	})
}

// Row 45: tidying never makes a path relative.
func FuzzTidy(f *testing.F) {
	for _, path := range []string{"/scim/v2/Users/", "/scim/v2/aadOptscim062020/Users.scim", "/", "/.scim", "//", "/a.scim.scim/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, Root) {
			return
		}
		if got := tidy(path); !strings.HasPrefix(got, "/") {
			t.Errorf("tidy(%q) = %q", path, got)
		}
	})
}

// Row 56: whole numbers only, and too large is as good as the largest.
func TestRow56_Integers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-1": -1, "7": 7, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64, "-99999999999999999999": math.MinInt64,
	} {
		if got, err := integer(text, "count", TypeInvalidValue); err != nil || got != want {
			t.Errorf("integer(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", " 1", "1.0", "1e2", "0x1", "one", "+-1", "1_000"} {
		_, err := integer(text, "count", TypeInvalidCount)
		if e := AsError(err); e == nil || e.Type != TypeInvalidCount || !strings.Contains(e.Detail, "count") {
			t.Errorf("integer(%q) = %v, want invalidCount that names count", text, err)
		}
	}
}

// RFC 7240 section 2: the first preference counts, unknown ones are ignored.
func TestPreference(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]Preference{
		"": PreferNothing, "return=minimal": PreferMinimal, "Return=Representation": PreferRepresentation, `return="minimal"`: PreferMinimal,
		"respond-async, wait=10, return=representation": PreferRepresentation, "return=minimal, return=representation": PreferMinimal,
		"handling=lenient; return=minimal": PreferMinimal, "return": PreferNothing, "return=all": PreferNothing, "returns=minimal": PreferNothing,
	} {
		if got := preference(http.Header{"Prefer": {value}}); got != want {
			t.Errorf("preference(%q) = %q, want %q", value, got, want)
		}
	}
	if got := preference(http.Header{"Prefer": {"wait=1", "return=minimal"}}); got != PreferMinimal {
		t.Errorf("on two lines: %q", got)
	}
}

// Rows 34, 45: what is cut from paths and what is not.
func TestRow45_Tidy(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/scim/v2/Users": "/scim/v2/Users", "/scim/v2/Users/": "/scim/v2/Users", "/scim/v2/": "/scim/v2",
		"/scim/v2/aadOptscim062020/Users/x": "/scim/v2/Users/x", "/scim/v2/AzureAdScimPatch2017/Users": "/scim/v2/Users", "/scim/v2/Users/aadOptscim062020": "/scim/v2/Users",
		"/scim/v2/Users.scim": "/scim/v2/Users", "/scim/v2/Users/x.scim": "/scim/v2/Users/x", "/scim/v2/Users/.scim": "/scim/v2/Users/.scim",
		"/scim/v2/aadOptscim0620201/Users": "/scim/v2/aadOptscim0620201/Users", "/scim/v2/Users/a%2Fb": "/scim/v2/Users/a%2Fb",
	} {
		if got := tidy(path); got != want {
			t.Errorf("tidy(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestPlausibleID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"01890000-0000-7000-8000-000000000000": true, "abc_DEF.9~": true, "": false, "a/b": false, `a\b`: false, "a b": false, "a%2Fb": false,
		"a\x00": false, "é": false, strings.Repeat("x", 129): false, "\xff": false, `a"b`: false,
	} {
		if got := plausibleID(id); got != want {
			t.Errorf("plausibleID(%q) = %v, want %v", id, got, want)
		}
	}
}

func TestNormalHost(t *testing.T) {
	t.Parallel()
	for authority, want := range map[string]string{
		"ID.Example.com": "id.example.com", "id.example.com:443": "id.example.com", "id.example.com:80": "id.example.com", "id.example.com:8443": "id.example.com:8443",
		"[::1]:443": "[::1]", "[::1]": "[::1]", "[::1]:8080": "[::1]:8080",
	} {
		if got := normalHost(authority); got != want {
			t.Errorf("normalHost(%q) = %q, want %q", authority, got, want)
		}
	}
}

// The splitter and encoding/json agree on every document.
func TestRawMembers(t *testing.T) {
	t.Parallel()
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return rapid.String().Draw(t, "string")
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int32().Draw(t, "number")
		case 3:
			return map[string]any{"value": rapid.String().Draw(t, "inner"), "}": "]\"\\"}
		}
		return []any{rapid.String().Draw(t, "element"), map[string]any{"a": []any{}}}
	})
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.MapOfN(rapid.StringMatching(`[a-z$][A-Za-z0-9:.]{0,8}`), value, 0, 6).Draw(t, "object")
		doc, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatalf("decode: %v", err)
		}
		got := map[string]json.RawMessage{}
		for _, m := range splitObject(doc) {
			got[m.name] = m.value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("splitObject(%s) (-want +got):\n%s", doc, diff)
		}
	})
}

// Row 114: only what differs, and extension attributes by their path.
func TestDiff(t *testing.T) {
	t.Parallel()
	before := `{"schemas":["a"],"id":"1","title":"x","emails":[{"value":"a"}],"urn:x:y":{"department":"D","list":[1,2]}}`
	after := `{"schemas":["a"],"id":"1","nickName":"n","emails":[{"value":"b"}],"urn:x:y":{"department":"D","division":{"a":1}}}`
	got, err := json.Marshal(diff([]byte(before), []byte(after)))
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	want := `{"before":{"emails":[{"value":"a"}],"title":"x","urn:x:y:list":[1,2]},"after":{"emails":[{"value":"b"}],"nickName":"n","urn:x:y:division":{"a":1}}}`
	if string(got) != want {
		t.Errorf("diff:\n got %s\nwant %s", got, want)
	}
	if same := diff([]byte(before), []byte(before)); len(same.Before)+len(same.After) != 0 {
		t.Errorf("diff of equal documents = %v", same)
	}
}

// Removal by id is recognised in every form that clients write it.
func TestNamedIDs(t *testing.T) {
	t.Parallel()
	reg, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	group := reg.ByName("Group")
	ref, err := group.Lookup("", "members", "", schema.Policy{})
	if err != nil {
		t.Fatalf("look up members: %v", err)
	}
	for text, want := range map[string][]string{
		`value eq "ABC"`: {"abc"}, `value eq "a" or value eq "b"`: {"a", "b"}, `(value eq "a" or value eq "b") or value eq "c"`: {"a", "b", "c"},
		`value eq "a" and type eq "User"`: nil, `value sw "a"`: nil, `display eq "a"`: nil, `value eq "a" or display eq "b"`: nil, `not (value eq "a")`: nil, `value eq null`: nil,
	} {
		e, err := filter.Parse(text, filter.Limits{}, schema.Policy{})
		if err != nil {
			t.Fatalf("parse %s: %v", text, err)
		}
		p, err := filter.BindElement(e, ref, group, schema.Policy{})
		if err != nil {
			t.Fatalf("bind %s: %v", text, err)
		}
		got, ok := namedIDs(p)
		if ok != (want != nil) || !cmp.Equal(got, want) {
			t.Errorf("namedIDs(%s) = %v, %v, want %v", text, got, ok, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Fatalf("appendString(%q) reads back as %q, %v", s, got, err)
		}
	})
	if got := string(appendString(nil, "\xff")); !json.Valid([]byte(got)) {
		t.Errorf("invalid UTF-8 gives %s", got)
	}
}

func TestLimitsDefaults(t *testing.T) {
	t.Parallel()
	l := Limits{}.withDefaults()
	want := Limits{
		Body: 1 << 20, GroupBody: 16 << 20, BulkBody: 4194304, Depth: 32, Elements: 1000, Names: 100,
		Filter: filter.Limits{Length: 8192, Comparisons: 50, Nesting: 16}, DefaultCount: 100, MaxCount: 500, CursorTimeout: 3600e9,
		BulkOperations: 1000, PatchOperations: 1000, MemberValues: 10000, Rate: 2000, Burst: 4000,
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if got := (Limits{MaxCount: 50, Rate: -1}).withDefaults(); got.DefaultCount != 50 || got.Rate != -1 {
		t.Errorf("small maximum: %+v", got)
	}
}
