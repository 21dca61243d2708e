package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

// Rows 38, 50: every route but discovery asks for a token, and for the scope
// of its method.
func TestRow38_EveryRouteNeedsAToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	public := []string{"/ServiceProviderConfig", "/Schemas", "/Schemas/:id", "/ResourceTypes", "/ResourceTypes/:id"}
	nobody := &client{s: s}
	none := s.as(scim.NewToken{Scopes: []string{scim.ScopeRead}})
	writer := s.as(scim.NewToken{Scopes: []string{scim.ScopeWrite}})
	routes := s.echo.Routes()
	if len(routes) < 30 {
		t.Fatalf("only %d routes", len(routes))
	}
	for _, r := range routes {
		path := strings.TrimPrefix(r.Path, scim.Root)
		if slices.Contains(public, path) {
			continue
		}
		path = strings.ReplaceAll(path, ":id", unused)
		var body any
		if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
			body = "{}"
		}
		res := nobody.Do(r.Method, path, body)
		if res.Status != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s %s without a token = %d, WWW-Authenticate %q, want 401 Bearer", r.Method, r.Path, res.Status, res.Header.Get("WWW-Authenticate"))
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.Path, "/.search")
		refused := none
		if reads {
			refused = writer
		}
		if res := refused.Do(r.Method, path, body); res.Status != http.StatusForbidden {
			t.Errorf("%s %s with the other scope = %d, want 403", r.Method, r.Path, res.Status)
		}
	}
}

// Row 36: unknown endpoints and methods, and ids that cannot be.
func TestRow36_UnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("row36").id()
	for _, path := range []string{
		"/Nothing", "/users", "/Users/" + unused, "/Users/a%2Fb", "/Users/" + id + "/nothing", "/Users/..", "/Users/%00", "/Users/a%20b",
		"/Users/" + strings.Repeat("x", 300), "/Users/%C3%A9", "/Groups/" + id, "/Users/" + id + "%2F..%2F" + id,
	} {
		res := s.Do(http.MethodGet, path, nil)
		if res.Status != http.StatusNotFound || res.str("status") != "404" {
			t.Errorf("GET %s = %d %s, want 404 as a SCIM error", path, res.Status, res.Body)
		}
	}
	for path, allow := range map[string]string{"/Users": "GET", "/Users/" + id: "PATCH", "/Me": "PUT", "/Users/.search": "POST", "/.search": "POST", "/Bulk": "POST"} {
		method := http.MethodTrace
		if strings.HasSuffix(path, "search") {
			method = http.MethodGet
		}
		res := s.Do(method, path, nil)
		if res.Status != http.StatusMethodNotAllowed || !strings.Contains(res.Header.Get("Allow"), allow) || res.str("status") != "405" {
			t.Errorf("%s %s = %d, Allow %q, want 405 with %s", method, path, res.Status, res.Header.Get("Allow"), allow)
		}
	}
	// Row 49: no header or parameter overrides the method.
	s.want(http.StatusOK, http.MethodGet, "/Users/"+id+"?_method=DELETE", nil, "X-HTTP-Method-Override", "DELETE", "X-HTTP-Method", "DELETE")
	s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil)
}

// Rows 34, 45: what clients add to paths does not break routing.
func TestRow45_PathsThatClientsSend(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("row45").id()
	for _, path := range []string{
		"/Users/" + id + "?aadOptscim062020", "/Users/" + id + "?aadOptscim062020=", "/Users/" + id + "?AzureAdScimPatch2017&attributes=userName",
		"/aadOptscim062020/Users/" + id, "/AzureAdScimPatch2017/Users/" + id, "/Users/" + id + ".scim", "/Users/" + id + "/",
		"/aadOptscim062020/Users/" + id + ".scim?aadOptscim062020",
	} {
		if got := s.want(http.StatusOK, http.MethodGet, path, nil).str("userName"); got != "row45" {
			t.Errorf("GET %s: userName %q", path, got)
		}
	}
	for _, path := range []string{"/Users.scim", "/Users/", "/aadOptscim062020/Users?filter=userName+eq+%22row45%22", "/.scim", "/"} {
		if got := s.Do(http.MethodGet, path, nil).Status; got != http.StatusOK && path != "/.scim" {
			t.Errorf("GET %s = %d", path, got)
		}
	}
	s.want(http.StatusOK, http.MethodPatch, "/aadOptscim062020/Users/"+id+"?aadOptscim062020", patchOp([3]any{"replace", "", map[string]any{"name.givenName": "Ada"}}))
}

