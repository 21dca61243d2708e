package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
)

// Rows 1, 2, 4: schemas is required and checked, and the answer lists the
// extensions that have data and no others.
func TestSchemasByContent(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})
	rfc := s.profile(scim.ProfileRFC)

	t.Run("Row01_refused", func(t *testing.T) {
		for name, schemas := range map[string]any{
			"missing": nil, "empty": []string{}, "not an array": userURN,
			"unknown":    []string{userURN, "urn:example:nothing"},
			"twice":      []string{userURN, strings.ToUpper(userURN)},
			"other type": []string{groupURN},
		} {
			body := map[string]any{"userName": "schemas"}
			if schemas != nil {
				body["schemas"] = schemas
			}
			res := rfc.Do(http.MethodPost, "/Users", body)
			if res.Status != http.StatusBadRequest || res.str("scimType") != "invalidSyntax" {
				t.Errorf("%s: %d %s, want 400 invalidSyntax", name, res.Status, res.Body)
			}
		}
	})
	t.Run("Row02_container_without_data", func(t *testing.T) {
		res := rfc.user("empty-container", enterpriseURN, map[string]any{})
		if diff := cmp.Diff([]any{userURN}, res.at("schemas")); diff != "" {
			t.Errorf("schemas (-want +got):\n%s", diff)
		}
		if res.at(enterpriseURN) != nil {
			t.Errorf("empty container returned: %s", res.Body)
		}
	})
	t.Run("Row02_container_with_data", func(t *testing.T) {
		// The URN is listed although the client left it out of schemas.
		res := rfc.want(http.StatusCreated, http.MethodPost, "/Users", map[string]any{
			"schemas": []string{userURN}, "userName": "with-data",
			enterpriseURN: map[string]any{"department": "Tours"},
		})
		if diff := cmp.Diff([]any{userURN, enterpriseURN}, res.at("schemas")); diff != "" {
			t.Errorf("schemas (-want +got):\n%s", diff)
		}
	})
	t.Run("Row04_URN_in_other_case", func(t *testing.T) {
		res := rfc.want(http.StatusCreated, http.MethodPost, "/Users", map[string]any{
			"schemas": []string{strings.ToUpper(userURN), strings.ToUpper(enterpriseURN)}, "userName": "upper-urn",
			strings.ToUpper(enterpriseURN): map[string]any{"department": "Tours"},
		})
		if got := res.JSON[enterpriseURN].(map[string]any)["department"]; got != "Tours" {
			t.Errorf("department = %v, want Tours: the container was lost", got)
		}
	})
}

// Row 3: names ignore case on input and are canonical on output.
func TestRow03_NamesIgnoreCase(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	res := s.want(http.StatusCreated, http.MethodPost, "/Users",
		`{"SCHEMAS":["`+userURN+`"],"UserName":"row3","NAME":{"GIVENname":"Ada"},"Emails":[{"VALUE":"a@example.com","Type":"work"}]}`)
	if got := keys(res.JSON); !cmp.Equal(got, []string{"active", "emails", "id", "meta", "name", "schemas", "userName"}) {
		t.Errorf("attributes = %v", got)
	}
	if got := res.str("name.givenName"); got != "Ada" {
		t.Errorf("name.givenName = %q, want Ada", got)
	}
}

// Rows 5, 6: null, [] and absent are one state, and none of it is returned.
func TestNullEqualsAbsent(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for _, profile := range []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict} {
		c := s.profile(profile)
		absent := c.user("absent-" + profile)
		null := c.user("empty-"+profile, "emails", nil, "roles", []any{}, "title", nil, "name", nil, "externalId", nil, "active", nil)
		if got, want := keys(null.JSON), keys(absent.JSON); !cmp.Equal(got, want) {
			t.Errorf("%s: with nulls %v, without %v", profile, got, want)
		}
		if strings.Contains(string(null.Body), "null") || strings.Contains(string(null.Body), "[]") {
			t.Errorf("%s: unassigned attribute returned: %s", profile, null.Body)
		}
		put := c.want(http.StatusOK, http.MethodPut, "/Users/"+null.id(), map[string]any{
			"schemas": []string{userURN}, "userName": "empty-" + profile, "active": nil, "emails": []any{},
		})
		if put.etag() != null.etag() {
			t.Errorf("%s: PUT of nulls changed the version from %s to %s", profile, null.etag(), put.etag())
		}
	}
}

