package filter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// TestFilterUnknownAttribute proves rows 67 and 68: an unknown attribute is 400
// invalidFilter at a resource type, absent at the root, and never ignored.
func TestFilterUnknownAttribute(t *testing.T) {
	t.Parallel()
	types := load(t)
	unknown := []string{
		`foo eq "x"`, `foo pr`, `foo eq null`, `foo[bar pr]`, `emails.foo pr`, `emails[foo pr]`, `emails[type pr].foo pr`,
		`emails[value.x pr]`, `emails[urn:x:y pr]`, `userName.x pr`, `meta.foo pr`, `urn:unknown:User:userName pr`,
		`userName eq "x" or foo eq "x"`, `foo eq "x" and userName eq "x"`, `not (foo pr)`,
		`urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr`, `members pr`, `value pr`,
		enterprise + `:foo pr`, enterprise + `:userName pr`, enterprise + ` pr`, `department pr`, `manager pr`,
	}
	for _, text := range unknown {
		fault := bindError(t, text, types.user, schema.Policy{})
		if fault.Code != schema.InvalidFilter {
			t.Errorf("Bind(%q): code %s, want invalidFilter", text, fault.Code)
		}
		if fault.Path == "" {
			t.Errorf("Bind(%q): the error names no attribute: %s", text, fault.Detail)
		}
	}
}

// TestRow67_RootTreatsUnknownAsAbsent: what one type lacks is absent there.
func TestRow67_RootTreatsUnknownAsAbsent(t *testing.T) {
	t.Parallel()
	types := load(t)
	tests := []struct {
		filter string
		want   string // canonical, for a Group
	}{
		{`userName eq "x"`, `false`},
		{`userName ne "x"`, `true`},
		{`userName pr`, `false`},
		{`userName eq null`, `true`},
		{`userName ne null`, `false`},
		{`not (userName eq "x")`, `true`},
		{`userName eq "x" or displayName eq "Y"`, `displayName eq "y"`},
		{`displayName eq "Y" or userName eq "x"`, `displayName eq "y"`},
		{`userName eq "x" and displayName eq "Y"`, `false`},
		{`displayName eq "Y" and userName eq "x"`, `false`},
		{`userName ne "x" and displayName eq "Y"`, `displayName eq "y"`},
		{`displayName eq "Y" and userName ne "x"`, `displayName eq "y"`},
		{`userName ne "x" or displayName eq "Y"`, `true`},
		{`displayName eq "Y" or userName ne "x"`, `true`},
		{`emails[type eq "work"]`, `false`},
		{`emails[type eq "work"].value ne "x"`, `false`},
		{`not (emails[type eq "work"])`, `true`},
		{`members[foo eq "x"]`, `false`},
		{`members[foo ne "x"]`, `members pr`},
		{`members[foo ne "x" and type eq "User"]`, `members[type eq "user"]`},
		{`members[type eq "User"].foo ne "x"`, `members[type eq "user"]`},
		{`members.foo eq "x"`, `false`},
		{`meta.resourceType eq Group`, `meta.resourceType eq "Group"`},
		{enterprise + `:department eq "x"`, `false`},
	}
	for _, tt := range tests {
		p, err := filter.BindRoot(mustParse(t, tt.filter, schema.Policy{}), types.group, schema.Policy{})
		if err != nil {
			t.Errorf("BindRoot(%q): %v", tt.filter, err)
			continue
		}
		if got := filter.Print(p); got != tt.want {
			t.Errorf("BindRoot(%q) = %s, want %s", tt.filter, got, tt.want)
		}
	}
}