// Row 44: /Me is the token's user, under the location of the real resource.
func TestRow44_Me(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost} {
		res := s.Do(method, "/Me", "{}")
		if res.Status != http.StatusNotImplemented {
			t.Errorf("%s /Me without a user = %d, want 501", method, res.Status)
		}
	}
	id := s.user("me", "title", "Dr").id()
	me := s.asUser(id)
	location := testBase + "/Users/" + id
	got := me.want(http.StatusOK, http.MethodGet, "/Me?attributes=userName,meta", nil)
	if got.str("userName") != "me" || got.str("meta.location") != location || got.Header.Get("Location") != location || got.Header.Get("Content-Location") != location {
		t.Errorf("GET /Me: %s, headers %v", got.Body, got.Header)
	}
	me.want(http.StatusNotModified, http.MethodGet, "/Me", nil, "If-None-Match", got.etag())
	patched := me.want(http.StatusOK, http.MethodPatch, "/Me", patchOp([3]any{"replace", "title", "Prof"}), "If-Match", got.etag())
	if patched.str("title") != "Prof" || patched.Header.Get("Location") != location {
		t.Errorf("PATCH /Me: %s", patched.Body)
	}
	events := s.events(id)
	if actor := events[len(events)-1].Actor; actor.Type != "user" || actor.ID != id {
		t.Errorf("audit actor = %+v, want the user", actor)
	}
	put := me.want(http.StatusOK, http.MethodPut, "/Me", map[string]any{"schemas": []string{userURN}, "userName": "me2"})
	if put.str("userName") != "me2" || put.at("title") != nil {
		t.Errorf("PUT /Me: %s", put.Body)
	}
	me.want(http.StatusNotImplemented, http.MethodPost, "/Me", "{}")
	me.want(http.StatusNoContent, http.MethodDelete, "/Me", nil)
	s.want(http.StatusNotFound, http.MethodGet, "/Users/"+id, nil)
}