// Rows 7, 9: id and meta are the server's.
func TestRow07_IDAndMetaAreTheServers(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	res := s.user("row7", "id", unused, "meta", map[string]any{"resourceType": "Group", "location": "http://evil/"})
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(res.id()) || res.id() == unused {
		t.Errorf("id = %q, want a fresh UUIDv7 in lower case", res.id())
	}
	if got := res.str("meta.resourceType"); got != "User" {
		t.Errorf("meta.resourceType = %q, want User", got)
	}
	s.want(http.StatusNotFound, http.MethodGet, "/Users/"+strings.ToUpper(res.id()), nil)
	if got := keys(res.at("meta").(map[string]any)); !cmp.Equal(got, []string{"created", "lastModified", "location", "resourceType", "version"}) {
		t.Errorf("meta has %v", got)
	}
}

// Row 8: externalId is exact and unique within the domain; row 112.
func TestRow08_ExternalIDPerDomain(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	a := s.as(scim.NewToken{Domain: "a"})
	b := s.as(scim.NewToken{Domain: "b"})
	a.user("row8-a", "externalId", "Key")
	a.user("row8-b", "externalId", "key")
	b.user("row8-c", "externalId", "Key")
	a.refuse(http.StatusConflict, "uniqueness", http.MethodPost, "/Users",
		map[string]any{"schemas": []string{userURN}, "userName": "row8-d", "externalId": "Key"}, "externalId")
	if got := a.want(http.StatusOK, http.MethodGet, `/Users?filter=externalId+eq+"Key"`, nil).column("userName"); !cmp.Equal(got, []string{"row8-a"}) {
		t.Errorf("externalId eq \"Key\" found %v", got)
	}
}

// Rows 10, 11, 12, 39, 40: created, location, version and their headers.
func TestRow10_MetaAndHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	created := s.user("row10")
	if created.str("meta.created") != "2026-03-01T12:00:00.123456Z" || created.str("meta.lastModified") != created.str("meta.created") {
		t.Errorf("created %q, lastModified %q", created.str("meta.created"), created.str("meta.lastModified"))
	}
	want := testBase + "/Users/" + created.id()
	for name, got := range map[string]string{
		"meta.location": created.str("meta.location"), "Location": created.Header.Get("Location"),
		"Content-Location": created.Header.Get("Content-Location"),
	} {
		if got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if created.etag() != `W/"1"` || created.str("meta.version") != `W/"1"` {
		t.Errorf("ETag %s, meta.version %s, want W/\"1\" twice", created.etag(), created.str("meta.version"))
	}
	s.clock.advance(time.Hour)
	changed := s.want(http.StatusOK, http.MethodPatch, "/Users/"+created.id(), patchOp([3]any{"add", "title", "Dr"}))
	if changed.str("meta.created") != created.str("meta.created") || changed.str("meta.lastModified") != "2026-03-01T13:00:00.123456Z" {
		t.Errorf("after a change: created %q, lastModified %q", changed.str("meta.created"), changed.str("meta.lastModified"))
	}
	got := s.want(http.StatusOK, http.MethodGet, "/Users/"+created.id(), nil)
	if diff := cmp.Diff(changed.JSON, got.JSON); diff != "" {
		t.Errorf("GET differs from the PATCH answer (-patch +get):\n%s", diff)
	}
	if got.etag() != `W/"2"` || got.str("meta.version") != got.etag() {
		t.Errorf("ETag %s, meta.version %s", got.etag(), got.str("meta.version"))
	}
	if ct := got.Header.Get("Content-Type"); ct != "application/scim+json" {
		t.Errorf("Content-Type = %q", ct)
	}
	head := s.want(http.StatusOK, http.MethodHead, "/Users/"+created.id(), nil)
	if head.etag() != got.etag() || len(head.Body) != 0 || head.Header.Get("Content-Length") != fmt.Sprint(len(got.Body)) {
		t.Errorf("HEAD: ETag %s, %d bytes, Content-Length %s", head.etag(), len(head.Body), head.Header.Get("Content-Length"))
	}
}

// Rows 13, 18: numbers and strings come back as they were sent.
func TestRow18_ValuesAsSent(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	phone := "+1 (555) 0100 / ext. 7"
	res := s.user("Row18.Name", "phoneNumbers", []any{map[string]any{"value": phone, "type": "WORK"}}, "displayName", "Zoë  \"Q\" <b>\u2028")
	got := s.want(http.StatusOK, http.MethodGet, "/Users/"+res.id(), nil)
	first := got.JSON["phoneNumbers"].([]any)[0].(map[string]any)
	if first["value"] != phone || first["type"] != "WORK" || got.str("userName") != "Row18.Name" || got.str("displayName") != "Zoë  \"Q\" <b>\u2028" {
		t.Errorf("values were reformatted: %s", got.Body)
	}
}

