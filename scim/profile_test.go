package scim_test

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Every switch has a name, so that it can be set apart and is documented.
func TestProfileFieldsAreComplete(t *testing.T) {
	t.Parallel()
	var want []string
	for _, typ := range []reflect.Type{reflect.TypeFor[schema.Policy](), reflect.TypeFor[scim.Profile]()} {
		for field := range typ.Fields() {
			name := field.Name
			if name != "Policy" && name != "Name" {
				want = append(want, strings.ToLower(name[:1])+name[1:])
			}
		}
	}
	slices.Sort(want)
	p, ok := scim.ProfileByName(scim.ProfileRFC)
	if !ok {
		t.Fatal("no profile rfc")
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.Fields()))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestProfileWith(t *testing.T) {
	t.Parallel()
	for name, profile := range scim.Profiles() {
		if profile.Name != name {
			t.Errorf("profile %s calls itself %s", name, profile.Name)
		}
		// Each field takes what Fields prints, and only that field changes.
		for field, value := range profile.Fields() {
			same, err := profile.With(map[string]string{field: value})
			if err != nil || same != profile {
				t.Errorf("%s.With(%s: %s) = %+v, %v; want no change", name, field, value, same, err)
			}
			other := map[string]string{"true": "false", "false": "true", "drop": "invalidPath", "invalidPath": "invalidSyntax", "invalidSyntax": "drop"}[value]
			changed, err := profile.With(map[string]string{field: other})
			if err != nil {
				t.Errorf("%s.With(%s: %s): %v", name, field, other, err)
				continue
			}
			want := profile.Fields()
			want[field] = other
			if diff := cmp.Diff(want, changed.Fields()); diff != "" {
				t.Errorf("%s.With(%s: %s) (-want +got):\n%s", name, field, other, diff)
			}
		}
	}
	p := scim.Profiles()[scim.ProfileCompat]
	for overrides, word := range map[[2]string]string{
		{"stringBoolean", "true"}:  `"stringBoolean"`,
		{"stringBooleans", "yes"}:  "stringBooleans",
		{"unknownInBody", "true"}:  "unknownInBody",
		{"StringBooleans", "true"}: `"StringBooleans"`,
	} {
		if _, err := p.With(map[string]string{overrides[0]: overrides[1]}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("With(%v) = %v, want an error that names %s", overrides, err, word)
		}
	}
	if _, ok := scim.ProfileByName("none"); ok {
		t.Error("ProfileByName(none) found one")
	}
}

// outcome is the status and, for a refusal, the scimType.
func outcome(res *response) string {
	out := http.StatusText(res.Status)
	if typ := res.str("scimType"); typ != "" {
		out += " " + typ
	}
	return out
}

