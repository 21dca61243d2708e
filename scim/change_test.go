package scim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
)

// Row 41 and "the same in every profile": what a PUT replaces and keeps.
func TestPutReplace(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})
	sf := "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
	full := func(c *client, name string) *response {
		return c.user(name, "title", "Dr", "emails", []any{map[string]any{"value": "a@example.com"}}, "password", "a good password", "active", false,
			sf, map[string]any{"secondFactorEnabled": true, "secondFactorEmail": "sf@example.com"}, enterpriseURN, map[string]any{"department": "Tours"})
	}
	for _, profile := range []string{scim.ProfileRFC, scim.ProfileCompat, scim.ProfilePing} {
		t.Run(profile, func(t *testing.T) {
			c := s.profile(profile)
			id := full(c, "put-"+profile).id()
			hash := s.hasher.hash(id)
			put := c.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{
				"schemas": []string{userURN}, "userName": "put-" + profile, "nickName": "N", "id": unused, "meta": map[string]any{"version": "x"}, "groups": []any{},
			})
			if put.at("active") != false {
				t.Errorf("active = %v, want the false that was left out", put.at("active"))
			}
			if s.hasher.hash(id) != hash || hash == "" {
				t.Errorf("the password went from %q to %q", hash, s.hasher.hash(id))
			}
			factor, _ := put.JSON[sf].(map[string]any)
			if profile == scim.ProfilePing {
				factor = put.JSON
			}
			if factor["secondFactorEnabled"] != true || factor["secondFactorEmail"] != "sf@example.com" {
				t.Errorf("second factor = %v, want it kept: %s", factor, put.Body)
			}
			kept := put.at("title") != nil && put.at("emails") != nil && put.JSON[enterpriseURN] != nil
			if kept != (profile == scim.ProfilePing) || put.str("nickName") != "N" || put.id() != id {
				t.Errorf("PUT left %s", put.Body)
			}
		})
	}
	t.Run("empty_extension_names_nothing", func(t *testing.T) {
		c := s.profile(scim.ProfileCompat)
		id := full(c, "put-empty").id()
		put := c.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{"userName": "put-empty", sf: map[string]any{}})
		factor, _ := put.JSON[sf].(map[string]any)
		if factor["secondFactorEnabled"] != true || factor["secondFactorEmail"] != "sf@example.com" {
			t.Errorf("second factor = %v, want it kept: %s", factor, put.Body)
		}
	})
	t.Run("null_clears_under_ping", func(t *testing.T) {
		c := s.profile(scim.ProfilePing)
		id := full(c, "ping-null").id()
		put := c.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{
			"userName": "ping-null", "title": nil, "emails": []any{}, "secondFactorEmail": nil, enterpriseURN: nil,
		})
		if put.at("title") != nil || put.at("emails") != nil || put.at("secondFactorEmail") != nil || put.JSON[enterpriseURN] != nil || put.at("secondFactorEnabled") != true {
			t.Errorf("PUT with nulls left %s", put.Body)
		}
	})
	t.Run("never_creates", func(t *testing.T) {
		s.want(http.StatusNotFound, http.MethodPut, "/Users/"+unused, map[string]any{"schemas": []string{userURN}, "userName": "new"})
	})
	t.Run("required", func(t *testing.T) {
		id := s.user("put-required").id()
		s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}}, "userName")
	})
	t.Run("password_by_PUT", func(t *testing.T) {
		id := full(s.client, "put-password").id()
		hash := s.hasher.hash(id)
		s.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "put-password", "password": "another good one"})
		if got := s.hasher.hash(id); got == hash {
			t.Errorf("PUT did not change the password")
		}
	})
	t.Run("members", func(t *testing.T) {
		ids := people(s.client, 3)
		g := s.group("put-group", ids[0], ids[1]).id()
		put := s.want(http.StatusOK, http.MethodPut, "/Groups/"+g, map[string]any{"schemas": []string{groupURN}, "displayName": "put-group", "members": memberList(ids[1], ids[2])})
		if got := idsIn(put.at("members")); !cmp.Equal(got, sorted(ids[1], ids[2])) || put.etag() != `W/"2"` {
			t.Errorf("members %v at %s", got, put.etag())
		}
		ping := s.profile(scim.ProfilePing).want(http.StatusOK, http.MethodPut, "/Groups/"+g, map[string]any{"displayName": "put-group"})
		if got := idsIn(ping.at("members")); len(got) != 2 || ping.etag() != `W/"2"` {
			t.Errorf("ping left members out: %v at %s", got, ping.etag())
		}
		none := s.want(http.StatusOK, http.MethodPut, "/Groups/"+g, map[string]any{"schemas": []string{groupURN}, "displayName": "put-group"})
		if none.at("members") != nil || none.etag() != `W/"3"` {
			t.Errorf("members left out: %s", none.Body)
		}
	})
}