// Rows 16, 17, 33: rules over several values and required attributes.
func TestRow16_DocumentRules(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	base := func(more ...any) map[string]any {
		return merge(map[string]any{"schemas": []string{userURN}, "userName": "row16"}, more)
	}
	mail := func(value string, primary bool) map[string]any {
		return map[string]any{"value": value, "type": "work", "primary": primary}
	}
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Users",
		base("emails", []any{mail("a@x", true), mail("b@x", true)}), "emails")
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Users",
		base("emails", []any{mail("a@x", false), mail("a@x", false)}), "emails")
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Users",
		map[string]any{"schemas": []string{userURN}}, "userName")
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Groups",
		map[string]any{"schemas": []string{groupURN}}, "displayName")
	if total := s.want(http.StatusOK, http.MethodGet, "/Users", nil).total(t); total != 0 {
		t.Errorf("%d users after refusals, want none", total)
	}
}

// Row 19: userName is unique without regard to case and Unicode form.
func TestRow19_UserNamePrecis(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	first := s.user("Zoë.Ünal@Example.com")
	for _, name := range []string{"zoë.ünal@example.com", "ZOË.ÜNAL@EXAMPLE.COM", "Zoe\u0308.U\u0308nal@Example.com"} {
		s.refuse(http.StatusConflict, "uniqueness", http.MethodPost, "/Users",
			map[string]any{"schemas": []string{userURN}, "userName": name}, "userName")
	}
	for _, name := range []any{"", "   ", nil, 7, "a\u0000b"} {
		res := s.Do(http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": name})
		if res.Status != http.StatusBadRequest {
			t.Errorf("userName %q: %d, want 400", name, res.Status)
		}
	}
	other := s.user("other")
	s.refuse(http.StatusConflict, "uniqueness", http.MethodPatch, "/Users/"+other.id(),
		patchOp([3]any{"replace", "userName", "zoë.ünal@EXAMPLE.com"}), "userName")
	s.refuse(http.StatusConflict, "uniqueness", http.MethodPut, "/Users/"+other.id(),
		map[string]any{"schemas": []string{userURN}, "userName": "zoë.ünal@EXAMPLE.com"}, "userName")
	if got := s.want(http.StatusOK, http.MethodGet, `/Users?filter=userName+eq+"`+"ZOE%CC%88.U%CC%88NAL@EXAMPLE.COM"+`"`, nil).column("id"); !cmp.Equal(got, []string{first.id()}) {
		t.Errorf("filter on another spelling found %v", got)
	}
}

// Row 31: fifty writers of one name make one user.
func TestUserNameRace(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	const writers = 50
	status := make([]int, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			name := "race"
			if i%2 == 1 {
				name = "RACE"
			}
			status[i] = s.Do(http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": name}).Status
		})
	}
	wg.Wait()
	slices.Sort(status)
	want := append([]int{http.StatusCreated}, slices.Repeat([]int{http.StatusConflict}, writers-1)...)
	if !cmp.Equal(status, want) {
		t.Errorf("statuses = %v, want one 201 and the rest 409", status)
	}
	if total := s.want(http.StatusOK, http.MethodGet, "/Users", nil).total(t); total != 1 {
		t.Errorf("%d users, want 1", total)
	}
}

// Row 20: the password is hashed, never returned, never filterable.
func TestRow20_PasswordIsWriteOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	rfc := s.profile(scim.ProfileRFC)
	const secret = "correct horse battery"
	created := rfc.user("row20", "password", secret)
	hash := s.hasher.hash(created.id())
	if !strings.HasPrefix(hash, "$test$") {
		t.Errorf("stored hash = %q", hash)
	}
	for _, res := range []*response{
		created,
		rfc.want(http.StatusOK, http.MethodGet, "/Users/"+created.id()+"?attributes=password,userName", nil),
		rfc.want(http.StatusOK, http.MethodGet, "/Users?attributes=password", nil),
		rfc.want(http.StatusOK, http.MethodPatch, "/Users/"+created.id(), patchOp([3]any{"replace", "password", secret + "2"})),
	} {
		if strings.Contains(string(res.Body), "assword") || strings.Contains(string(res.Body), secret) {
			t.Errorf("password returned: %s", res.Body)
		}
	}
	if changed := s.hasher.hash(created.id()); changed == hash || changed == "" {
		t.Errorf("PATCH left the hash as it was")
	}
	rfc.refuse(http.StatusForbidden, "sensitive", http.MethodGet, `/Users?filter=password+sw+"c"`, nil, "password")
	rfc.refuse(http.StatusForbidden, "sensitive", http.MethodGet, `/Users?sortBy=password`, nil, "password")
	rfc.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Users",
		map[string]any{"schemas": []string{userURN}, "userName": "short", "password": "x"}, "password")
	if total := rfc.want(http.StatusOK, http.MethodGet, `/Users?filter=userName+eq+"short"`, nil).total(t); total != 0 {
		t.Errorf("a user with a refused password was created")
	}
	s.profile(scim.ProfileStrict).want(http.StatusBadRequest, http.MethodPost, "/Users",
		map[string]any{"schemas": []string{userURN}, "userName": "strict", "password": secret})
}