// TestProfileSwitches is the table of profiles, without what only PATCH shows:
// one case per row, the outcome in the order rfc, compat, strict, ping.
func TestProfileSwitches(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	const (
		created = "Created"
		ok      = "OK"
		syntax  = "Bad Request invalidSyntax"
		value   = "Bad Request invalidValue"
		filter  = "Bad Request invalidFilter"
		none    = "No Content"
	)
	type row struct {
		do   func(c *client, name string) *response
		want [4]string
	}
	post := func(more ...any) func(*client, string) *response {
		return func(c *client, name string) *response {
			return c.Do(http.MethodPost, "/Users", merge(map[string]any{"schemas": []string{userURN}, "userName": name}, more))
		}
	}
	get := func(query string) func(*client, string) *response {
		return func(c *client, _ string) *response { return c.Do(http.MethodGet, query, nil) }
	}
	patchReply := func(kind string, headers ...string) func(*client, string) *response {
		return func(c *client, name string) *response {
			var id string
			if kind == "/Users/" {
				id = c.user(name).id()
			} else {
				id = c.group(name).id()
			}
			return c.Do(http.MethodPatch, kind+id, patchOp([3]any{"replace", "displayName", name + "2"}), headers...)
		}
	}
	rows := map[string]row{
		"string booleans in a body":        {post("active", "True"), [4]string{value, created, value, value}},
		"string booleans in a filter":      {get(`/Users?filter=active+eq+%22True%22`), [4]string{filter, ok, filter, filter}},
		"unknown attribute in a body":      {post("shoeSize", "42"), [4]string{created, created, syntax, created}},
		"unknown URN in schemas":           {post("schemas", []string{userURN, "urn:example:unknown"}), [4]string{syntax, created, syntax, created}},
		"schemas missing":                  {post("schemas", nil), [4]string{syntax, created, syntax, created}},
		"unquoted filter value":            {get(`/Users?filter=externalId+eq+jyoung`), [4]string{filter, ok, filter, filter}},
		"unquoted meta.resourceType":       {get(`/Users?filter=meta.resourceType+eq+User`), [4]string{ok, ok, filter, filter}},
		"extension name without URN":       {get(`/Users?filter=department+eq+%22a%22`), [4]string{filter, ok, filter, filter}},
		"second-factor name without URN":   {get(`/Users?filter=secondFactorEnabled+eq+true`), [4]string{ok, ok, ok, ok}},
		"one object for an array":          {post("emails", map[string]any{"value": "a@example.com"}), [4]string{value, created, value, value}},
		"country outside ISO 3166":         {post("addresses", []any{map[string]any{"country": "Atlantis"}}), [4]string{created, created, value, created}},
		"password":                         {post("password", "correct horse battery"), [4]string{created, created, "Bad Request", created}},
		"reply to PATCH of a user":         {patchReply("/Users/"), [4]string{ok, ok, ok, ok}},
		"reply to PATCH of a group":        {patchReply("/Groups/"), [4]string{ok, none, none, ok}},
		"minimal reply to PATCH preferred": {patchReply("/Users/", "Prefer", "return=minimal"), [4]string{none, none, none, ok}},
		"full reply to PATCH preferred":    {patchReply("/Groups/", "Prefer", "return=representation"), [4]string{ok, ok, ok, ok}},
	}
	profiles := []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing}
	s := newServer(t, options{})
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			for i, profile := range profiles {
				res := r.do(s.profile(profile), strings.ReplaceAll(name, " ", "-")+"-"+profile)
				// The scimType of a refused password depends on why.
				prefix := profile == scim.ProfileStrict && name == "password"
				if got := outcome(res); got != r.want[i] && (!prefix || !strings.HasPrefix(got, r.want[i])) {
					t.Errorf("%s: %s, want %s\n%s", profile, got, r.want[i], res.Body)
				}
			}
		})
	}
}

// Row "null or empty string as a value": both unassign under compat; elsewhere
// only null does and "" is a value.
func TestProfileSwitches_EmptyString(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for _, profile := range []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing} {
		res := s.profile(profile).user("empty-"+profile, "title", "", "nickName", nil)
		if _, ok := res.JSON["nickName"]; ok {
			t.Errorf("%s: null is kept: %s", profile, res.Body)
		}
		if _, ok := res.JSON["title"]; ok == (profile == scim.ProfileCompat) {
			t.Errorf("%s: an empty string is kept = %v: %s", profile, ok, res.Body)
		}
	}
}

// Row "readWrite attribute omitted from PUT": kept under ping, where null
// clears; cleared elsewhere.
func TestProfileSwitches_PutOmits(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for _, profile := range []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing} {
		c := s.profile(profile)
		user := c.user("put-"+profile, "title", "Guide", "nickName", "Babs")
		body := map[string]any{"schemas": []string{userURN}, "userName": "put-" + profile, "nickName": nil}
		res := c.want(http.StatusOK, http.MethodPut, "/Users/"+user.id(), body)
		want := ""
		if profile == scim.ProfilePing {
			want = "Guide"
		}
		if got := res.str("title"); got != want {
			t.Errorf("%s: title after a PUT without it = %q, want %q", profile, got, want)
		}
		if res.at("nickName") != nil {
			t.Errorf("%s: nickName after a PUT with null = %v", profile, res.at("nickName"))
		}
	}
}