// Rows 11, 45: locations follow the base that the client addressed, among the
// configured ones, and forwarded hosts count from trusted fronts only.
func TestLocationBehindFront(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	s := newServer(t, options{
		bases:     []string{"https://id.example.com/scim/v2", "https://directory.example.org/scim/v2", "http://127.0.0.1:8080/scim/v2/"},
		authority: scim.FrontAuthority(trusted),
	})
	id := s.user("front").id()
	for _, tt := range []struct{ name, peer, host, forwarded, want string }{
		{"default", "192.0.2.1:1", "id.example.com", "", "https://id.example.com/scim/v2"},
		{"second base", "192.0.2.1:1", "Directory.Example.org:443", "", "https://directory.example.org/scim/v2"},
		{"port", "192.0.2.1:1", "127.0.0.1:8080", "", "http://127.0.0.1:8080/scim/v2"},
		{"unknown host", "192.0.2.1:1", "evil.example.net", "", "https://id.example.com/scim/v2"},
		{"forged header", "192.0.2.1:1", "id.example.com", "directory.example.org", "https://id.example.com/scim/v2"},
		{"trusted front", "10.1.2.3:1", "backend:8080", "directory.example.org", "https://directory.example.org/scim/v2"},
		{"trusted front, client's value first", "10.1.2.3:1", "backend:8080", "evil.example.net, directory.example.org", "https://directory.example.org/scim/v2"},
		{"trusted front, unknown host", "[::ffff:10.1.2.3]:1", "backend:8080", "evil.example.net", "https://id.example.com/scim/v2"},
		{"no peer address", "@", "id.example.com", "directory.example.org", "https://id.example.com/scim/v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, scim.Root+"/Users/"+id, nil)
			r.RemoteAddr, r.Host = tt.peer, tt.host
			r.Header.Set("Authorization", "Bearer "+s.bearer)
			r.Header.Set("X-Forwarded-Proto", "gopher")
			if tt.forwarded != "" {
				r.Header.Set("X-Forwarded-Host", tt.forwarded)
			}
			w := httptest.NewRecorder()
			s.echo.ServeHTTP(w, r)
			var body struct {
				Meta struct {
					Location string `json:"location"`
				} `json:"meta"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("decode %s: %v", w.Body, err)
			}
			if want := tt.want + "/Users/" + id; body.Meta.Location != want || w.Header().Get("Location") != want {
				t.Errorf("meta.location = %q, Location = %q, want %q", body.Meta.Location, w.Header().Get("Location"), want)
			}
			if strings.Contains(w.Body.String(), "evil") || strings.Contains(w.Body.String(), "gopher") {
				t.Errorf("a header was copied into the answer: %s", w.Body)
			}
		})
	}
}

// Row 112: what a token may not see is 404 everywhere, for every operation.
func TestInvisibleIs404(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	a := s.as(scim.NewToken{Name: "a", Domain: "a", Profile: scim.ProfileRFC})
	b := s.as(scim.NewToken{Name: "b", Domain: "b", Profile: scim.ProfileRFC})
	ua, ub := a.user("user-a").id(), b.user("user-b").id()
	ga, gb := a.group("group-a", ua), b.group("group-b", ub)
	put := map[string]any{"schemas": []string{userURN}, "userName": "stolen"}
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/Users/" + ub, nil},
		{http.MethodHead, "/Users/" + ub, nil},
		{http.MethodPut, "/Users/" + ub, put},
		{http.MethodPatch, "/Users/" + ub, patchOp([3]any{"replace", "title", "x"})},
		{http.MethodDelete, "/Users/" + ub, nil},
		{http.MethodGet, "/Groups/" + gb.id(), nil},
		{http.MethodPatch, "/Groups/" + gb.id(), patchOp([3]any{"add", "members", memberList(ua)})},
	} {
		real, none := a.Do(r.method, r.path, r.body), a.Do(r.method, strings.Replace(strings.Replace(r.path, ub, unused, 1), gb.id(), unused, 1), r.body)
		if real.Status != http.StatusNotFound || !bytes.Equal(real.Body, none.Body) {
			t.Errorf("%s %s = %d %s; an unknown id answers %s", r.method, r.path, real.Status, real.Body, none.Body)
		}
	}
	for _, path := range []string{"/Users", "/Users?filter=id+eq+%22" + ub + "%22", "", "/Users?filter=userName+eq+%22user-b%22"} {
		if got := a.want(http.StatusOK, http.MethodGet, path, nil); strings.Contains(string(got.Body), ub) || strings.Contains(string(got.Body), "user-b") {
			t.Errorf("GET %s shows the other domain: %s", path, got.Body)
		}
	}
	a.refuse(http.StatusBadRequest, "invalidValue", http.MethodPatch, "/Groups/"+ga.id(), patchOp([3]any{"add", "members", memberList(ub)}), ub)
	// Whoever sees everything may mix; each domain still sees its own part.
	s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+ga.id(), patchOp([3]any{"add", "members", memberList(ub)}))
	if got := memberIDs(a, ga.id()); !cmp.Equal(got, []string{ua}) {
		t.Errorf("a sees members %v, want its own only", got)
	}
	if got := b.want(http.StatusOK, http.MethodGet, "/Users/"+ub, nil).at("groups"); !cmp.Equal(idsIn(got), []string{gb.id()}) {
		t.Errorf("b sees groups %v, want its own only", got)
	}
	a.want(http.StatusOK, http.MethodPatch, "/Groups/"+ga.id(), patchOp([3]any{"remove", "members", nil}))
	if got := memberIDs(s.client, ga.id()); !cmp.Equal(got, []string{ub}) {
		t.Errorf("after a removed all: %v, want the member that it cannot see", got)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Users", nil).total(t); got != 2 {
		t.Errorf("the token without a domain sees %d users, want 2", got)
	}
}

// Row 114: who did what to what, with the values before and after.
func TestRow114_Audit(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	c := s.as(scim.NewToken{Name: "hr"})
	created := c.want(http.StatusCreated, http.MethodPost, "/Users", map[string]any{
		"schemas": []string{userURN}, "userName": "audited", "title": "Dr", "nickName": "N", enterpriseURN: map[string]any{"department": "D1"},
	}, "User-Agent", strings.Repeat("agent ", 100))
	id := created.id()
	g := c.group("auditors", id).id()
	c.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp(
		[3]any{"replace", "title", "Prof"}, [3]any{"remove", "nickName", nil}, [3]any{"add", "emails", []any{map[string]any{"value": "x@example.com"}}},
		[3]any{"replace", enterpriseURN + ":department", "D2"}, [3]any{"replace", "active", false}))
	c.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)

	events := s.events(id)
	names := []string{}
	for _, e := range events {
		names = append(names, string(e.Name))
		if e.Outcome != audit.OK || e.Actor.Type != "token" || e.Actor.ID != c.token.ID || e.Actor.Name != "hr" || e.IP == "" || e.Time.IsZero() || len(e.UserAgent) > 256 {
			t.Errorf("event %s: %+v", e.Name, e)
		}
	}
	if want := []string{"user.created", "group.member_added", "user.updated", "user.deactivated", "user.deleted"}; !cmp.Equal(names, want) {
		t.Fatalf("events %v, want %v", names, want)
	}
	if events[0].Target != (audit.Party{Type: "User", ID: id}) || events[1].Target.ID != g || events[1].Subject.ID != id {
		t.Errorf("targets %+v, %+v, subject %+v", events[0].Target, events[1].Target, events[1].Subject)
	}
	var detail struct {
		Before map[string]any `json:"before"`
		After  map[string]any `json:"after"`
	}
	if err := json.Unmarshal(events[2].Detail, &detail); err != nil {
		t.Fatalf("detail %s: %v", events[2].Detail, err)
	}
	wantBefore := map[string]any{"title": "Dr", "nickName": "N", "active": true, enterpriseURN + ":department": "D1"}
	wantAfter := map[string]any{"title": "Prof", "active": false, "emails": []any{map[string]any{"value": "x@example.com"}}, enterpriseURN + ":department": "D2"}
	if diff := cmp.Diff(wantBefore, detail.Before); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantAfter, detail.After); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	var gone scim.DeletedDetail
	if err := json.Unmarshal(events[4].Detail, &gone); err != nil {
		t.Fatalf("detail %s: %v", events[4].Detail, err)
	}
	if !strings.Contains(string(gone.Document), `"userName":"audited"`) || !cmp.Equal(gone.Groups, []string{g}) || gone.Version != 2 {
		t.Errorf("deleted detail = %s", events[4].Detail)
	}
}

// What the trail of a group says about its members, enough to follow them.
func TestRow114_MemberDetails(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 3)
	g := s.group("trail", ids[0], ids[1]).id()
	for _, ops := range [][3]any{
		{"add", "members", memberList(ids[1], ids[2])},
		{"remove", `members[value eq "` + ids[0] + `"]`, nil},
		{"replace", "members", memberList(ids[0])},
		{"add", "members", memberList(ids[1])},
		{"remove", `members[display eq "p01"]`, nil},
		{"remove", "members", nil},
	} {
		s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp(ops))
	}
	type line struct {
		Members  []string `json:"members"`
		Replaced bool     `json:"replaced"`
		Changed  int      `json:"changed"`
	}
	want := []line{
		{ids[:2], false, 2}, {ids[1:], false, 1}, {ids[:1], false, 1}, {ids[:1], true, 3}, {ids[1:2], false, 1}, {nil, false, 1}, {nil, true, 1},
	}
	got := []line{}
	for _, e := range s.events(g)[1:] {
		var l line
		if err := json.Unmarshal(e.Detail, &l); err != nil {
			t.Fatalf("detail of %s: %v", e.Name, err)
		}
		slices.Sort(l.Members)
		got = append(got, l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// A refused or failed change leaves no event of success.
func TestRow114_NoEventWithoutChange(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("quiet").id()
	s.user("taken")
	s.want(http.StatusConflict, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "userName", "taken"}))
	s.want(http.StatusBadRequest, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "title", "x"}, [3]any{"remove", "userName", nil}))
	s.want(http.StatusPreconditionFailed, http.MethodDelete, "/Users/"+id, nil, "If-Match", `"9"`)
	if got := s.eventNames(id); !cmp.Equal(got, []string{"user.created"}) {
		t.Errorf("audit = %v", got)
	}
}

// Rows 20, 47, 114: nothing secret or personal in logs, nothing secret in audit.
func TestNoSecretsInLogsOrAudit(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	const secret = "hunter2-marker-hunter2"
	id := s.user("marker-user-name", "password", secret).id()
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "password", secret + "b"}))
	s.want(http.StatusOK, http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "marker-user-name", "password": secret + "c"})
	s.Do(http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": "marker-user-name", "password": secret})
	s.Do(http.MethodPost, "/Users", map[string]any{"schemas": []string{userURN}, "userName": "x", "password": map[string]any{"value": secret}})
	s.Do(http.MethodGet, query("/Users", "filter", `password eq "`+secret+`"`), nil)
	s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", `userName eq "marker-user-name"`), nil)
	s.want(http.StatusOK, http.MethodGet, "/Users/"+id+"?attributes=userName", nil)
	s.infos.mu.Lock()
	info := s.infos.last
	s.infos.mu.Unlock()
	if info != (scim.RequestInfo{ResourceType: "User", ID: id, TokenID: s.token.ID}) {
		t.Errorf("access log gets %+v", info)
	}
	s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
	all, err := s.db.Events(t.Context(), audit.Filter{Limit: 1000})
	if err != nil {
		t.Fatalf("read audit: %v", err)
	}
	trail, err := json.Marshal(all)
	if err != nil {
		t.Fatalf("encode audit: %v", err)
	}
	for _, marker := range []string{secret, "$test$", s.bearer} {
		if strings.Contains(string(trail), marker) {
			t.Errorf("audit holds %q", marker)
		}
		if strings.Contains(s.logs.String(), marker) {
			t.Errorf("the log holds %q", marker)
		}
	}
	if strings.Contains(s.logs.String(), "marker-user-name") {
		t.Errorf("the log holds a user name:\n%s", s.logs)
	}
}

// Dropped attributes are counted for the access log.
func TestRequestInfoCountsDropped(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	res := s.user("dropped", "nosuch", 1, "alsoNot", "x")
	s.infos.mu.Lock()
	info := s.infos.last
	s.infos.mu.Unlock()
	if want := (scim.RequestInfo{ResourceType: "User", ID: res.id(), TokenID: s.token.ID, Dropped: 2}); info != want {
		t.Errorf("info = %+v, want %+v", info, want)
	}
}

// A deleted user comes back with id, document and groups, without password.
func TestRestore(t *testing.T) { //nolint:tparallel // the cases move one clock
	t.Parallel()
	s := newServer(t, options{})
	created := s.user("phoenix", "title", "Dr", "externalId", "p1", "password", "a good password")
	id := created.id()
	kept, lost := s.group("kept", id).id(), s.group("lost", id).id()
	s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
	s.want(http.StatusNoContent, http.MethodDelete, "/Groups/"+lost, nil)
	before := s.want(http.StatusOK, http.MethodGet, "/Groups/"+kept, nil).etag()
	command := scim.Caller{Name: "user restore", ActorType: "command", Exempt: true}

	s.clock.advance(29 * 24 * time.Hour)
	res, err := s.svc.Restore(t.Context(), command, id)
	if err != nil {
		t.Fatalf("Restore: %v", err)
	}
	got := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil)
	if got.str("title") != "Dr" || got.str("externalId") != "p1" || got.str("meta.created") != created.str("meta.created") || got.etag() != `W/"2"` || res.Version != got.etag() {
		t.Errorf("restored: %s", got.Body)
	}
	if !cmp.Equal(idsIn(got.at("groups")), []string{kept}) {
		t.Errorf("groups = %v, want %s", got.at("groups"), kept)
	}
	if after := s.want(http.StatusOK, http.MethodGet, "/Groups/"+kept, nil).etag(); after == before {
		t.Errorf("the group's version stayed %s", after)
	}
	events := s.events(id)
	last := events[len(events)-1]
	if last.Name != audit.UserRestored || last.Actor.Type != "command" || !strings.Contains(string(last.Detail), lost) {
		t.Errorf("audit: %+v %s", last, last.Detail)
	}
	if _, err := s.svc.Restore(t.Context(), command, id); scim.AsError(err) == nil || scim.AsError(err).Status != http.StatusConflict {
		t.Errorf("restoring again: %v, want a conflict", err)
	}

	for name, tt := range map[string]struct {
		prepare func() string
		caller  scim.Caller
		status  int
	}{
		"name taken": {func() string {
			id := s.user("taken-later").id()
			s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
			s.user("Taken-Later")
			return id
		}, command, http.StatusConflict},
		"too old": {func() string {
			id := s.user("too-old").id()
			s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
			s.clock.advance(30*24*time.Hour + time.Second)
			return id
		}, command, http.StatusNotFound},
		"never there":  {func() string { return unused }, command, http.StatusNotFound},
		"no id at all": {func() string { return "a/b" }, command, http.StatusNotFound},
		"other domain": {func() string {
			id := s.user("other-domain").id()
			s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+id, nil)
			return id
		}, scim.Caller{Domain: "elsewhere"}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.svc.Restore(t.Context(), tt.caller, tt.prepare())
			if e := scim.AsError(err); e == nil || e.Status != tt.status {
				t.Errorf("Restore = %v, want status %d", err, tt.status)
			}
		})
	}
}

// The mass-removal brake holds deactivation and deletion, tells audit, and
// changes nothing.
func TestBrakeHoldsRemovals(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 10}})
	c := s.as(scim.NewToken{Name: "sync"})
	ids := people(c, 10)
	c.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[0], nil)
	c.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[1], patchOp([3]any{"replace", "active", false}))
	for i, r := range []struct {
		method string
		body   any
	}{{http.MethodDelete, nil}, {http.MethodPatch, patchOp([3]any{"replace", "active", "False"})}, {http.MethodPut, map[string]any{"schemas": []string{userURN}, "userName": "p02", "active": false}}} {
		res := c.want(http.StatusTooManyRequests, r.method, "/Users/"+ids[2], r.body)
		if res.Header.Get("Retry-After") == "" || res.str("status") != "429" {
			t.Errorf("%s: headers %v, body %s", r.method, res.Header, res.Body)
		}
		refused, err := s.db.Events(t.Context(), audit.Filter{Name: audit.RemovalRefused})
		if err != nil || len(refused) != i+1 || refused[i].Outcome != audit.Refused || refused[i].Actor.ID != c.token.ID {
			t.Errorf("%s: refusals %+v, %v", r.method, refused, err)
		}
	}
	if got := c.want(http.StatusOK, http.MethodGet, "/Users/"+ids[2], nil); got.etag() != `W/"1"` || got.at("active") != true {
		t.Errorf("after the refusals: %s", got.Body)
	}
	c.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[3], patchOp([3]any{"replace", "title", "x"}))
	s.clock.advance(2 * time.Hour)
	c.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[2], nil)
}

// Row 110: what changed since, for delta synchronisation.
func TestRow110_ChangedSince(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 4)
	s.clock.advance(time.Minute)
	since := s.clock.Now()
	s.clock.advance(time.Minute)
	for _, i := range []int{3, 1} {
		s.clock.advance(time.Second)
		s.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[i], patchOp([3]any{"replace", "title", "changed"}))
	}
	res := s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", fmt.Sprintf(`meta.lastModified gt "%s"`, since.Format(time.RFC3339Nano)), "sortBy", "meta.lastModified", "cursor", ""), nil)
	if got := res.column("id"); !cmp.Equal(got, []string{ids[3], ids[1]}) {
		t.Errorf("changed since = %v, want %v", got, []string{ids[3], ids[1]})
	}
}

// The middleware given to Register runs on every route.
func TestRegisterAddsMiddleware(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	e := echo.New()
	ran := 0
	s.svc.Register(e, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { ran++; return next(c) }
	})
	for _, r := range e.Routes() {
		before := ran
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.Method, strings.ReplaceAll(r.Path, ":id", unused), strings.NewReader("{}")))
		if ran != before+1 {
			t.Errorf("%s %s: middleware ran %d times", r.Method, r.Path, ran-before)
		}
	}
}

// New reports everything that is missing at once.
func TestNewChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	_, err := scim.New(scim.Config{})
	for _, field := range []string{"Registry", "Resources", "Members", "Passwords", "Audit", "Removals", "Auth", "BaseURLs", "Now"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New(Config{}) = %v, want %s named", err, field)
		}
	}
	s := newServer(t, options{})
	good := scim.Config{
		Registry: s.reg, Resources: s.db, Members: s.db, Passwords: s.hasher, Audit: s.db, Removals: s.db,
		Auth: fixedCaller{}, BaseURLs: []string{testBase}, CursorKey: bytes.Repeat([]byte{1}, 32), Now: s.clock.Now,
	}
	for name, edit := range map[string]func(*scim.Config){
		"short key":        func(c *scim.Config) { c.CursorKey = []byte("short") },
		"relative base":    func(c *scim.Config) { c.BaseURLs = []string{"/scim/v2"} },
		"base with query":  func(c *scim.Config) { c.BaseURLs = []string{testBase + "?aadOptscim062020"} },
		"quote in base":    func(c *scim.Config) { c.BaseURLs = []string{testBase + `/"x`} },
		"unparsable base":  func(c *scim.Config) { c.BaseURLs = []string{"https://[::1"} },
		"unknown profile":  func(c *scim.Config) { c.DefaultProfile = "azure" },
		"rate below floor": func(c *scim.Config) { c.Limits.Rate = 3 },
	} {
		bad := good
		edit(&bad)
		if _, err := scim.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := scim.New(good); err != nil {
		t.Errorf("New = %v", err)
	}
	if svc, err := scim.New(good); err != nil {
		t.Errorf("New = %v", err)
	} else if _, err := svc.Restore(t.Context(), scim.Caller{}, unused); scim.AsError(err).Status != http.StatusNotImplemented {
		t.Errorf("Restore without History = %v, want 501", err)
	}
}
