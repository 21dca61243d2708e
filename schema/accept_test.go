package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

const (
	coreUser   = `"schemas":["` + schema.UserURN + `"],"userName":"bjensen"`
	enterprise = schema.EnterpriseUserURN
	second     = schema.SecondFactorURN
)

// wantDoc accepts a body and compares the canonical document, without schemas.
func wantDoc(t *testing.T, rt *schema.ResourceType, body string, p schema.Policy, want string) {
	t.Helper()
	o := accept(t, rt, body, p)
	got := decode(t, string(rt.Encode(o)))
	delete(got, "schemas")
	if diff := cmp.Diff(decode(t, want), got); diff != "" {
		t.Errorf("Accept(%s) (-want +got):\n%s", body, diff)
	}
}

// wantRefused accepts a body and wants a fault.
func wantRefused(t *testing.T, rt *schema.ResourceType, body string, p schema.Policy, code schema.Code, path string) {
	t.Helper()
	_, _, err := rt.Accept(decode(t, body), p, schema.Limits{})
	if err == nil {
		t.Errorf("Accept(%s) = nil, want %s at %s", body, code, path)
		return
	}
	wantFault(t, err, code, path)
}

func schemasOf(t *testing.T, rt *schema.ResourceType, body string, p schema.Policy) string {
	t.Helper()
	return strings.Join(rt.SchemaURNs(accept(t, rt, body, p)), " ")
}

// TestSchemasByContent covers rows 1, 2 and 4: "schemas" is checked on input and
// set by content on output, and URNs are compared ignoring case.
func TestSchemasByContent(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for _, tt := range []struct{ name, body string }{
		{"missing", `{"userName":"b"}`},
		{"null", `{"schemas":null,"userName":"b"}`},
		{"empty", `{"schemas":[],"userName":"b"}`},
		{"string", `{"schemas":"` + schema.UserURN + `","userName":"b"}`},
		{"number inside", `{"schemas":["` + schema.UserURN + `",7],"userName":"b"}`},
		{"core missing", `{"schemas":["` + enterprise + `"],"userName":"b"}`},
		{"unknown", `{"schemas":["` + schema.UserURN + `","urn:x:y"],"userName":"b"}`},
		{"other type", `{"schemas":["` + schema.UserURN + `","` + schema.GroupURN + `"],"userName":"b"}`},
		{"twice in other case", `{"schemas":["` + schema.UserURN + `","` + strings.ToUpper(schema.UserURN) + `"],"userName":"b"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, u, tt.body, rfc, schema.InvalidSyntax, "schemas")
			// Clients of profile compat leave it out or add URNs of their own.
			accept(t, u, tt.body, compat)
		})
	}
	core := schema.UserURN
	for _, tt := range []struct {
		name, body string
		policy     schema.Policy
		want       string
	}{
		{"order does not matter", `{"schemas":["` + enterprise + `","` + core + `"],"userName":"b","` + enterprise + `":{"department":"x"}}`, rfc, core + " " + enterprise},
		{"upper case", `{"schemas":["` + strings.ToUpper(core) + `"],"userName":"b","` + strings.ToUpper(enterprise) + `":{"DEPARTMENT":"x"}}`, rfc, core + " " + enterprise},
		{"URN without data", `{"schemas":["` + core + `","` + enterprise + `"],"userName":"b"}`, rfc, core},
		{"empty container", `{"schemas":["` + core + `","` + enterprise + `"],"userName":"b","` + enterprise + `":{}}`, rfc, core},
		{"container of nulls", `{"schemas":["` + core + `"],"userName":"b","` + enterprise + `":{"department":null,"manager":[]}}`, rfc, core},
		{"container of read-only values", `{"schemas":["` + core + `"],"userName":"b","` + second + `":{"accountVerified":true}}`, rfc, core},
		{"inferred", `{"userName":"b","` + enterprise + `":{"department":"x"}}`, compat, core + " " + enterprise},
		{"malformed URN of a large client", `{"schemas":["` + core + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"b"}`, compat, core},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := schemasOf(t, u, tt.body, tt.policy); got != tt.want {
				t.Errorf("SchemaURNs = %q, want %q", got, tt.want)
			}
			o := accept(t, u, tt.body, tt.policy)
			if got := decode(t, string(u.Encode(o)))["schemas"]; fmt.Sprint(got) != fmt.Sprint(o["schemas"]) {
				t.Errorf("Encode has schemas %v, the Object %v", got, o["schemas"])
			}
		})
	}
}