// TestRow68_RootStillChecks: at the root too a fault is a fault.
func TestRow68_RootStillChecks(t *testing.T) {
	t.Parallel()
	types := load(t)
	tests := []struct {
		filter string
		rt     *schema.ResourceType
		policy schema.Policy
		code   schema.Code
	}{
		{`active gt true`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`userName eq 7`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`foo gt null`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`foo pr and active gt true`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`foo ne "x" or active gt true`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`password pr`, types.user, schema.Policy{}, schema.Sensitive},
		{`foo eq "x" and password sw "a"`, types.user, schema.Policy{}, schema.Sensitive},
		{enterprise + ` pr`, types.user, schema.Policy{}, schema.InvalidFilter},
		{`shade pr`, types.device, compat(), schema.InvalidFilter},
		{`label[value pr]`, types.device, schema.Policy{}, schema.InvalidFilter},
	}
	for _, tt := range tests {
		p, err := filter.BindRoot(mustParse(t, tt.filter, tt.policy), tt.rt, tt.policy)
		if err == nil {
			t.Errorf("BindRoot(%q) = %s, want %s", tt.filter, filter.Print(p), tt.code)
			continue
		}
		if fault := asFault(t, tt.filter, err); fault.Code != tt.code {
			t.Errorf("BindRoot(%q): code %s, want %s", tt.filter, fault.Code, tt.code)
		}
	}
}

// TestBareExtensionNames: the row "extension attribute without its URN".
func TestBareExtensionNames(t *testing.T) {
	t.Parallel()
	types := load(t)
	tests := []struct {
		filter string
		rt     *schema.ResourceType
		want   string
	}{
		{`department eq "Tour"`, types.user, enterprise + `:department eq "tour"`},
		{`id eq "a" and manager eq "B"`, types.user, `(id eq "a" and ` + enterprise + `:manager.value eq "b")`},
		{`manager.value eq "B"`, types.user, enterprise + `:manager.value eq "b"`},
		{`manager[value eq "B"]`, types.user, enterprise + `:manager[value eq "b"]`},
		{`alone pr`, types.device, `urn:example:ext:1.0:A:alone pr`},
		{`urn:example:ext:1.0:a:SHADE pr`, types.device, `urn:example:ext:1.0:A:shade pr`},
	}
	for _, tt := range tests {
		if got := filter.Print(mustBind(t, tt.filter, tt.rt, compat())); got != tt.want {
			t.Errorf("Bind(%q) = %s, want %s", tt.filter, got, tt.want)
		}
	}
	fault := bindError(t, `shade pr`, types.device, compat())
	if fault.Code != schema.InvalidFilter || !strings.Contains(fault.Detail, "urn:example:ext:1.0:A:shade") {
		t.Errorf("Bind(shade pr) = %+v, want invalidFilter that shows the full name", fault)
	}
	// The second-factor names stand without URN under every policy.
	got := filter.Print(mustBind(t, `secondFactorEnabled eq true`, types.user, schema.Policy{}))
	if want := schema.SecondFactorURN + `:secondFactorEnabled eq "true"`; got != want {
		t.Errorf("Bind(secondFactorEnabled eq true) = %s, want %s", got, want)
	}
}