// A PUT of what GET returned (Okta's wizard applications) changes nothing.
func TestRow84_PutOfTheSameIsNoChange(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("same", "title", "Dr", enterpriseURN, map[string]any{"department": "Tours", "manager": map[string]any{"value": unused}}).id()
	g := s.group("same", id)
	before := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil)
	s.clock.advance(time.Hour)
	after := s.want(http.StatusOK, http.MethodPut, "/Users/"+id, before.JSON)
	if diff := cmp.Diff(before.JSON, after.JSON); diff != "" {
		t.Errorf("PUT of the same (-before +after):\n%s", diff)
	}
	again := s.want(http.StatusOK, http.MethodPut, "/Groups/"+g.id(), g.JSON)
	if diff := cmp.Diff(g.JSON, again.JSON); diff != "" {
		t.Errorf("PUT of the same group (-before +after):\n%s", diff)
	}
	if names := s.eventNames(id); !cmp.Equal(names, []string{"user.created", "group.member_added"}) {
		t.Errorf("audit = %v", names)
	}
}

// Rows 84, 101: a PATCH that changes nothing keeps version, time and audit.
func TestPatchNoOpKeepsVersion(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	created := s.user("noop", "title", "Dr", "emails", []any{map[string]any{"value": "a@example.com", "type": "work", "primary": true}})
	id := created.id()
	s.clock.advance(time.Hour)
	for _, ops := range [][][3]any{
		{{"replace", "title", "Dr"}},
		{{"add", "title", "Dr"}},
		{{"replace", "", map[string]any{"title": "Dr", "active": true}}},
		{{"add", "emails", []any{map[string]any{"value": "a@example.com", "type": "work", "primary": true}}}},
		{{"remove", "nickName", nil}},
		{{"remove", `emails[type eq "home"]`, nil}},
		{{"replace", "active", "True"}},
		{{"replace", "title", "X"}, {"replace", "title", "Dr"}},
		{},
	} {
		res := s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp(ops...))
		if diff := cmp.Diff(created.JSON, res.JSON); diff != "" {
			t.Errorf("%v changed the user (-before +after):\n%s", ops, diff)
		}
	}
	if names := s.eventNames(id); !cmp.Equal(names, []string{"user.created"}) {
		t.Errorf("audit = %v, want only the creation", names)
	}
}

// Row 82: 200 or 204 by projection, preference and profile.
func TestRow82_PatchReply(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	n := 0
	for _, tt := range []struct {
		profile, path, prefer string
		user, group           int
	}{
		{scim.ProfileRFC, "", "", 200, 200},
		{scim.ProfileCompat, "", "", 200, 204},
		{scim.ProfileStrict, "", "", 200, 204},
		{scim.ProfilePing, "", "", 200, 200},
		{scim.ProfileCompat, "?attributes=id", "", 200, 200},
		{scim.ProfileCompat, "?excludedAttributes=members", "return=minimal", 200, 200},
		{scim.ProfileRFC, "", "return=minimal", 204, 204},
		{scim.ProfileCompat, "", `respond-async, return="representation"`, 200, 200},
		{scim.ProfileCompat, "", "return=nonsense", 200, 204},
	} {
		n++
		c := s.profile(tt.profile)
		u := c.user(fmt.Sprintf("reply-%d", n)).id()
		g := c.group(fmt.Sprintf("reply-%d", n)).id()
		for kind, want := range map[string]int{"/Users/" + u: tt.user, "/Groups/" + g: tt.group} {
			res := c.Do(http.MethodPatch, kind+tt.path, patchOp([3]any{"add", "externalId", kind}), "Prefer", tt.prefer)
			if res.Status != want || (want == 204) != (len(res.Body) == 0) || res.etag() != `W/"2"` || res.Header.Get("Location") != testBase+kind {
				t.Errorf("%s PATCH %s%s (Prefer %q) = %d with ETag %s, Location %q, body %s; want %d",
					tt.profile, kind, tt.path, tt.prefer, res.Status, res.etag(), res.Header.Get("Location"), res.Body, want)
			}
			followed := strings.HasSuffix(tt.prefer, "minimal") && want == 204 || strings.Contains(tt.prefer, "representation")
			if got := res.Header.Get("Preference-Applied"); (got != "") != followed {
				t.Errorf("%s PATCH %s (Prefer %q): Preference-Applied %q", tt.profile, kind, tt.prefer, got)
			}
		}
	}
}