// A token that ignores passwords makes no credential of Okta's placeholders.
func TestOktaPasswordPlaceholder(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	okta := s.as(scim.NewToken{IgnorePasswords: true})
	created := okta.user("okta", "password", "placeholder-1")
	id := created.id()
	okta.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "", map[string]any{"password": "placeholder-2"}}))
	okta.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "okta", "password": "placeholder-3"})
	if hash := s.hasher.hash(id); hash != "" {
		t.Errorf("a placeholder became the credential %q", hash)
	}
	if s.hasher.hashed != 0 {
		t.Errorf("%d placeholders were hashed", s.hasher.hashed)
	}
	if got := okta.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil).etag(); got != `W/"1"` {
		t.Errorf("placeholders changed the version to %s", got)
	}
	if names := s.eventNames(id); !cmp.Equal(names, []string{"user.created"}) {
		t.Errorf("audit = %v, want only the creation", names)
	}
	// A password that another token sets stays.
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "password", "a real password"}))
	before := s.hasher.hash(id)
	okta.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"remove", "password", nil}))
	if got := s.hasher.hash(id); got != before || got == "" {
		t.Errorf("the hash went from %q to %q", before, got)
	}
}

// Row 42: after DELETE the resource is gone everywhere and its names are free.
func TestDeleteFreesName(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	created := s.user("leaver", "externalId", "e1", "emails", []any{map[string]any{"value": "leaver@example.com"}})
	id := created.id()
	deleted := s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
	if len(deleted.Body) != 0 {
		t.Errorf("204 with a body: %s", deleted.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodHead} {
		s.want(http.StatusNotFound, method, "/Users/"+id, nil)
	}
	s.want(http.StatusNotFound, http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "leaver"})
	s.want(http.StatusNotFound, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "active", true}))
	for _, filter := range []string{`userName eq "leaver"`, `externalId eq "e1"`, `emails.value co "leaver"`, `id eq "` + id + `"`} {
		res := s.want(http.StatusOK, http.MethodPost, "/Users/.search", map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter})
		if res.total(t) != 0 {
			t.Errorf("%s still finds it", filter)
		}
	}
	again := s.user("Leaver", "externalId", "e1")
	if again.id() == id {
		t.Errorf("id %s was used again", id)
	}
}

// Row 43: an inactive user stays readable, filterable, and keeps its name.
func TestInactiveStaysVisible(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("sleeper").id()
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"Replace", "active", "False"}))
	if got := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil).at("active"); got != false {
		t.Errorf("active = %v, want false", got)
	}
	if got := s.want(http.StatusOK, http.MethodGet, `/Users?filter=userName+eq+"sleeper"`, nil).total(t); got != 1 {
		t.Errorf("filter finds %d, want 1", got)
	}
	s.want(http.StatusConflict, http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": "sleeper"})
}

// Row 35: what is no JSON is 400 invalidSyntax and writes nothing.
func TestRow35_MalformedBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("row35").id()
	deep := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	for name, body := range map[string]string{
		"empty": "", "array": "[]", "string": `"x"`, "cut off": `{"userName":"x"`, "trailing data": `{} {}`,
		"invalid UTF-8": "{\"userName\":\"\xff\"}", "duplicate key": `{"userName":"a","USERNAME":"b"}`, "too deep": deep,
		"NUL": `{"userName":"a\u0000"}`, "comment": `{/**/}`, "NaN": `{"a":NaN}`,
	} {
		for _, r := range [][2]string{{http.MethodPost, "/Users"}, {http.MethodPut, "/Users/" + id}, {http.MethodPatch, "/Users/" + id}, {http.MethodPost, "/Users/.search"}} {
			res := s.Do(r[0], r[1], body)
			if res.Status != http.StatusBadRequest || res.str("scimType") != "invalidSyntax" && res.str("scimType") != "invalidValue" || res.str("detail") == "" {
				t.Errorf("%s %s with %s: %d %s", r[0], r[1], name, res.Status, res.Body)
			}
		}
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil).etag(); got != `W/"1"` {
		t.Errorf("version became %s", got)
	}
}