// TestRow03_NamesIgnoreCase: names are taken in any case and come out canonical.
func TestRow03_NamesIgnoreCase(t *testing.T) {
	t.Parallel()
	u := userType(t)
	wantDoc(t, u, `{"SCHEMAS":["`+schema.UserURN+`"],"USERNAME":"b","Name":{"GIVENNAME":"B"},"eMails":[{"Value":"x@y","PRIMARY":true}]}`,
		rfc, `{"userName":"b","name":{"givenName":"B"},"emails":[{"value":"x@y","primary":true}]}`)
}

// TestNullEqualsAbsent covers rows 5, 6 and 98: null, [] and absent are the same
// state, "" only where the policy says so, and nothing empty is ever written.
func TestNullEqualsAbsent(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for _, empty := range []string{`null`, `[]`, `{}`, `[null]`, `[{}]`, `[{"value":null}]`, `[[]]`} {
		wantDoc(t, u, `{`+coreUser+`,"emails":`+empty+`}`, rfc, `{"userName":"bjensen"}`)
	}
	for _, empty := range []string{`null`, `{}`, `{"givenName":null}`, `[]`} {
		wantDoc(t, u, `{`+coreUser+`,"name":`+empty+`}`, rfc, `{"userName":"bjensen"}`)
	}
	wantDoc(t, u, `{`+coreUser+`,"title":""}`, rfc, `{"userName":"bjensen","title":""}`)
	wantDoc(t, u, `{`+coreUser+`,"title":"","active":"","emails":"","name":"","roles":[""],"`+enterprise+`":{"manager":""}}`,
		compat, `{"userName":"bjensen"}`)
}

// TestRow07_ServerValuesIgnored covers rows 7, 9, 21 and 27: what only the server
// sets is dropped from a body without a word.
func TestRow07_ServerValuesIgnored(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := `{` + coreUser + `,"id":"mine","externalId":"E1","meta":{"resourceType":"User","version":"W/\"9\"","x":1},
		"groups":[{"value":"g"}],"` + enterprise + `":{"manager":{"value":"m","$ref":"http://evil/","displayName":"Boss"}},
		"` + second + `":{"accountVerified":true,"secondFactorEmail":"a@b"}}`
	want := `{"userName":"bjensen","externalId":"E1","` + enterprise + `":{"manager":{"value":"m","$ref":"../Users/m"}},
		"` + second + `":{"secondFactorEmail":"a@b"}}`
	for name, p := range map[string]schema.Policy{"rfc": rfc, "strict": strict, "compat": compat} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantDoc(t, u, body, p, want)
		})
	}
}

// TestRow14_Types: every data type is checked, and every fault is reported at
// once under the name of its attribute.
func TestRow14_Types(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	head := `{"schemas":["` + deviceURN + `"],"name":"d"`
	good := map[string][]string{
		"enabled":     {`true`, `false`},
		"count":       {`0`, `-0`, `-12`, `123456789012345678901234567890`},
		"weight":      {`1`, `-1.50`, `2e-3`, `1E+400`},
		"purchased":   {`"2011-05-13T04:42:34Z"`, `"2011-05-13T04:42:34.123456789+02:00"`, `"2011-05-13T04:42:34"`, `"2024-02-29T24:00:00-14:00"`},
		"fingerprint": {`"AA=="`, `"-_8="`, `"+/8="`},
		"manual":      {`"https://x.example/a%20b?c#d"`, `"../Users/1"`, `"urn:x:y"`, `"https://x.example/ü"`},
		"tags":        {`["a","b"]`},
		"ports":       {`[{"value":1,"protocols":["a"]}]`},
		"owner":       {`{"value":"x"}`},
	}
	bad := map[string][]string{
		"name":        {`7`, `true`, `{"value":"x"}`, `["x"]`},
		"enabled":     {`"true"`, `"True"`, `1`, `[true]`},
		"count":       {`1.0`, `1e3`, `"1"`, `true`},
		"weight":      {`"1"`, `1e9999999999`, `1e99999999999999999999`},
		"purchased":   {`"2011-05-13"`, `"2011-13-13T04:42:34Z"`, `"2011-02-29T00:00:00Z"`, `"2011-05-13 04:42:34Z"`, `"2011-05-13T04:42:34z"`, `"2011-05-13T04:42:34+0200"`, `"2011-05-13T04:42:34+15:00"`, `"2011-05-13T24:00:01Z"`, `"2011-05-13T04:42:34.Z"`, `"2011-05-13T04:60:34Z"`, `"0000-05-13T04:42:34Z"`, `"20a1-05-13T04:42:34Z"`, `1305261754`},
		"fingerprint": {`"AA"`, `"A==="`, `"AB=="`, `"+_8="`, `"A A="`, `"AA\n=="`},
		"manual":      {`"a b"`, `"<x>"`, `"%zz"`, `"%4"`, `"\u0007"`, `""`},
		"tags":        {`"a"`, `[1]`, `[["a"]]`},
		"owner":       {`"x"`, `[{"value":"x"}]`},
		"ports":       {`{"value":1}`, `["x"]`},
	}
	for name, values := range good {
		for _, v := range values {
			accept(t, rt, head+`,"`+name+`":`+v+`}`, rfc)
		}
	}
	for name, values := range bad {
		for _, v := range values {
			body := head + `,"` + name + `":` + v + `}`
			if name == "name" {
				body = `{"schemas":["` + deviceURN + `"],"name":` + v + `}`
			}
			wantRefused(t, rt, body, rfc, schema.InvalidValue, name)
		}
	}
	_, _, err := rt.Accept(decode(t, head+`,"enabled":"x","count":1.5,"owner":{"value":3},"ports":[{"value":"a"},{"primary":1}]}`), rfc, schema.Limits{})
	var paths []string
	for _, e := range faults(t, err) {
		paths = append(paths, e.Path)
	}
	if diff := cmp.Diff([]string{"count", "enabled", "owner.value", "ports.primary", "ports.value"}, paths); diff != "" {
		t.Errorf("paths of all faults (-want +got):\n%s", diff)
	}
}