// TestFilterSensitive proves row 29 and row 20: nothing that is writeOnly or
// never returned can be guessed by a filter, in any spelling.
func TestFilterSensitive(t *testing.T) {
	t.Parallel()
	types := load(t)
	tests := []struct {
		rt      *schema.ResourceType
		filters []string
	}{
		{types.user, []string{
			`password eq "x"`, `password sw "x"`, `PASSWORD pr`, `password eq null`, `password ne "x"`, `not (password pr)`,
			`password eq 7`, `password gt "a"`, schema.UserURN + `:password pr`, `userName pr or password co "x"`,
			`password[value sw "x"]`,
		}},
		{types.device, []string{
			`secret sw "a"`, `hint eq "x"`, `hint pr`, `vault.value eq "x"`, `vault eq "x"`, `vault pr`, `vault eq null`,
			`vault[value sw "a"]`, `ports.token sw "a"`, `ports[token sw "a"]`, `ports[number eq 1].token pr`,
			`ports[number eq 1 and not (token eq null)]`,
		}},
	}
	for _, tt := range tests {
		for _, text := range tt.filters {
			for _, policy := range []schema.Policy{{}, compat(), {RefusePassword: true}} {
				if fault := bindError(t, text, tt.rt, policy); fault.Code != schema.Sensitive {
					t.Errorf("Bind(%q): code %s (%s), want sensitive", text, fault.Code, fault.Detail)
				}
			}
		}
	}
	// A PATCH path asks the same questions.
	ports, err := types.device.Lookup("", "ports", "", schema.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := types.device.Lookup("", "vault", "", schema.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for text, ref := range map[string]schema.Ref{`token sw "a"`: ports, `value sw "a"`: vault} {
		_, err := filter.BindElement(mustParse(t, text, schema.Policy{}), ref, types.device, schema.Policy{})
		if fault := asFault(t, text, err); fault.Code != schema.Sensitive {
			t.Errorf("BindElement(%q): code %s, want sensitive", text, fault.Code)
		}
	}
}

// TestRow65_OperatorsByType: which operators and operands suit which type; all
// others are 400 invalidFilter with the attribute and the way out named.
func TestRow65_OperatorsByType(t *testing.T) {
	t.Parallel()
	rt := load(t).device
	attributes := []struct {
		name, ops string
		operand   string   // one that suits
		wrong     []string // ones that do not
	}{
		{"serial", "eq ne co sw ew gt ge lt le", `"x"`, []string{`7`, `true`, `false`}},
		{"link", "eq ne co sw ew gt ge lt le", `"x"`, []string{`7`, `true`}},
		{"tags", "eq ne co sw ew gt ge lt le", `"x"`, []string{`7`, `true`}},
		{"seen", "eq ne gt ge lt le", `"2024-01-01T00:00:00Z"`, []string{`7`, `true`, `"yesterday"`, `"2024-01-01"`, `"2024-13-01T00:00:00Z"`, `""`}},
		{"count", "eq ne gt ge lt le", `7`, []string{`"7"`, `true`, `7.5`, `7e1`}},
		{"ports.number", "eq ne gt ge lt le", `7`, []string{`"7"`, `true`}},
		{"ratio", "eq ne gt ge lt le", `7.5`, []string{`"7.5"`, `true`, `1e99999999999`}},
		{"on", "eq ne", `true`, []string{`"true"`, `"True"`, `1`, `0`, `"x"`}},
		{"blob", "eq ne", `"AQID"`, []string{`7`, `true`, `"AQI"`, `"*"`}},
		{"ports", "", `"x"`, []string{`7`, `true`}},
	}
	for _, a := range attributes {
		for _, op := range []string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"} {
			text := a.name + " " + op + " " + a.operand
			if strings.Contains(a.ops, op) {
				mustBind(t, text, rt, schema.Policy{})
			} else {
				wantRefused(t, rt, text, a.name)
			}
			for _, wrong := range a.wrong {
				wantRefused(t, rt, a.name+" "+op+" "+wrong, a.name)
			}
			nulled := a.name + " " + op + " null"
			if op == "eq" || op == "ne" {
				mustBind(t, nulled, rt, schema.Policy{})
			} else {
				wantRefused(t, rt, nulled, a.name)
			}
		}
		mustBind(t, a.name+" pr", rt, schema.Policy{})
	}
	wantRefused(t, rt, `label[value eq "x"]`, "label")
	wantRefused(t, rt, `tags[foo eq "x"]`, "tags")
	wantRefused(t, rt, `ports[value eq "x"]`, "ports")
	wantRefused(t, load(t).user, `name eq "x"`, "name")
	wantRefused(t, load(t).user, `addresses co "x"`, "addresses")
	wantRefused(t, load(t).user, `meta eq "x"`, "meta")
}

func wantRefused(t *testing.T, rt *schema.ResourceType, text, attribute string) {
	t.Helper()
	fault := bindError(t, text, rt, schema.Policy{})
	if fault.Code != schema.InvalidFilter {
		t.Errorf("Bind(%q): code %s, want invalidFilter", text, fault.Code)
	}
	if !strings.Contains(fault.Detail, attribute) {
		t.Errorf("Bind(%q): detail %q does not name %s", text, fault.Detail, attribute)
	}
}

// TestStringBooleans: the row "string booleans" of the profile table, for
// boolean attributes only.
func TestStringBooleans(t *testing.T) {
	t.Parallel()
	types := load(t)
	tests := []struct{ filter, want string }{
		{`active eq "True"`, `active eq "true"`},
		{`active ne "FALSE"`, `active ne "false"`},
		{`active eq True`, `active eq "true"`},
		{`active eq true`, `active eq "true"`},
		{`roles[primary eq "True"].value eq "x"`, `roles[(primary eq "true" and value eq "x")]`},
		{`displayName eq "True"`, `displayName eq "true"`},
	}
	for _, tt := range tests {
		if got := filter.Print(mustBind(t, tt.filter, types.user, compat())); got != tt.want {
			t.Errorf("Bind(%q) = %s, want %s", tt.filter, got, tt.want)
		}
	}
	for _, text := range []string{`active eq "yes"`, `active eq ""`, `active eq 1`, `active co "True"`, `userName eq true`, `userName eq 7`} {
		if fault := bindError(t, text, types.user, compat()); fault.Code != schema.InvalidFilter {
			t.Errorf("Bind(%q): code %s, want invalidFilter", text, fault.Code)
		}
	}
}

// TestBindShape: what package storage gets to compile.
func TestBindShape(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	emails, err := rt.Lookup("", "emails", "", schema.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	sub := func(name string) schema.Ref {
		return schema.Ref{Attr: emails.Attr, Sub: emails.Attr.SubAttribute(name)}
	}
	tests := []struct {
		filter string
		want   filter.Predicate
	}{
		{`emails eq "X"`, &filter.Test{Ref: sub("value"), Op: filter.Eq, Key: "x"}},
		{`emails pr`, &filter.Test{Ref: emails, Op: filter.Pr}},
		{`emails eq null`, &filter.Test{Ref: emails, Op: filter.Eq, Null: true}},
		{`emails.type ne null`, &filter.Test{Ref: sub("type"), Op: filter.Ne, Null: true}},
		{`emails.type eq "work" and emails.value co "X"`, &filter.All{Terms: []filter.Predicate{
			&filter.Test{Ref: sub("type"), Op: filter.Eq, Key: "work"},
			&filter.Test{Ref: sub("value"), Op: filter.Co, Key: "x"},
		}}},
		{`emails[type eq "work"].value eq "X"`, &filter.Element{Ref: emails, Where: &filter.All{Terms: []filter.Predicate{
			&filter.Test{Ref: sub("type"), Op: filter.Eq, Key: "work"},
			&filter.Test{Ref: sub("value"), Op: filter.Eq, Key: "x"},
		}}}},
		{`emails[type eq "work"]`, &filter.Element{Ref: emails, Where: &filter.Test{Ref: sub("type"), Op: filter.Eq, Key: "work"}}},
		{`not (not (emails pr))`, &filter.Test{Ref: emails, Op: filter.Pr}},
		{`not (emails pr)`, &filter.None{Term: &filter.Test{Ref: emails, Op: filter.Pr}}},
	}
	same := cmp.Comparer(func(a, b *schema.Attribute) bool { return a == b })
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, mustBind(t, tt.filter, rt, schema.Policy{}), same); diff != "" {
			t.Errorf("Bind(%q) (-want +got):\n%s", tt.filter, diff)
		}
	}
}

