package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// profiles are the names of all client profiles.
func profiles() []string {
	return []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing}
}

// discoveryPaths are the endpoints of RFC 7644 section 4.
func discoveryPaths() []string {
	return []string{
		"/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Schemas/" + userURN,
	}
}

// fullUser is a user with a value for every attribute that a client may set.
func fullUser(name string, password bool) map[string]any {
	body := map[string]any{
		"schemas": []string{userURN, enterpriseURN, schema.SecondFactorURN}, "userName": name, "externalId": "ext-" + name,
		"name": map[string]any{
			"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
			"middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III",
		},
		"displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://example.com/babs", "title": "Guide",
		"userType": "Employee", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "America/Los_Angeles", "active": true,
		"emails":           []any{map[string]any{"value": name + "@example.com", "display": "work mail", "type": "work", "primary": true}},
		"phoneNumbers":     []any{map[string]any{"value": "tel:+1-201-555-0123", "display": "desk", "type": "work", "primary": true}},
		"ims":              []any{map[string]any{"value": "someaimhandle", "display": "aim", "type": "aim", "primary": true}},
		"photos":           []any{map[string]any{"value": "https://photos.example.com/F", "display": "F", "type": "photo", "primary": true}},
		"addresses":        []any{map[string]any{"formatted": "100 Universal City Plaza", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA", "postalCode": "91608", "country": "US", "type": "work", "primary": true}},
		"entitlements":     []any{map[string]any{"value": "e1", "display": "E1", "type": "t", "primary": true}},
		"roles":            []any{map[string]any{"value": "r1", "display": "R1", "type": "t", "primary": true}},
		"x509Certificates": []any{map[string]any{"value": "AQID", "display": "cert", "type": "t", "primary": true}},
		enterpriseURN: map[string]any{
			"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios", "division": "Theme Park",
			"department": "Tour Operations",
		},
		schema.SecondFactorURN: map[string]any{
			"secondFactorEnabled": true, "secondFactorEmail": name + "@example.com", "secondFactorPhoneNumber": "+15125550100",
		},
	}
	if password {
		body["password"] = "correct horse battery"
	}
	return body
}

// declared collects the attributes of the schema documents of a profile: for
// extensions "URN:name.sub", for core schemas and flattened ones "name.sub".
func declared(t *testing.T, c *client, resourceType string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	rt := c.want(http.StatusOK, http.MethodGet, "/ResourceTypes/"+resourceType, nil)
	add := func(prefix, urn string) {
		doc := c.want(http.StatusOK, http.MethodGet, "/Schemas/"+urn, nil)
		for _, a := range doc.JSON["attributes"].([]any) {
			attr := a.(map[string]any)
			name := prefix + attr["name"].(string)
			out[name] = true
			subs, _ := attr["subAttributes"].([]any)
			for _, sub := range subs {
				out[name+"."+sub.(map[string]any)["name"].(string)] = true
			}
		}
	}
	add("", rt.str("schema"))
	extensions, _ := rt.JSON["schemaExtensions"].([]any)
	for _, e := range extensions {
		urn := e.(map[string]any)["schema"].(string)
		if urn == schema.PingUserURN {
			add("", urn)
		} else {
			add(urn+":", urn)
		}
	}
	return out
}

// returned collects the attributes of a resource in the same spelling, without
// those that every resource has (RFC 7643 section 3.1).
func returned(o map[string]any) []string {
	var out []string
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, sub := range v {
				out = append(out, prefix+k)
				if !strings.HasSuffix(prefix, ".") {
					walk(prefix+k+".", sub)
				}
			}
		case []any:
			for _, element := range v {
				walk(prefix, element)
			}
		}
	}
	for k, v := range o {
		switch {
		case slices.Contains([]string{"schemas", "id", "externalId", "meta"}, k):
		case strings.HasPrefix(k, "urn:"):
			for name, value := range v.(map[string]any) {
				out = append(out, k+":"+name)
				walk(k+":"+name+".", value)
			}
		default:
			out = append(out, k)
			walk(k+".", v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestDiscoveryMatchesReality: rows 50-53. Per profile every attribute that is
// ever returned is declared, what is declared works, and what is promised is
// what is enforced.
func TestDiscoveryMatchesReality(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	files := os.DirFS("../testdata/schemas/schemas")
	types := os.DirFS("../testdata/schemas/resourcetypes")
	s := newServer(t, options{schemas: files, types: types})
	for _, profile := range profiles() {
		t.Run(profile, func(t *testing.T) {
			c := s.profile(profile)
			boss := c.user("boss-" + profile)
			body := fullUser("full-"+profile, profile != scim.ProfileStrict)
			body[enterpriseURN].(map[string]any)["manager"] = map[string]any{"value": boss.id()}
			user := c.want(http.StatusCreated, http.MethodPost, "/Users", body)
			group := c.group("group-"+profile, user.id())
			user = c.want(http.StatusOK, http.MethodGet, "/Users/"+user.id(), nil)
			for kind, o := range map[string]map[string]any{"User": user.JSON, "Group": group.JSON} {
				known := declared(t, c, kind)
				for _, name := range returned(o) {
					if !known[name] {
						t.Errorf("%s returns %s, which no schema declares", kind, name)
					}
				}
			}
			if len(returned(user.JSON)) < 60 {
				t.Errorf("only %d attributes returned; the test is too weak: %s", len(returned(user.JSON)), user.Body)
			}
			if known := declared(t, c, "User"); known["password"] == (profile == scim.ProfileStrict) {
				t.Errorf("password declared = %v", known["password"])
			}
		})
	}
}

// Row 53: ServiceProviderConfig tells what is so, in the form of the profile.
func TestRow53_ServiceProviderConfig(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{BulkOperations: 7, BulkBody: 5000, MaxCount: 40, DefaultCount: 20}})
	for _, profile := range profiles() {
		c := s.profile(profile)
		res := c.want(http.StatusOK, http.MethodGet, "/ServiceProviderConfig", nil)
		want := map[string]any{
			"schemas":        []any{scim.ServiceProviderConfigURN},
			"patch":          map[string]any{"supported": true},
			"bulk":           map[string]any{"supported": true, "maxOperations": json.Number("7"), "maxPayloadSize": json.Number("5000")},
			"filter":         map[string]any{"supported": true, "maxResults": json.Number("40")},
			"changePassword": map[string]any{"supported": profile != scim.ProfileStrict},
			"sort":           map[string]any{"supported": true},
			"etag":           map[string]any{"supported": true},
			"authenticationSchemes": []any{map[string]any{
				"type": "oauthbearertoken", "name": "OAuth Bearer Token",
				"description": "Send the token of this client as Authorization: Bearer.",
				"specUri":     "https://www.rfc-editor.org/info/rfc6750",
			}},
			"meta": map[string]any{
				"resourceType": "ServiceProviderConfig", "location": testBase + "/ServiceProviderConfig", "version": res.etag(),
			},
		}
		if profile != scim.ProfilePing {
			want["pagination"] = map[string]any{
				"cursor": true, "index": true, "defaultPaginationMethod": "index",
				"defaultPageSize": json.Number("20"), "maxPageSize": json.Number("40"), "cursorTimeout": json.Number("3600"),
			}
		}
		if profile == scim.ProfileStrict {
			want["interopProfileConformant"] = true
		}
		if diff := cmp.Diff(want, res.JSON); diff != "" {
			t.Errorf("%s (-want +got):\n%s", profile, diff)
		}
		if res.etag() == "" {
			t.Errorf("%s: no ETag", profile)
		}
	}
	// The published page size is the one that lists obey.
	for i := range 45 {
		s.user(fmt.Sprintf("user-%02d", i))
	}
	for query, want := range map[string]int{"": 20, "?count=1000": 40} {
		if got := len(s.want(http.StatusOK, http.MethodGet, "/Users"+query, nil).resources()); got != want {
			t.Errorf("GET /Users%s returned %d, want %d", query, got, want)
		}
	}
}

// Rows 51, 52: collections are ListResponses, single documents the same as in
// them, with absolute locations; unknown ones are 404.
func TestRow51_Collections(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{
		schemas: os.DirFS("../testdata/schemas/schemas"), types: os.DirFS("../testdata/schemas/resourcetypes"),
	})
	for path, least := range map[string]int{"/Schemas": 5, "/ResourceTypes": 3} {
		list := s.want(http.StatusOK, http.MethodGet, path, nil)
		resources := list.resources()
		if list.total(t) != len(resources) || len(resources) < least || list.at("startIndex") != json.Number("1") ||
			list.at("itemsPerPage") != json.Number(fmt.Sprint(len(resources))) || fmt.Sprint(list.JSON["schemas"]) != "["+scim.ListURN+"]" {
			t.Errorf("%s is no ListResponse of all %d: %s", path, len(resources), list.Body)
		}
		for _, r := range resources {
			id := r["id"].(string)
			single := s.want(http.StatusOK, http.MethodGet, path+"/"+id, nil)
			if diff := cmp.Diff(r, single.JSON); diff != "" {
				t.Errorf("%s/%s differs from the list (-list +single):\n%s", path, id, diff)
			}
			if got := single.str("meta.location"); got != testBase+path+"/"+id {
				t.Errorf("meta.location = %q", got)
			}
			if single.str("meta.version") != single.etag() {
				t.Errorf("meta.version %q is not the ETag %q", single.str("meta.version"), single.etag())
			}
			other := s.want(http.StatusOK, http.MethodGet, path+"/"+strings.ToUpper(id), nil)
			if !bytes.Equal(other.Body, single.Body) {
				t.Errorf("%s in upper case is another document", id)
			}
			s.want(http.StatusNotModified, http.MethodGet, path+"/"+id, nil, "If-None-Match", single.etag())
		}
		s.refuse(404, "", http.MethodGet, path+"/nothing", nil)
	}
}

// Row 50: GET only, without a token too, no filter, sorting and paging ignored.
func TestRow50_DiscoveryAccess(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	nobody := &client{s: s}
	for _, path := range discoveryPaths() {
		res := nobody.want(http.StatusOK, http.MethodGet, path, nil)
		for _, query := range []string{"?startIndex=3&count=1", "?count=0", "?sortBy=id&sortOrder=descending", "?attributes=id"} {
			if other := nobody.want(http.StatusOK, http.MethodGet, path+query, nil); !bytes.Equal(other.Body, res.Body) {
				t.Errorf("GET %s%s differs", path, query)
			}
		}
		nobody.refuse(403, "", http.MethodGet, path+`?filter=id+eq+%22x%22`, nil, "filter")
		nobody.refuse(403, "", http.MethodGet, path+`?filter=`, nil)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			res := s.want(http.StatusMethodNotAllowed, method, path, map[string]any{})
			checkError(t, res, 405, "")
			if got := res.Header.Get("Allow"); !strings.Contains(got, "GET") || strings.Contains(got, method) {
				t.Errorf("%s %s: Allow = %q", method, path, got)
			}
		}
		head := nobody.want(http.StatusOK, http.MethodHead, path, nil)
		if len(head.Body) != 0 || head.etag() != res.etag() {
			t.Errorf("HEAD %s: %d bytes, ETag %q", path, len(head.Body), head.etag())
		}
		// A bad token must not hide what is public.
		nobody.want(http.StatusOK, http.MethodGet, path, nil, "Authorization", "Bearer spt_unknown")
		nobody.want(http.StatusOK, http.MethodGet, path, nil, "Authorization", "Basic YTpi")
	}
}