// TestRow18_ValuesComeBackAsSent: nothing is reformatted.
func TestRow18_ValuesComeBackAsSent(t *testing.T) {
	t.Parallel()
	u := userType(t)
	wantDoc(t, u, `{`+coreUser+`,"phoneNumbers":[{"value":" +1 (555) 0100 ","type":"WORK"}],"displayName":"B\u0061\u0308rbel"}`, rfc,
		`{"userName":"bjensen","phoneNumbers":[{"value":" +1 (555) 0100 ","type":"WORK"}],"displayName":"Ba\u0308rbel"}`)
}

func TestRow25_StandardsOnlyInStrict(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := func(locale, zone, country string) string {
		return fmt.Sprintf(`{%s,"locale":%q,"timezone":%q,"addresses":[{"country":%q}]}`, coreUser, locale, zone, country)
	}
	accept(t, u, body("en-US", "America/Los_Angeles", "US"), strict)
	accept(t, u, body("English", "Pacific Standard Time", "United States"), compat)
	accept(t, u, body("English", "Pacific Standard Time", "United States"), rfc)
	for _, locale := range []string{"English (US)", "en_US", "-"} {
		wantRefused(t, u, body(locale, "UTC", "US"), strict, schema.InvalidValue, "locale")
	}
	for _, zone := range []string{"Pacific Standard Time", "Local", "../../etc/passwd", "/etc/localtime"} {
		wantRefused(t, u, body("en", zone, "US"), strict, schema.InvalidValue, "timezone")
	}
	for _, country := range []string{"United States", "USA", "us", "UK", "ZZ", "EU", "150"} {
		wantRefused(t, u, body("en", "UTC", country), strict, schema.InvalidValue, "addresses.country")
	}
}

func TestRow96_StringBooleans(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for text, want := range map[string]string{"True": "true", "false": "false", "FALSE": "false"} {
		body := `{` + coreUser + `,"active":"` + text + `"}`
		wantDoc(t, u, body, compat, `{"userName":"bjensen","active":`+want+`}`)
		wantRefused(t, u, body, rfc, schema.InvalidValue, "active")
	}
	wantRefused(t, u, `{`+coreUser+`,"active":"yes"}`, compat, schema.InvalidValue, "active")
	// Only boolean attributes are coerced.
	wantDoc(t, u, `{`+coreUser+`,"title":"True"}`, compat, `{"userName":"bjensen","title":"True"}`)
}

