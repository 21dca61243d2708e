package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for _, tt := range []struct {
		urn, name, sub string
		policy         schema.Policy
		want           string
	}{
		{"", "userName", "", rfc, "userName"},
		{"", "USERNAME", "", rfc, "userName"},
		{"", "name", "GivenName", rfc, "name.givenName"},
		{"", "emails", "Value", rfc, "emails.value"},
		{"", "externalID", "", rfc, "externalId"},
		{"", "id", "", rfc, "id"},
		{"", "schemas", "", rfc, "schemas"},
		{"", "meta", "lastmodified", rfc, "meta.lastModified"},
		{schema.UserURN, "userName", "", rfc, "userName"},
		{strings.ToUpper(schema.UserURN), "id", "", rfc, "id"},
		{enterprise, "", "", rfc, enterprise},
		{enterprise, "Department", "", rfc, enterprise + ":department"},
		{strings.ToLower(enterprise), "manager", "$REF", rfc, enterprise + ":manager.$ref"},
		{"", "department", "", compat, enterprise + ":department"},
		{"", "manager", "value", compat, enterprise + ":manager.value"},
		{"", "secondFactorEnabled", "", rfc, second + ":secondFactorEnabled"},
		{"", "SECONDFACTOREMAIL", "", strict, second + ":secondFactorEmail"},
		{schema.PingUserURN, "secondFactorEmail", "", rfc, second + ":secondFactorEmail"},
		// A parser can only guess where a URN ends.
		{"urn:ietf:params:scim:schemas:extension:enterprise:2.0", "User", "", rfc, enterprise},
		{"urn:pingidentity:schemas:User", "1", "0", rfc, second},
	} {
		got, err := u.Lookup(tt.urn, tt.name, tt.sub, tt.policy)
		if err != nil || got.String() != tt.want {
			t.Errorf("Lookup(%q, %q, %q) = %s, %v, want %s", tt.urn, tt.name, tt.sub, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		urn, name, sub string
		policy         schema.Policy
		path           string
	}{
		{"", "shoeSize", "", compat, "shoeSize"},
		{"", "name", "nick", rfc, "name.nick"},
		{"", "userName", "value", rfc, "userName.value"},
		{"", "department", "", rfc, "department"},
		{"", "", "", rfc, ""},
		{"urn:x:y", "userName", "", rfc, "urn:x:y:userName"},
		{"urn:x:y", "", "", rfc, "urn:x:y"},
		{enterprise, "userName", "", rfc, enterprise + ":userName"},
		{schema.UserURN, "department", "", compat, schema.UserURN + ":department"},
		{schema.UserURN, "", "", rfc, schema.UserURN},
		{schema.GroupURN, "displayName", "", rfc, schema.GroupURN + ":displayName"},
	} {
		_, err := u.Lookup(tt.urn, tt.name, tt.sub, tt.policy)
		wantFault(t, err, schema.InvalidPath, tt.path)
	}
}

// TestAmbiguousNames: a name of several extensions is no name.
func TestAmbiguousNames(t *testing.T) {
	t.Parallel()
	u := custom(t).ByName("User")
	_, err := u.Lookup("", "COSTCENTER", "", compat)
	e, ok := errors.AsType[*schema.Error](err)
	if !ok || e.Code != schema.InvalidPath || !strings.Contains(e.Detail, "costCenter is ambiguous") || !strings.Contains(e.Detail, enterprise+":costCenter") {
		t.Errorf("Lookup = %v, want invalidPath that says ambiguous and how to write it", err)
	}
	if _, err := u.Lookup(badgeURN, "costCenter", "", rfc); err != nil {
		t.Errorf("Lookup with URN = %v", err)
	}
	_, _, err = u.Accept(decode(t, `{"userName":"b","costCenter":"x"}`), compat, schema.Limits{})
	wantFault(t, err, schema.InvalidPath, "costCenter")
	if r, err := u.Lookup("", "badgeNumber", "", compat); err != nil || r.URN != badgeURN {
		t.Errorf("Lookup of a name that one extension has = %v, %v", r, err)
	}
}

func TestLookupPath(t *testing.T) {
	t.Parallel()
	u := userType(t)
	for path, want := range map[string]string{
		"userName":                              "userName",
		"name.givenname":                        "name.givenName",
		enterprise:                              enterprise,
		strings.ToUpper(enterprise):             enterprise,
		enterprise + ":manager.value":           enterprise + ":manager.value",
		schema.UserURN + ":emails.value":        "emails.value",
		schema.PingUserURN + ":accountVerified": second + ":accountVerified",
		"secondFactorEmail":                     second + ":secondFactorEmail",
	} {
		if got, err := u.LookupPath(path, rfc); err != nil || got.String() != want {
			t.Errorf("LookupPath(%q) = %s, %v, want %s", path, got, err, want)
		}
	}
	for _, path := range []string{"", ".", "userName.", ".value", "urn:", "urn:x:y:z", enterprise + ":", enterprise + ":nope", "name.givenName.x", schema.UserURN, "emails[type eq \"x\"]"} {
		if got, err := u.LookupPath(path, compat); err == nil {
			t.Errorf("LookupPath(%q) = %s, want an error", path, got)
		}
	}
}

// TestDetailsStayReadable: what a client sends comes back in a detail only as one
// short line.
func TestDetailsStayReadable(t *testing.T) {
	t.Parallel()
	u := userType(t)
	_, err := u.LookupPath("a\nb\x00\""+strings.Repeat("é", 5000), rfc)
	e, ok := errors.AsType[*schema.Error](err)
	if !ok || strings.ContainsAny(e.Detail, "\n\x00") || len(e.Detail) > 400 || !strings.HasPrefix(e.Detail, `"abéé`) {
		t.Errorf("LookupPath = %v, want a short detail without control characters", err)
	}
}

func TestAttributesInCanonicalOrder(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range userType(t).Attributes() {
		names = append(names, r.String())
	}
	want := []string{"schemas", "id", "externalId", "userName", "name"}
	if diff := cmp.Diff(want, names[:5]); diff != "" {
		t.Errorf("Attributes begin (-want +got):\n%s", diff)
	}
	if last := names[len(names)-1]; last != "meta" {
		t.Errorf("Attributes end with %s, want meta", last)
	}
	if a, b := slices.Index(names, enterprise+":manager"), slices.Index(names, second+":secondFactorEnabled"); a < 0 || b < a {
		t.Errorf("extensions are at %d and %d, want them in order", a, b)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	g := custom(t)
	var types, urns []string
	for _, rt := range g.Types() {
		types = append(types, rt.Name+" "+rt.Endpoint)
		if g.ByName(strings.ToUpper(rt.Name)) != rt || g.ByEndpoint(rt.Endpoint[1:]) != rt {
			t.Errorf("%s is not found by its name and endpoint", rt.Name)
		}
	}
	for _, s := range g.Schemas() {
		urns = append(urns, s.ID)
		if g.Schema(strings.ToUpper(s.ID)) != s {
			t.Errorf("%s is not found ignoring case", s.ID)
		}
	}
	if diff := cmp.Diff([]string{"User /Users", "Group /Groups", "Device /Devices"}, types); diff != "" {
		t.Errorf("Types (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{schema.UserURN, schema.GroupURN, enterprise, second, deviceURN, badgeURN, locationURN}, urns); diff != "" {
		t.Errorf("Schemas (-want +got):\n%s", diff)
	}
	if g.ByName("Printer") != nil || g.ByEndpoint("users") != nil || g.ByEndpoint("") != nil || g.Schema("urn:x:y") != nil {
		t.Error("something is found that does not exist")
	}
	u := g.ByName("User")
	if u.Extension(strings.ToUpper(enterprise)) == nil || u.Extension(schema.UserURN) != nil || u.Extension(schema.PingUserURN) != nil || g.ByName("Group").Extension(enterprise) != nil {
		t.Error("Extension is wrong")
	}
	if a := ref(t, u, "emails").Attr; a.SubAttribute("PRIMARY") == nil || a.SubAttribute("x") != nil {
		t.Error("SubAttribute is wrong")
	}
}

// TestErrorsUnwrap: callers look for single faults.
func TestErrorsUnwrap(t *testing.T) {
	t.Parallel()
	var err error = schema.Errors{{Code: schema.InvalidValue, Path: "a", Detail: "a is wrong."}, {Code: schema.InvalidPath, Path: "b", Detail: "b is unknown."}}
	e, ok := errors.AsType[*schema.Error](err)
	if !ok || e.Path != "a" {
		t.Errorf("errors.AsType = %v, %v, want the first fault", e, ok)
	}
	if got, want := err.Error(), "invalidValue: a is wrong.; invalidPath: b is unknown."; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}