// Without a token the server's default profile decides; with one, the token's.
func TestDiscoveryByProfile(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{profile: scim.ProfileStrict})
	conformant := func(c *client) bool {
		return c.want(http.StatusOK, http.MethodGet, "/ServiceProviderConfig", nil).at("interopProfileConformant") == true
	}
	if !conformant(&client{s: s}) {
		t.Error("without a token the default profile is not used")
	}
	for _, profile := range profiles() {
		if got := conformant(s.profile(profile)); got != (profile == scim.ProfileStrict) {
			t.Errorf("%s: interopProfileConformant = %v", profile, got)
		}
	}
	ping := s.profile(scim.ProfilePing)
	doc := ping.want(http.StatusOK, http.MethodGet, "/Schemas/"+schema.PingUserURN, nil)
	var names []string
	for _, a := range doc.JSON["attributes"].([]any) {
		names = append(names, a.(map[string]any)["name"].(string))
	}
	if diff := cmp.Diff([]string{"secondFactorEnabled", "secondFactorEmail", "secondFactorPhoneNumber", "accountVerified"}, names); diff != "" {
		t.Errorf("flattened attributes (-want +got):\n%s", diff)
	}
	ping.want(http.StatusNotFound, http.MethodGet, "/Schemas/"+schema.SecondFactorURN, nil)
	s.want(http.StatusNotFound, http.MethodGet, "/Schemas/"+schema.PingUserURN, nil)
}