// Row 48: bodies above the limit are 413; groups may be larger.
func TestRow48_BodyLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{Body: 2000, GroupBody: 4000, Elements: 3, MemberValues: 5, PatchOperations: 2}})
	long := strings.Repeat("x", 2000)
	s.refuse(http.StatusRequestEntityTooLarge, "", http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": "a", "title": long}, "2000")
	s.want(http.StatusCreated, http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": long})
	s.want(http.StatusRequestEntityTooLarge, http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": long + long})

	mails := []any{}
	for i := range 4 {
		mails = append(mails, map[string]any{"value": fmt.Sprintf("m%d@x", i)})
	}
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": "a", "emails": mails}, "emails", "3")
	id := s.user("b", "emails", mails[:3]).id()
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPatch, "/Users/"+id, patchOp([3]any{"add", "emails", mails[3:]}), "emails")
	op := [3]any{"replace", "title", "x"}
	s.refuse(http.StatusRequestEntityTooLarge, "", http.MethodPatch, "/Users/"+id, patchOp(op, op, op))
	ids := slices.Repeat([]string{id}, 6)
	s.refuse(http.StatusRequestEntityTooLarge, "", http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "g", "members": memberList(ids...)}, "members")
}

// Row 13: a large integer keeps its digits; the custom type of row 6.
func TestCustomTypeFromJSON(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	const urn = "urn:example:params:scim:schemas:Device"
	body := fmt.Sprintf(`{"schemas":[%q],"serial":"A-1","size":9007199254740993,"weight":1.50,"seen":"2026-01-02T03:04:05+01:00",
		"key":"AQI=","home":"https://example.com/x","tags":["b","a"],"ports":[{"value":"eth0","speed":10},{"value":"eth1","speed":1}],"flag":true,"model":"m1","note":"n"}`, urn)
	created := s.want(http.StatusCreated, http.MethodPost, "/Devices", body)
	id := created.id()
	if got := created.at("size"); got != json.Number("9007199254740993") {
		t.Errorf("size = %v: digits were lost", got)
	}
	if got := created.str("meta.location"); got != testBase+"/Devices/"+id {
		t.Errorf("location = %q", got)
	}
	if created.at("note") != nil {
		t.Errorf("an attribute returned on request came unasked: %s", created.Body)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Devices/"+id+"?attributes=note", nil).str("note"); got != "n" {
		t.Errorf("note = %q, want n", got)
	}
	s.refuse(http.StatusConflict, "uniqueness", http.MethodPost, "/Devices", strings.Replace(body, "9007199254740993", "1", 1), "serial")
	for _, filter := range []string{
		`serial eq "a-1"`, `size gt 9007199254740992`, `weight eq 1.5`, `seen lt "2026-01-02T02:04:06Z"`, `tags eq "a"`,
		`ports[value eq "eth0" and speed ge 10]`, `flag eq true`, `meta.resourceType eq "Device"`,
	} {
		res := s.want(http.StatusOK, http.MethodPost, "/Devices/.search", map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter})
		if res.total(t) != 1 {
			t.Errorf("%s found %d, want 1", filter, res.total(t))
		}
	}
	patched := s.want(http.StatusOK, http.MethodPatch, "/Devices/"+id, patchOp([3]any{"replace", `ports[value eq "eth1"].speed`, 7}, [3]any{"remove", "flag", nil}))
	if patched.at("flag") != nil || patched.etag() != `W/"2"` {
		t.Errorf("PATCH left %s", patched.Body)
	}
	s.refuse(http.StatusBadRequest, "mutability", http.MethodPut, "/Devices/"+id, strings.Replace(body, `"m1"`, `"m2"`, 1), "model")
	put := s.want(http.StatusOK, http.MethodPut, "/Devices/"+id, fmt.Sprintf(`{"schemas":[%q],"serial":"A-2","size":1}`, urn), "If-Match", patched.etag())
	if put.str("model") != "m1" || put.at("tags") != nil {
		t.Errorf("PUT left %s", put.Body)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Devices?sortBy=size&count=1", nil).total(t); got != 1 {
		t.Errorf("list has %d, want 1", got)
	}
	s.want(http.StatusNoContent, http.MethodDelete, "/Devices/"+id, nil)
	s.want(http.StatusNotFound, http.MethodGet, "/Devices/"+id, nil)
	if got := s.eventNames(id); !cmp.Equal(got, []string{"resource.created", "resource.updated", "resource.updated", "resource.deleted"}) {
		t.Errorf("audit = %v", got)
	}
}