// TestBindElementFaults: what brackets in a PATCH path cannot follow or hold.
func TestBindElementFaults(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	tests := []struct{ attr, filter string }{
		{"userName", `value eq "x"`},
		{"active", `value eq true`},
		{"emails", `foo eq "x"`},
		{"emails", `emails.type eq "work"`},
		{"emails", `urn:x:type eq "work"`},
		{"emails", `primary eq "True"`},
		{"emails", `type gt null`},
		{"name", `value eq "x"`},
	}
	for _, tt := range tests {
		ref, err := rt.Lookup("", tt.attr, "", schema.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := filter.BindElement(mustParse(t, tt.filter, schema.Policy{}), ref, rt, schema.Policy{})
		if err == nil {
			t.Errorf("BindElement(%s[%s]) = %s, want an error", tt.attr, tt.filter, filter.Print(p))
			continue
		}
		fault := asFault(t, tt.filter, err)
		if fault.Code != schema.InvalidFilter || !strings.Contains(fault.Detail, tt.attr) && !strings.Contains(fault.Detail, "type") {
			t.Errorf("BindElement(%s[%s]) = %+v, want invalidFilter that names the attribute", tt.attr, tt.filter, fault)
		}
	}
	container := schema.Ref{URN: enterprise}
	if _, err := filter.BindElement(mustParse(t, `a pr`, schema.Policy{}), container, rt, schema.Policy{}); err == nil {
		t.Error("BindElement on an extension succeeds, want an error")
	}
}