// Rows 106, 107: preconditions on every method, weakly compared.
func TestETag(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("etag").id()
	path := "/Users/" + id
	old := s.want(http.StatusOK, http.MethodPatch, path, patchOp([3]any{"add", "title", "1"}))
	for _, tt := range []struct {
		header, value string
		get           int
	}{
		{"If-None-Match", `W/"2"`, 304},
		{"If-None-Match", `"2"`, 304},
		{"If-None-Match", `W/"1", W/"2"`, 304},
		{"If-None-Match", `*`, 304},
		{"If-None-Match", `W/"1"`, 200},
		{"If-None-Match", `W/"22"`, 200},
		{"If-None-Match", ``, 200},
		{"If-Match", `W/"2"`, 200},
		{"If-Match", `*`, 200},
		{"If-Match", `W/"1"`, 412},
		{"If-Match", `W/"7","2"`, 200},
		{"If-Match", `"a,b", W/"x"`, 412},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			res := s.Do(method, path, nil, tt.header, tt.value)
			if res.Status != tt.get {
				t.Errorf("%s with %s: %s = %d, want %d", method, tt.header, tt.value, res.Status, tt.get)
			}
			if tt.get == 304 && (len(res.Body) != 0 || res.etag() != old.etag()) {
				t.Errorf("304 with body %q and ETag %q", res.Body, res.etag())
			}
		}
	}
	change := func(n int) map[string]any { return patchOp([3]any{"replace", "title", fmt.Sprint(n)}) }
	put := map[string]any{"schemas": []string{userURN}, "userName": "etag", "title": "put"}
	for _, bad := range [][2]string{{"If-Match", `W/"1"`}, {"If-Match", `"1", W/"3"`}, {"If-None-Match", "*"}, {"If-None-Match", `W/"2"`}} {
		for method, body := range map[string]any{http.MethodPatch: change(9), http.MethodPut: put, http.MethodDelete: nil} {
			res := s.want(http.StatusPreconditionFailed, method, path, body, bad[0], bad[1])
			checkError(t, res, http.StatusPreconditionFailed, "", bad[0])
		}
	}
	if got := s.want(http.StatusOK, http.MethodGet, path, nil); got.etag() != old.etag() {
		t.Fatalf("a refused change went through: %s", got.Body)
	}
	s.want(http.StatusOK, http.MethodPatch, path, change(3), "If-Match", `W/"2"`)
	s.want(http.StatusOK, http.MethodPatch, path, change(4), "If-Match", `"3"`) // the strong form of the same tag
	s.want(http.StatusOK, http.MethodPut, path, put, "If-Match", `W/"1"`, "If-Match", `W/"4"`)
	s.want(http.StatusNotFound, http.MethodPut, "/Users/"+unused, put, "If-Match", "*")
	s.want(http.StatusNoContent, http.MethodDelete, path, nil, "If-Match", "*")
}

// Row 106: of writers with the same If-Match one wins.
func TestRow106_NoLostUpdate(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	created := s.user("lost")
	const writers = 16
	status := make([]int, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			status[i] = s.Do(http.MethodPatch, "/Users/"+created.id(), patchOp([3]any{"replace", "title", fmt.Sprint("w", i)}), "If-Match", created.etag()).Status
		})
	}
	wg.Wait()
	slices.Sort(status)
	if want := append([]int{200}, slices.Repeat([]int{412}, writers-1)...); !cmp.Equal(status, want) {
		t.Errorf("statuses = %v, want one 200 and the rest 412", status)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Users/"+created.id(), nil).etag(); got != `W/"2"` {
		t.Errorf("version = %s, want 2", got)
	}
}