// Clients of several vendors stop at a null or an empty URI.
func TestDiscoveryHasNoNulls(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case nil:
			t.Errorf("%s is null", path)
		case string:
			if v == "" {
				t.Errorf("%s is empty", path)
			}
		case map[string]any:
			for k, sub := range v {
				walk(path+"."+k, sub)
			}
		case []any:
			if len(v) == 0 {
				t.Errorf("%s is an empty array", path)
			}
			for i, sub := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), sub)
			}
		}
	}
	for _, profile := range profiles() {
		for _, path := range discoveryPaths() {
			walk(profile+path, s.profile(profile).want(http.StatusOK, http.MethodGet, path, nil).JSON)
		}
	}
}

// Row 11: locations follow the configured base that the client used, never a
// header of its own making.
func TestDiscoveryLocations(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{bases: []string{"https://a.example.com/scim/v2", "https://b.example.com/scim/v2"}})
	for host, want := range map[string]string{
		"a.example.com":    "https://a.example.com/scim/v2/Schemas/" + userURN,
		"b.example.com":    "https://b.example.com/scim/v2/Schemas/" + userURN,
		"evil.example.com": "https://a.example.com/scim/v2/Schemas/" + userURN,
	} {
		res := s.want(http.StatusOK, http.MethodGet, "/Schemas/"+userURN, nil, "Host", host, "X-Forwarded-Host", "evil.example.com")
		if got := res.str("meta.location"); got != want {
			t.Errorf("Host %s: location %q, want %q", host, got, want)
		}
	}
}

func BenchmarkDiscovery(b *testing.B) {
	s := newServer(b, options{})
	for b.Loop() {
		s.want(http.StatusOK, http.MethodGet, "/Schemas", nil)
	}
}
