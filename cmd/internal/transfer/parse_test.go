package transfer

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

func registry(tb testing.TB) *schema.Registry {
	tb.Helper()
	g, err := schema.Load(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func compat(tb testing.TB) schema.Policy {
	tb.Helper()
	p, ok := scim.ProfileByName(scim.ProfileCompat)
	if !ok {
		tb.Fatal("there is no profile compat")
	}
	return p.Policy
}

// rows reads a source to its end.
func rows(t *testing.T, s source) []rawRow {
	t.Helper()
	var out []rawRow
	for {
		row, err := s.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
}

func TestNDJSONLines(t *testing.T) {
	t.Parallel()
	got := rows(t, newNDJSONSource(strings.NewReader("\xef\xbb\xbf{\"a\":1}\r\n\n   \n{\"b\":2}")))
	want := []string{`1 {"a":1}`, `4 {"b":2}`}
	var lines []string
	for _, r := range got {
		lines = append(lines, string(rune('0'+r.line))+" "+string(r.json))
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A line that is too long is rejected with its number; the next one is read.
func TestOverlongLine(t *testing.T) {
	t.Parallel()
	long := io.MultiReader(strings.NewReader("{}\n"), io.LimitReader(endless('x'), maxLine+10), strings.NewReader("\n{\"c\":3}\n"))
	got := rows(t, newNDJSONSource(long))
	if len(got) != 3 || !errors.Is(got[1].err, errLongLine) || got[1].line != 2 || string(got[2].json) != `{"c":3}` || got[2].line != 3 {
		t.Errorf("got %d rows, second %v", len(got), got[1].err)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestDocumentSaysWhatItIs(t *testing.T) {
	t.Parallel()
	p := parser{registry: registry(t)}
	tests := []struct{ name, row, typ, fault string }{
		{"by schemas", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"a"}`, "Group", ""},
		{"by schemas ignoring case", `{"SCHEMAS":["URN:ietf:params:scim:schemas:core:2.0:USER"],"userName":"a"}`, "User", ""},
		{"meta wins", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"meta":{"resourceType":"Group"},"displayName":"a"}`, "Group", ""},
		{"by userName", `{"username":"a"}`, "User", ""},
		{"unknown type", `{"meta":{"resourceType":"Robot"},"userName":"a"}`, "", "Robot"},
		{"nothing", `{"displayName":"a"}`, "", "does not say what it is"},
		{"no key", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"title":"a"}`, "User", "no userName or externalId"},
		{"no JSON", `{"userName":"a"`, "", "invalidSyntax"},
		{"two documents", `{"userName":"a"}{"userName":"b"}`, "", "invalidSyntax"},
		{"members of a wrong form", `{"meta":{"resourceType":"Group"},"displayName":"a","members":"x"}`, "Group", "members must be an array"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			it := p.parse(rawRow{line: 1, json: []byte(tt.row)})
			if tt.fault != "" {
				if it.err == nil || !strings.Contains(it.err.Error(), tt.fault) {
					t.Errorf("parse = %v, want a fault with %q", it.err, tt.fault)
				}
				return
			}
			if it.err != nil || it.typ.Name != tt.typ {
				t.Errorf("parse = %v, %v, want %s", it.typ, it.err, tt.typ)
			}
		})
	}
}

func TestGroupRowKeepsMembersApart(t *testing.T) {
	t.Parallel()
	p := parser{registry: registry(t)}
	it := p.parse(rawRow{json: []byte(`{"meta":{"resourceType":"Group"},"displayName":"a","Members":[{"value":"x"},"y"]}`)})
	if it.err != nil {
		t.Fatal(it.err)
	}
	if _, there := find(it.body, "members"); there || !it.hasMembers || len(it.members) != 2 {
		t.Errorf("body %v, members %v", it.body, it.members)
	}
	if memberName(it.members[0]) != "x" || memberName(it.members[1]) != "y" {
		t.Errorf("members %v", it.members)
	}
}

// readCSV reads a header and one row and returns the body as JSON, the PATCH
// paths and the fault.
func readCSV(t *testing.T, text string) (body string, changes []string, fault error) {
	t.Helper()
	src, header, err := newCSVSource(strings.NewReader(text))
	if err != nil {
		return "", nil, err
	}
	g := registry(t)
	tab, err := newTable(header, g.ByName("User"), compat(t))
	if err != nil {
		return "", nil, err
	}
	p := parser{registry: g, table: tab}
	it := p.parse(rows(t, src)[0])
	if it.err != nil {
		return "", nil, it.err
	}
	doc, err := json.Marshal(it.body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range it.changes {
		o, _ := c.(schema.Object)
		changes = append(changes, text2(o, "op")+" "+text2(o, "path"))
	}
	return string(doc), changes, nil
}

func text2(o schema.Object, key string) string {
	s, _ := o[key].(string)
	return s
}

func TestCSVRow(t *testing.T) {
	t.Parallel()
	body, changes, err := readCSV(t, `userName,name.givenName,title,"emails[type eq ""work""].value","emails[type eq ""work""].primary","phoneNumbers[type eq ""mobile""]",active,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value
ann,Ann,,ann@example.org,TRUE,+491,false,0190-boss
`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"active":false,"emails":[{"primary":true,"type":"work","value":"ann@example.org"}],"name":{"givenName":"Ann"},` +
		`"phoneNumbers":[{"type":"mobile","value":"+491"}],` +
		`"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"0190-boss"}},"userName":"ann"}`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	wantChanges := []string{
		"replace userName", "replace name.givenName", "remove title", `replace emails[type eq "work"].value`,
		`replace emails[type eq "work"].primary`, `replace phoneNumbers[type eq "mobile"].value`, "replace active",
		"replace urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
	}
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// A password is taken with its blanks, and an empty field does not remove it.
func TestCSVPassword(t *testing.T) {
	t.Parallel()
	body, changes, err := readCSV(t, "userName,password\nann, two blanks \n")
	if err != nil || !strings.Contains(body, `"password":" two blanks "`) || len(changes) != 2 {
		t.Errorf("readCSV = %s, %v, %v", body, changes, err)
	}
	body, changes, err = readCSV(t, "userName,password\nann,\n")
	if err != nil || strings.Contains(body, "password") || len(changes) != 1 {
		t.Errorf("readCSV = %s, %v, %v", body, changes, err)
	}
}

func TestCSVFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"unnamed column", "userName,\na,b\n", "column 2"},
		{"whole complex", "userName,name\na,b\n", "is complex"},
		{"several values", "userName,emails.value\na,b\n", "name one of them"},
		{"other brackets", "userName,\"emails[type sw \"\"w\"\"].value\"\na,b\n", "only eq terms"},
		{"read-only", "userName,groups\na,b\n", "read-only"},
		{"extension container", "userName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\na,b\n", "column 2"},
		{"twice", "userName,USERNAME\na,b\n", "stands twice"},
		{"no boolean", "userName,active\na,2\n", "wants true or false"},
		{"short row", "userName,title\na\n", "the row has 1 fields, the header 2"},
		{"bare quotes", "userName,emails[type eq \"work\"].value\na,b\n", `write it as "emails[type eq ""work""].value"`},
		{"open quote", "userName,title\na,\"b\n", "not CSV"},
		{"no key", "userName,title\n,b\n", "no userName or externalId"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := readCSV(t, tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("readCSV = %v, want a fault with %q", err, tt.want)
			}
		})
	}
}

// FuzzNDJSON: no line panics, and a line that parses says how to find its
// resource.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		`{"userName":"a"}`, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"a","members":[{"value":"x"}]}`,
		`{"meta":{"resourceType":"User"},"externalId":"e"}`, `[]`, `{"members":null,"id":"01890A5D-ac96-774b-bcce-b302099a8057","userName":1}`, "\xef\xbb\xbf{}\n\n{",
	} {
		f.Add([]byte(seed))
	}
	p := parser{registry: registry(f)}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newNDJSONSource(strings.NewReader(string(text)))
		last := 0
		for {
			row, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("next: %v", err)
			}
			if row.line <= last {
				t.Fatalf("line %d after %d", row.line, last)
			}
			last = row.line
			it := p.parse(row)
			if it.err == nil && (it.typ == nil || len(it.keys()) == 0) {
				t.Fatalf("%q parsed without type or key", row.json)
			}
		}
	})
}