func TestRow97_LooseShapes(t *testing.T) {
	t.Parallel()
	u, g := userType(t), groupType(t)
	manager := func(v string) string { return `{` + coreUser + `,"` + enterprise + `":{"manager":` + v + `}}` }
	want := `{"userName":"bjensen","` + enterprise + `":{"manager":{"value":"m1","$ref":"../Users/m1"}}}`
	for _, v := range []string{`"m1"`, `["m1"]`, `[{"value":"m1","$ref":"https://x/Users/m1"}]`} {
		wantDoc(t, u, manager(v), compat, want)
		wantRefused(t, u, manager(v), rfc, schema.InvalidValue, enterprise+":manager")
	}
	for _, p := range []schema.Policy{rfc, compat} {
		wantDoc(t, u, manager(`{"value":"m1"}`), p, want)
		wantDoc(t, u, manager(`{"$ref":"https://x/Users/m1"}`), p, want)
	}
	wantRefused(t, u, manager(`["a","b"]`), compat, schema.InvalidValue, enterprise+":manager")

	for attr, body := range map[string]string{
		"emails": `"x@y"`, "roles": `["x@y"]`, "x509Certificates": `"AA=="`, "entitlements": `[{"value":"x"}]`,
	} {
		o := accept(t, u, `{`+coreUser+`,"`+attr+`":`+body+`}`, compat)
		list, ok := o[attr].([]any)
		if !ok || len(list) != 1 || list[0].(schema.Object)["value"] == nil {
			t.Errorf("%s = %v, want one element with a value", attr, o[attr])
		}
	}
	wantRefused(t, u, `{`+coreUser+`,"x509Certificates":"no base64"}`, compat, schema.InvalidValue, "x509Certificates.value")
	wantRefused(t, u, `{`+coreUser+`,"name":"Barbara"}`, compat, schema.InvalidValue, "name")

	o := accept(t, g, `{"displayName":"g","members":["u1",{"value":"u2","$ref":null,"display":"dropped"}]}`, compat)
	wantMembers := []any{schema.Object{"value": "u1"}, schema.Object{"value": "u2"}}
	if diff := cmp.Diff(wantMembers, o["members"]); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestRow100_UnknownAttributes(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := `{` + coreUser + `,"shoeSize":7,"name":{"nick":"x","givenName":"B"},"urn:x:y:z":{"a":1},"` + enterprise + `":{"rank":1},"` + enterprise + `:grade":2}`
	o, report, err := u.Accept(decode(t, body), rfc, schema.Limits{})
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	want := []string{"name.nick", "shoeSize", enterprise + ":grade", enterprise + ":rank", "urn:x:y:z"}
	if diff := cmp.Diff(want, report.Dropped); diff != "" {
		t.Errorf("Dropped (-want +got):\n%s", diff)
	}
	if _, ok := o["shoeSize"]; ok {
		t.Error("an unknown attribute is kept")
	}
	_, _, err = u.Accept(decode(t, body), schema.Policy{UnknownInBody: schema.UnknownInvalidPath}, schema.Limits{})
	for _, path := range want {
		wantFault(t, err, schema.InvalidPath, path)
		wantRefused(t, u, body, strict, schema.InvalidSyntax, path)
	}
}

// TestRow94_ExtensionSpellings: container, flattened key, and name without URN.
func TestRow94_ExtensionSpellings(t *testing.T) {
	t.Parallel()
	u := userType(t)
	want := `{"userName":"bjensen","` + enterprise + `":{"department":"D","manager":{"value":"m","$ref":"../Users/m"}}}`
	wantDoc(t, u, `{`+coreUser+`,"`+enterprise+`":{"department":"D","manager":{"value":"m"}}}`, rfc, want)
	wantDoc(t, u, `{`+coreUser+`,"`+enterprise+`:department":"D","`+strings.ToUpper(enterprise)+`:MANAGER":{"value":"m"}}`, rfc, want)
	wantDoc(t, u, `{`+coreUser+`,"department":"D","manager":{"value":"m"}}`, compat, want)
	wantDoc(t, u, `{`+coreUser+`,"department":"D","manager":{"value":"m"}}`, rfc, `{"userName":"bjensen"}`)
	wantDoc(t, u, `{`+coreUser+`,"`+schema.UserURN+`:title":"T"}`, rfc, `{"userName":"bjensen","title":"T"}`)
	// A large client's create: the core-level spelling is null, the container has the value.
	wantDoc(t, u, `{`+coreUser+`,"department":null,"manager":null,"`+enterprise+`":{"department":"D","manager":{"value":"m"}}}`, compat, want)
	wantRefused(t, u, `{`+coreUser+`,"department":"E","`+enterprise+`":{"department":"D"}}`, compat, schema.InvalidValue, enterprise+":department")
	wantRefused(t, u, `{`+coreUser+`,"`+enterprise+`":"D"}`, rfc, schema.InvalidValue, enterprise)
}

// TestSecondFactorNamesWithoutURN: accepted in every profile, in bodies and
// paths; the same name with two values is invalidValue.
func TestSecondFactorNamesWithoutURN(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for _, p := range []schema.Policy{rfc, compat, strict} {
		wantDoc(t, u, `{`+coreUser+`,"SecondFactorEnabled":true,"secondFactorEmail":"a@b","secondFactorPhoneNumber":"+15125550100","accountVerified":true}`, p,
			`{"userName":"bjensen","`+second+`":{"secondFactorEnabled":true,"secondFactorEmail":"a@b","secondFactorPhoneNumber":"+15125550100"}}`)
		wantDoc(t, u, `{`+coreUser+`,"secondFactorEmail":"a@b","`+second+`":{"secondFactorEmail":"a@b"}}`, p,
			`{"userName":"bjensen","`+second+`":{"secondFactorEmail":"a@b"}}`)
		wantRefused(t, u, `{`+coreUser+`,"secondFactorEmail":"a@b","`+second+`":{"secondFactorEmail":"c@d"}}`, p, schema.InvalidValue, second+":secondFactorEmail")
	}
}

func TestRow20_PasswordRefusedInStrict(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := `{` + coreUser + `,"password":"t1meMa$heen"}`
	if o := accept(t, u, body, rfc); o["password"] != "t1meMa$heen" {
		t.Errorf("password = %v, want it for the caller to hash", o["password"])
	}
	_, _, err := u.Accept(decode(t, body), strict, schema.Limits{})
	wantFault(t, err, schema.InvalidValue, "password")
	if strings.Contains(err.Error(), "t1meMa$heen") {
		t.Errorf("error %q contains the password", err)
	}
}

func TestAcceptLimitsElements(t *testing.T) {
	t.Parallel()
	l := schema.Limits{MaxElements: 3}
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`{"value":"x"},`, n), ",") + "]" }
	u, g := userType(t), groupType(t)
	for n, ok := range map[int]bool{3: true, 4: false} {
		_, _, err := u.Accept(decode(t, `{`+coreUser+`,"emails":`+list(n)+`}`), rfc, l)
		if ok != (err == nil) {
			t.Errorf("Accept of %d elements = %v", n, err)
		}
		if !ok {
			wantFault(t, err, schema.InvalidValue, "emails")
		}
	}
	if _, _, err := g.Accept(decode(t, `{"schemas":["`+schema.GroupURN+`"],"displayName":"g","members":`+list(50)+`}`), rfc, l); err != nil {
		t.Errorf("Accept of 50 members = %v, want nil: relations have limits of their own", err)
	}
	o := accept(t, u, `{`+coreUser+`,"emails":`+list(4)+`}`, rfc)
	wantFault(t, u.CheckLimits(o, l), schema.InvalidValue, "emails")
	if err := u.CheckLimits(o, schema.Limits{}); err != nil {
		t.Errorf("CheckLimits without a limit = %v", err)
	}
}