// Row "reply type for Accept: application/json only".
func TestProfileSwitches_ReplyType(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for profile, want := range map[string]string{
		scim.ProfileRFC:    "application/json",
		scim.ProfileCompat: "application/json",
		scim.ProfileStrict: "application/scim+json",
		scim.ProfilePing:   "application/json",
	} {
		c := s.profile(profile)
		for _, path := range []string{"/Users", "/Schemas", "/ServiceProviderConfig"} {
			res := c.want(http.StatusOK, http.MethodGet, path, nil, "Accept", "application/json")
			if got := res.Header.Get("Content-Type"); got != want {
				t.Errorf("%s: Content-Type of %s = %q, want %q", profile, path, got, want)
			}
		}
		res := c.want(http.StatusNotFound, http.MethodGet, "/Users/unknown", nil, "Accept", "application/json")
		if got := res.Header.Get("Content-Type"); got != want {
			t.Errorf("%s: Content-Type of an error = %q, want %q", profile, got, want)
		}
	}
}

// The second-factor attributes lie flat under ping, in every answer, and in
// their extension elsewhere; short names are accepted on input everywhere.
func TestProfileSwitches_FlatSecondFactor(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ping, compat := s.profile(scim.ProfilePing), s.profile(scim.ProfileCompat)
	user := ping.want(http.StatusCreated, http.MethodPost, "/Users", map[string]any{
		"schemas": []string{userURN}, "userName": "dr.veil",
		"secondFactorEnabled": true, "secondFactorEmail": "dr.veil@example.com",
	})
	check := func(where string, o map[string]any) {
		t.Helper()
		if o["secondFactorEnabled"] != true || o["secondFactorEmail"] != "dr.veil@example.com" {
			t.Errorf("%s: not flat: %v", where, o)
		}
		if _, ok := o[schema.SecondFactorURN]; ok {
			t.Errorf("%s: still has the container: %v", where, o)
		}
		if diff := cmp.Diff([]any{userURN, schema.PingUserURN}, o["schemas"]); diff != "" {
			t.Errorf("%s: schemas (-want +got):\n%s", where, diff)
		}
	}
	path := "/Users/" + user.id()
	check("POST", user.JSON)
	check("GET", ping.want(200, http.MethodGet, path, nil).JSON)
	check("GET with attributes", ping.want(200, http.MethodGet, path+"?attributes=secondFactorEnabled,secondFactorEmail", nil).JSON)
	check("PATCH", ping.want(200, http.MethodPatch, path, patchOp([3]any{"replace", "secondFactorEnabled", true})).JSON)
	check("list", ping.want(200, http.MethodGet, `/Users?filter=secondFactorEmail+eq+%22dr.veil@example.com%22`, nil).resources()[0])

	other := compat.want(200, http.MethodGet, path, nil)
	if diff := cmp.Diff(map[string]any{"secondFactorEnabled": true, "secondFactorEmail": "dr.veil@example.com"}, other.JSON[schema.SecondFactorURN]); diff != "" {
		t.Errorf("compat (-want +got):\n%s", diff)
	}
	plain := ping.user("no-factor")
	if diff := cmp.Diff([]any{userURN}, plain.JSON["schemas"]); diff != "" {
		t.Errorf("schemas of a user without second factor (-want +got):\n%s", diff)
	}
}

// An override sets one field apart for one token.
func TestProfileOverride(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	c := s.as(scim.NewToken{Name: "apart", Profile: scim.ProfileStrict, Overrides: map[string]string{"unknownInBody": "drop"}})
	c.user("apart", "shoeSize", "42")
	s.profile(scim.ProfileStrict).refuse(400, "invalidSyntax", http.MethodPost, "/Users",
		map[string]any{"schemas": []string{userURN}, "userName": "other", "shoeSize": "42"}, "shoeSize")
}