// FuzzCSV: no header and no row panics; a row that parses has one change for
// each column that is not a key of its own, and a document of JSON.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"userName,name.givenName\na,b\n", "userName,\"emails[type eq \"\"work\"\"].value\"\na,b\n", "id,userName,active\nx,y,true\n",
		"userName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department\na,\n", "\"", "userName\n\"a\n",
	} {
		f.Add(seed)
	}
	g, policy := registry(f), compat(f)
	f.Fuzz(func(t *testing.T, text string) {
		src, header, err := newCSVSource(strings.NewReader(text))
		if err != nil {
			return
		}
		tab, err := newTable(header, g.ByName("User"), policy)
		if err != nil {
			return
		}
		p := parser{registry: g, table: tab}
		for {
			row, err := src.next()
			if err != nil {
				return
			}
			it := p.parse(row)
			if it.err != nil {
				continue
			}
			if _, err := json.Marshal(it.body); err != nil {
				t.Fatalf("row %q gives %v", row.fields, err)
			}
			if len(it.changes) > len(tab.columns) {
				t.Fatalf("%d changes of %d columns", len(it.changes), len(tab.columns))
			}
		}
	})
}

func BenchmarkParseNDJSON(b *testing.B) {
	p := parser{registry: registry(b)}
	line := []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"e1","userName":"ann@example.org","name":{"givenName":"Ann","familyName":"Example"},"emails":[{"value":"ann@example.org","type":"work","primary":true}],"active":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if it := p.parse(rawRow{line: 1, json: line}); it.err != nil {
			b.Fatal(it.err)
		}
	}
}