func TestCleared(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := `{"title":null,"emails":[],"NickName":"","userName":"x","shoeSize":null,"department":null,"secondFactorEmail":null,
		"` + enterprise + `":{"division":null,"costCenter":"c"},"` + enterprise + `:organization":null,"` + second + `":null}`
	var got []string
	for _, r := range u.Cleared(decode(t, body), compat) {
		got = append(got, r.String())
	}
	want := []string{
		"emails", "nickName", "title", enterprise + ":department", enterprise + ":division", enterprise + ":organization",
		second, second + ":secondFactorEmail",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Cleared (-want +got):\n%s", diff)
	}
	if got := u.Cleared(decode(t, `{"nickName":"","department":null}`), rfc); len(got) != 0 {
		t.Errorf("Cleared under rfc = %v, want none", got)
	}
}

// TestEmptyExtensionClearsNothing: a container without members names no
// attribute, so it asks for nothing to be taken away.
func TestEmptyExtensionClearsNothing(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for _, body := range []string{`{"` + second + `":{}}`, `{"` + enterprise + `":{}}`} {
		if got := u.Cleared(decode(t, body), compat); len(got) != 0 {
			t.Errorf("Cleared(%s) = %v, want none", body, got)
		}
	}
}

// TestAcceptDoesNotChangeItsInput: callers still need the body as sent.
func TestAcceptDoesNotChangeItsInput(t *testing.T) {
	t.Parallel()
	u := userType(t)
	in, before := decode(t, fullUser), decode(t, fullUser)
	o := accept(t, u, fullUser, rfc)
	if _, _, err := u.Accept(in, compat, schema.Limits{}); err != nil {
		t.Fatal(err)
	}
	o["name"].(schema.Object)["givenName"] = "changed"
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("input changed (-before +after):\n%s", diff)
	}
}