// Every way to deactivate or delete a user ends the logins, in the same
// transaction; and nothing else does.
func TestDeactivateEndsLogins(t *testing.T) { //nolint:tparallel // the cases share what was ended
	t.Parallel()
	var mu sync.Mutex
	var ended []string
	var failure error
	s := newServer(t, options{onDeactivate: func(_ context.Context, id string) error {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, id)
		return failure
	}})
	for i, tt := range []struct {
		name, method string
		body         any
	}{
		{"PATCH", http.MethodPatch, patchOp([3]any{"replace", "active", false})},
		{"PATCH_string", http.MethodPatch, patchOp([3]any{"Replace", "active", "False"})},
		{"PATCH_without_path", http.MethodPatch, patchOp([3]any{"replace", "", map[string]any{"active": false}})},
		{"PUT", http.MethodPut, map[string]any{"schemas": []string{userURN}, "userName": "ender3", "active": false}},
		{"DELETE", http.MethodDelete, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := s.user(fmt.Sprintf("ender%d", i)).id()
			ended = nil
			s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "title", "x"}))
			if len(ended) != 0 {
				t.Errorf("another change ended the logins")
			}
			res := s.Do(tt.method, "/Users/"+id, tt.body)
			if res.Status >= 300 || !cmp.Equal(ended, []string{id}) {
				t.Errorf("%d, ended = %v, want [%s]", res.Status, ended, id)
			}
			if tt.method == http.MethodDelete {
				return
			}
			if got := s.eventNames(id); !slices.Contains(got, "user.deactivated") {
				t.Errorf("audit = %v, want user.deactivated in it", got)
			}
			s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "active", true}))
			if got := s.eventNames(id); got[len(got)-1] != "user.activated" || len(ended) != 1 {
				t.Errorf("after activation: audit = %v, ended = %v", got, ended)
			}
		})
	}
	t.Run("Bulk", func(t *testing.T) {
		id := s.user("ender-bulk").id()
		ended = nil
		s.want(http.StatusOK, http.MethodPost, "/Bulk", map[string]any{
			"schemas":    []string{scim.BulkRequestURN},
			"Operations": []any{map[string]any{"method": "PATCH", "path": "/Users/" + id, "data": patchOp([3]any{"replace", "active", "false"})}},
		})
		if !cmp.Equal(ended, []string{id}) {
			t.Errorf("ended = %v, want [%s]", ended, id)
		}
	})
	t.Run("failure_rolls_back", func(t *testing.T) {
		id := s.user("ender-fail").id()
		failure = errors.New("sessions are down, secret-marker")
		res := s.want(http.StatusInternalServerError, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "active", false}))
		if strings.Contains(string(res.Body), "secret-marker") {
			t.Errorf("internal text shown: %s", res.Body)
		}
		if got := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil); got.at("active") != true || got.etag() != `W/"1"` {
			t.Errorf("after the failure: %s", got.Body)
		}
	})
}

// Row 27: read-only attributes are ignored in POST and PUT and refused as a
// PATCH target.
func TestRow27_ReadOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("row27", "groups", []any{map[string]any{"value": unused}}).id()
	for _, path := range []string{"id", "meta", "meta.created", "groups", "schemas"} {
		s.refuse(http.StatusBadRequest, "mutability", http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", path, "x"}), strings.Split(path, ".")[0])
	}
	s.refuse(http.StatusBadRequest, "mutability", http.MethodPatch, "/Users/"+id, patchOp([3]any{"remove", "userName", nil}), "userName")
}

// Rows 20, 30, 71: attributes and excludedAttributes on every method.
func TestProjectionEveryMethod(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})
	body := func(name string) map[string]any {
		return map[string]any{
			"schemas": []string{userURN, enterpriseURN}, "userName": name, "title": "Dr", "password": "a good password",
			"name":   map[string]any{"givenName": "A", "familyName": "B"},
			"emails": []any{map[string]any{"value": "a@example.com", "type": "work"}}, enterpriseURN: map[string]any{"department": "D", "division": "V"},
		}
	}
	for name, tt := range map[string]struct {
		query string
		want  []string
		check func(map[string]any) bool
	}{
		"attributes":    {"attributes=title", []string{"id", "schemas", "title"}, nil},
		"several":       {"attributes=title,%20userName", []string{"id", "schemas", "title", "userName"}, nil},
		"sub-attribute": {"attributes=name.givenName", []string{"id", "name", "schemas"}, func(o map[string]any) bool { return cmp.Equal(o["name"], map[string]any{"givenName": "A"}) }},
		"other case":    {"attributes=NAME.GivenName,TITLE", []string{"id", "name", "schemas", "title"}, nil},
		"URN":           {"attributes=" + enterpriseURN + ":department", []string{"id", "schemas", enterpriseURN}, func(o map[string]any) bool { return cmp.Equal(o[enterpriseURN], map[string]any{"department": "D"}) }},
		"core URN":      {"attributes=" + userURN + ":title", []string{"id", "schemas", "title"}, nil},
		"multi-valued sub": {"attributes=emails.value", []string{"emails", "id", "schemas"}, func(o map[string]any) bool {
			return cmp.Equal(o["emails"], []any{map[string]any{"value": "a@example.com"}})
		}},
		"unknown":         {"attributes=nosuch", []string{"id", "schemas"}, nil},
		"password":        {"attributes=password", []string{"id", "schemas"}, nil},
		"meta sub":        {"attributes=meta.version", []string{"id", "meta", "schemas"}, func(o map[string]any) bool { return len(o["meta"].(map[string]any)) == 1 }},
		"excluded":        {"excludedAttributes=title,name,emails,meta", []string{"active", "id", "schemas", enterpriseURN, "userName"}, nil},
		"excluded always": {"excludedAttributes=id,schemas,title,name,emails,meta,active", []string{"id", "schemas", enterpriseURN, "userName"}, nil},
		"excluded sub": {"excludedAttributes=name.givenName,meta.location,emails,title,active", []string{"id", "meta", "name", "schemas", enterpriseURN, "userName"}, func(o map[string]any) bool {
			return len(o["meta"].(map[string]any)) == 4 && len(o["name"].(map[string]any)) == 1
		}},
		"excluded extension": {"excludedAttributes=" + enterpriseURN + ",meta,title,name,emails", []string{"active", "id", "schemas", "userName"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(method string, o map[string]any) {
				t.Helper()
				if got := keys(o); !cmp.Equal(got, tt.want) {
					t.Errorf("%s: attributes %v, want %v", method, got, tt.want)
				}
				if tt.check != nil && !tt.check(o) {
					t.Errorf("%s: values %v", method, o)
				}
			}
			login := "proj " + name
			created := s.want(http.StatusCreated, http.MethodPost, "/Users?"+tt.query, body(login))
			check("POST", created.JSON)
			id := created.id()
			one := "/Users/" + id + "?" + tt.query
			check("GET", s.want(http.StatusOK, http.MethodGet, one, nil).JSON)
			check("PATCH", s.want(http.StatusOK, http.MethodPatch, one, patchOp([3]any{"add", "nickName", "N"}, [3]any{"remove", "nickName", nil})).JSON)
			check("PUT", s.want(http.StatusOK, http.MethodPut, one, body(login)).JSON)
			filter := `userName eq "` + login + `"`
			list := s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", filter)+"&"+tt.query, nil)
			check("list", list.resources()[0])
			kind, names, _ := strings.Cut(tt.query, "=")
			found := s.want(http.StatusOK, http.MethodPost, "/Users/.search",
				map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter, kind: strings.Split(strings.ReplaceAll(names, "%20", " "), ",")})
			check("search", found.resources()[0])
			root := s.want(http.StatusOK, http.MethodPost, "/.search",
				map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter, kind: strings.Split(strings.ReplaceAll(names, "%20", " "), ",")})
			check("root search", root.resources()[0])
		})
	}
	many := strings.Repeat("a,", 101)
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodGet, "/Users?attributes="+many, nil, "100")
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodGet, "/Users/"+s.user("both").id()+"?attributes=id&excludedAttributes=title", nil, "excludedAttributes")
}
