package scim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/scim"
)

// bulkOp is one operation of a bulk request.
type bulkOp = map[string]any

func bulkBody(ops ...bulkOp) map[string]any {
	return map[string]any{"schemas": []string{scim.BulkRequestURN}, "Operations": ops}
}

// post is a POST operation with the schema of its endpoint filled in.
func post(path, bulkID string, data map[string]any) bulkOp {
	if _, ok := data["schemas"]; !ok {
		data["schemas"] = []string{userURN}
		if path == "/Groups" {
			data["schemas"] = []string{groupURN}
		}
	}
	return bulkOp{"method": "POST", "path": path, "bulkId": bulkID, "data": data}
}

// bulk sends a bulk request that is answered, and returns its results.
func (c *client) bulk(body any) []map[string]any {
	c.s.t.Helper()
	res := c.want(http.StatusOK, http.MethodPost, "/Bulk", body)
	if got := fmt.Sprint(res.JSON["schemas"]); got != "["+scim.BulkResponseURN+"]" {
		c.s.t.Errorf("schemas = %s", got)
	}
	list, ok := res.JSON["Operations"].([]any)
	if !ok {
		c.s.t.Fatalf("no Operations in %s", res.Body)
	}
	out := make([]map[string]any, len(list))
	for i := range list {
		out[i] = list[i].(map[string]any)
	}
	return out
}

// idOf takes the id from the location of a result.
func idOf(result map[string]any) string {
	location, _ := result["location"].(string)
	return location[strings.LastIndexByte(location, '/')+1:]
}

// statuses lists the status of each result.
func statuses(results []map[string]any) []string {
	out := make([]string, len(results))
	for i, r := range results {
		out[i], _ = r["status"].(string)
	}
	return out
}

// memberIDs returns the members of a group, sorted.
func (c *client) memberIDs(group string) []string {
	c.s.t.Helper()
	res := c.want(http.StatusOK, http.MethodGet, "/Groups/"+group, nil)
	members, _ := res.JSON["members"].([]any)
	var out []string
	for _, m := range members {
		out = append(out, m.(map[string]any)["value"].(string))
	}
	slices.Sort(out)
	return out
}

// Row 104: every method, results in request order with location, status as a
// string and version.
func TestRow104_BulkMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for _, profile := range profiles() {
		c := s.profile(profile)
		put, patched, gone := c.user("put-"+profile), c.user("patch-"+profile), c.user("gone-"+profile)
		results := c.bulk(bulkBody(
			post("/Users", "qwerty", map[string]any{"userName": "new-" + profile}),
			bulkOp{"method": "PUT", "path": "/Users/" + put.id(), "data": map[string]any{"schemas": []string{userURN}, "userName": "renamed-" + profile}},
			bulkOp{"method": "PATCH", "path": "/Users/" + patched.id(), "bulkId": "mine", "version": patched.etag(), "data": patchOp([3]any{"replace", "title", "Guide"})},
			bulkOp{"method": "delete", "path": "/Users/" + gone.id(), "version": gone.etag()},
		))
		want := []map[string]any{
			{"method": "POST", "bulkId": "qwerty", "status": "201", "version": `W/"1"`, "location": results[0]["location"]},
			{"method": "PUT", "status": "200", "version": `W/"2"`, "location": testBase + "/Users/" + put.id()},
			{"method": "PATCH", "bulkId": "mine", "status": "200", "version": `W/"2"`, "location": testBase + "/Users/" + patched.id()},
			{"method": "DELETE", "status": "204", "location": testBase + "/Users/" + gone.id()},
		}
		if diff := cmp.Diff(want, results); diff != "" {
			t.Errorf("%s (-want +got):\n%s", profile, diff)
		}
		if got := c.want(200, http.MethodGet, "/Users/"+idOf(results[0]), nil).str("userName"); got != "new-"+profile {
			t.Errorf("created user = %q", got)
		}
		if got := c.want(200, http.MethodGet, "/Users/"+put.id(), nil).str("userName"); got != "renamed-"+profile {
			t.Errorf("replaced user = %q", got)
		}
		c.want(404, http.MethodGet, "/Users/"+gone.id(), nil)
	}
}

// TestBulkReferences: row 104, RFC 7644 sections 3.7.1 and 3.7.2. References
// work in any direction and wherever they may stand.
func TestBulkReferences(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})

	t.Run("back", func(t *testing.T) {
		r := s.bulk(bulkBody(
			post("/Users", "alice", map[string]any{"userName": "alice-back"}),
			post("/Groups", "team", map[string]any{"displayName": "back", "members": []any{map[string]any{"value": "bulkId:alice", "type": "User"}}}),
		))
		if diff := cmp.Diff([]string{idOf(r[0])}, s.memberIDs(idOf(r[1]))); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		if r[1]["version"] != `W/"1"` {
			t.Errorf("version = %v; the group was written twice", r[1]["version"])
		}
	})
	t.Run("forward, results in request order", func(t *testing.T) {
		r := s.bulk(bulkBody(
			post("/Groups", "team", map[string]any{"displayName": "forward", "members": []any{map[string]any{"value": "bulkId:alice"}, map[string]any{"value": "bulkId:bob"}}}),
			post("/Users", "alice", map[string]any{"userName": "alice-forward"}),
			post("/Users", "bob", map[string]any{"userName": "bob-forward"}),
		))
		if diff := cmp.Diff([]any{"team", "alice", "bob"}, []any{r[0]["bulkId"], r[1]["bulkId"], r[2]["bulkId"]}); diff != "" {
			t.Fatalf("order (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(sorted(idOf(r[1]), idOf(r[2])), s.memberIDs(idOf(r[0]))); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	})
	t.Run("manager of a later user", func(t *testing.T) {
		r := s.bulk(bulkBody(
			post("/Users", "worker", map[string]any{
				"schemas": []string{userURN, enterpriseURN}, "userName": "worker",
				enterpriseURN: map[string]any{"manager": map[string]any{"value": "bulkId:boss"}},
			}),
			post("/Users", "boss", map[string]any{"userName": "boss"}),
		))
		got := s.want(200, http.MethodGet, "/Users/"+idOf(r[0]), nil)
		manager, _ := got.JSON[enterpriseURN].(map[string]any)["manager"].(map[string]any)
		if manager["value"] != idOf(r[1]) {
			t.Errorf("manager = %v, want %s", manager, idOf(r[1]))
		}
	})
	t.Run("in path, version and PATCH", func(t *testing.T) {
		r := s.bulk(bulkBody(
			bulkOp{"method": "PATCH", "path": "/Groups/bulkId:team", "data": patchOp(
				[3]any{"add", "members", []any{map[string]any{"value": "bulkId:one"}, map[string]any{"value": "bulkId:two"}}},
				[3]any{"remove", `members[value eq "bulkId:one"]`, nil})},
			post("/Users", "one", map[string]any{"userName": "one"}),
			post("/Users", "two", map[string]any{"userName": "two"}),
			post("/Groups", "team", map[string]any{"displayName": "in-path"}),
			bulkOp{"method": "PUT", "path": "/Users/bulkId:one", "version": `W/"1"`, "data": map[string]any{"schemas": []string{userURN}, "userName": "one", "title": "Guide"}},
			bulkOp{"method": "DELETE", "path": "/Users/bulkId:one"},
		))
		if diff := cmp.Diff([]string{"204", "201", "201", "201", "200", "204"}, statuses(r)); diff != "" {
			t.Fatalf("status (-want +got):\n%s\n%v", diff, r)
		}
		if diff := cmp.Diff([]string{idOf(r[2])}, s.memberIDs(idOf(r[3]))); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		if r[0]["location"] != r[3]["location"] {
			t.Errorf("location of the PATCH = %v, want that of the group", r[0]["location"])
		}
	})
	t.Run("circle of two groups", func(t *testing.T) {
		for _, profile := range profiles() {
			c := s.profile(profile)
			r := c.bulk(bulkBody(
				post("/Groups", "a", map[string]any{"displayName": "a-" + profile, "members": []any{map[string]any{"value": "bulkId:b", "type": "Group"}, map[string]any{"value": "bulkId:u"}}}),
				post("/Groups", "b", map[string]any{"displayName": "b-" + profile, "members": []any{map[string]any{"value": "bulkId:a", "type": "Group"}}}),
				post("/Users", "u", map[string]any{"userName": "circle-" + profile}),
			))
			if diff := cmp.Diff([]string{"201", "201", "201"}, statuses(r)); diff != "" {
				t.Fatalf("%s: status (-want +got):\n%s\n%v", profile, diff, r)
			}
			if diff := cmp.Diff(sorted(idOf(r[1]), idOf(r[2])), c.memberIDs(idOf(r[0]))); diff != "" {
				t.Errorf("%s: members of a (-want +got):\n%s", profile, diff)
			}
			if diff := cmp.Diff([]string{idOf(r[0])}, c.memberIDs(idOf(r[1]))); diff != "" {
				t.Errorf("%s: members of b (-want +got):\n%s", profile, diff)
			}
			for _, result := range r[:2] {
				if got := c.want(200, http.MethodGet, "/Groups/"+idOf(result), nil).etag(); got != result["version"] {
					t.Errorf("%s: version %v, but the ETag is %s", profile, result["version"], got)
				}
			}
		}
	})
	t.Run("circle of managers, and of one", func(t *testing.T) {
		managed := func(name, by string) map[string]any {
			return map[string]any{
				"schemas": []string{userURN, enterpriseURN}, "userName": name, "password": "correct horse battery",
				enterpriseURN: map[string]any{"department": "D", "manager": map[string]any{"value": "bulkId:" + by}},
			}
		}
		r := s.bulk(bulkBody(
			post("/Users", "x", managed("x", "y")), post("/Users", "y", managed("y", "z")),
			post("/Users", "z", managed("z", "x")), post("/Users", "self", managed("self", "self")),
		))
		if diff := cmp.Diff([]string{"201", "201", "201", "201"}, statuses(r)); diff != "" {
			t.Fatalf("status (-want +got):\n%s\n%v", diff, r)
		}
		for i, boss := range []int{1, 2, 0, 3} {
			got := s.want(200, http.MethodGet, "/Users/"+idOf(r[i]), nil).JSON[enterpriseURN].(map[string]any)
			if got["manager"].(map[string]any)["value"] != idOf(r[boss]) || got["department"] != "D" {
				t.Errorf("extension of %d = %v, want manager %s", i, got, idOf(r[boss]))
			}
			if s.hasher.hash(idOf(r[i])) == "" {
				t.Errorf("the password of %d was not set", i)
			}
		}
	})
	t.Run("circle fails as a whole", func(t *testing.T) {
		s.user("taken")
		r := s.bulk(bulkBody(
			post("/Groups", "g", map[string]any{"displayName": "half", "members": []any{map[string]any{"value": "bulkId:h"}}}),
			post("/Groups", "h", map[string]any{"displayName": "", "members": []any{map[string]any{"value": "bulkId:g"}}}),
			post("/Users", "free", map[string]any{"userName": "free"}),
			post("/Groups", "later", map[string]any{"displayName": "later", "members": []any{map[string]any{"value": "bulkId:g"}}}),
		))
		if diff := cmp.Diff([]string{"409", "400", "201", "409"}, statuses(r)); diff != "" {
			t.Errorf("status (-want +got):\n%s\n%v", diff, r)
		}
		if got := s.want(200, http.MethodGet, `/Groups?filter=displayName+eq+%22half%22`, nil).total(t); got != 0 {
			t.Errorf("%d groups left over from a circle that failed", got)
		}
	})
	t.Run("circle that refers to a failed operation", func(t *testing.T) {
		s.user("gone-wrong")
		r := s.bulk(bulkBody(
			post("/Groups", "p", map[string]any{"displayName": "p", "members": []any{map[string]any{"value": "bulkId:q"}}}),
			post("/Groups", "q", map[string]any{"displayName": "q", "members": []any{map[string]any{"value": "bulkId:p"}, map[string]any{"value": "bulkId:w"}}}),
			post("/Users", "w", map[string]any{"userName": "gone-wrong"}),
		))
		if diff := cmp.Diff([]string{"409", "409", "409"}, statuses(r)); diff != "" {
			t.Errorf("status (-want +got):\n%s\n%v", diff, r)
		}
		for i, word := range []string{`"q"`, `"w"`} {
			if detail, _ := r[i]["response"].(map[string]any)["detail"].(string); !strings.Contains(detail, word) {
				t.Errorf("detail of %d = %q, want the operation %s named", i, detail, word)
			}
		}
	})
	t.Run("to a failed operation", func(t *testing.T) {
		s.user("dup")
		r := s.bulk(bulkBody(
			post("/Users", "d", map[string]any{"userName": "DUP"}),
			post("/Groups", "g", map[string]any{"displayName": "dep", "members": []any{map[string]any{"value": "bulkId:d"}}}),
			bulkOp{"method": "PATCH", "path": "/Users/bulkId:d", "data": patchOp([3]any{"replace", "title", "x"})},
		))
		if diff := cmp.Diff([]string{"409", "409", "409"}, statuses(r)); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if _, ok := r[0]["location"]; ok {
			t.Errorf("a failed POST has a location: %v", r[0])
		}
	})
	t.Run("to nothing", func(t *testing.T) {
		r := s.bulk(bulkBody(
			post("/Groups", "g", map[string]any{"displayName": "nothing", "members": []any{map[string]any{"value": "bulkId:nobody"}}}),
			bulkOp{"method": "DELETE", "path": "/Users/bulkId:nobody"},
			post("/Users", "odd", map[string]any{"userName": "odd", "displayName": "bulkId:is only a text"}),
		))
		if diff := cmp.Diff([]string{"400", "400", "201"}, statuses(r)); diff != "" {
			t.Errorf("status (-want +got):\n%s\n%v", diff, r)
		}
		if got := s.want(200, http.MethodGet, "/Users/"+idOf(r[2]), nil).str("displayName"); got != "bulkId:is only a text" {
			t.Errorf("displayName = %q", got)
		}
	})
}

// TestBulkFailOnErrors: row 105, RFC 7644 section 3.7.3.
func TestBulkFailOnErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	s.user("taken")
	ops := func(name string) []bulkOp {
		return []bulkOp{
			post("/Users", "1", map[string]any{"userName": name + "-1"}),
			post("/Users", "2", map[string]any{"userName": "taken"}),
			post("/Users", "3", map[string]any{"userName": name + "-3"}),
			{"method": "DELETE", "path": "/Users/unknown"},
			post("/Users", "5", map[string]any{"userName": name + "-5"}),
		}
	}
	for fail, want := range map[any][]string{
		nil: {"201", "409", "201", "404", "201"},
		1:   {"201", "409"},
		2:   {"201", "409", "201", "404"},
		3:   {"201", "409", "201", "404", "201"},
	} {
		name := fmt.Sprintf("fail-%v", fail)
		body := bulkBody(ops(name)...)
		if fail != nil {
			body["failOnErrors"] = fail
		}
		r := s.bulk(body)
		if diff := cmp.Diff(want, statuses(r)); diff != "" {
			t.Errorf("failOnErrors %v (-want +got):\n%s", fail, diff)
		}
		// What succeeded stays, and what was not reached did not happen.
		created := 0
		for _, status := range want {
			if status == "201" {
				created++
			}
		}
		if got := s.want(200, http.MethodGet, `/Users?filter=userName+sw+%22`+name+`%22`, nil).total(t); got != created {
			t.Errorf("failOnErrors %v: %d users created, want %d", fail, got, created)
		}
	}
	for _, fail := range []any{0, -1, 1.5, "1", true} {
		body := bulkBody(ops("refused")...)
		body["failOnErrors"] = fail
		s.refuse(400, "invalidValue", http.MethodPost, "/Bulk", body, "failOnErrors")
	}
	// A hoisted operation counts as well: the first result is of the second.
	r := s.bulk(map[string]any{
		"schemas": []string{scim.BulkRequestURN}, "failOnErrors": 1,
		"Operations": []bulkOp{
			post("/Groups", "g", map[string]any{"displayName": "hoist", "members": []any{map[string]any{"value": "bulkId:t"}}}),
			post("/Users", "t", map[string]any{"userName": "taken"}),
		},
	})
	if len(r) != 1 || r[0]["bulkId"] != "t" || r[0]["status"] != "409" {
		t.Errorf("results = %v, want the failed operation only", r)
	}
}

// A failed operation carries the error message (RFC 7644 section 3.7.3), a
// successful one no body, so no attribute can leak (rows 20, 30, 71).
func TestBulkResponses(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	user := s.user("ann")
	r := s.bulk(bulkBody(
		post("/Users", "a", map[string]any{"userName": "secret", "password": "correct horse battery"}),
		bulkOp{"method": "PATCH", "path": "/Users/" + user.id(), "version": `W/"9"`, "data": patchOp([3]any{"replace", "title", "x"})},
		bulkOp{"method": "PATCH", "path": "/Users/" + user.id(), "data": patchOp([3]any{"replace", "active", "perhaps"})},
	))
	if _, ok := r[0]["response"]; ok {
		t.Errorf("a successful operation has a body: %v", r[0])
	}
	for i, want := range []map[string]any{1: {"status": "412"}, 2: {"status": "400", "scimType": "invalidValue"}} {
		if want == nil {
			continue
		}
		response, ok := r[i]["response"].(map[string]any)
		if !ok || response["status"] != want["status"] || response["scimType"] != want["scimType"] || response["detail"] == "" ||
			fmt.Sprint(response["schemas"]) != "["+scim.ErrorURN+"]" {
			t.Errorf("response %d = %v, want %v", i, r[i], want)
		}
		if r[i]["location"] != testBase+"/Users/"+user.id() {
			t.Errorf("location of a failed PATCH = %v", r[i]["location"])
		}
	}
	if s.hasher.hash(idOf(r[0])) == "" {
		t.Error("the password was not set")
	}
	// Each operation has its audit event, all with the id of the request.
	res := s.want(200, http.MethodGet, "/Users/"+user.id(), nil)
	if res.etag() != user.etag() {
		t.Errorf("a refused operation changed the user: %s", res.Body)
	}
}

// Operations that are malformed fail alone.
func TestBulkMalformedOperations(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})
	user := s.user("ann")
	data := map[string]any{"schemas": []string{userURN}, "userName": "x"}
	tests := map[string]struct {
		op   any
		typ  string
		word string
	}{
		"no object":             {"POST", "invalidSyntax", "object"},
		"no method":             {bulkOp{"path": "/Users", "bulkId": "a", "data": data}, "invalidSyntax", "method"},
		"GET":                   {bulkOp{"method": "GET", "path": "/Users/" + user.id()}, "invalidSyntax", "method"},
		"method no string":      {bulkOp{"method": 1, "path": "/Users", "bulkId": "a", "data": data}, "invalidSyntax", "method"},
		"POST without bulkId":   {bulkOp{"method": "POST", "path": "/Users", "data": data}, "invalidSyntax", "bulkId"},
		"POST to a resource":    {bulkOp{"method": "POST", "path": "/Users/" + user.id(), "bulkId": "a", "data": data}, "invalidPath", "path"},
		"no data":               {bulkOp{"method": "POST", "path": "/Users", "bulkId": "a"}, "invalidSyntax", "data"},
		"data no object":        {bulkOp{"method": "PUT", "path": "/Users/" + user.id(), "data": []any{}}, "invalidSyntax", "data"},
		"no path":               {bulkOp{"method": "DELETE"}, "invalidPath", "path"},
		"PUT to a collection":   {bulkOp{"method": "PUT", "path": "/Users", "data": data}, "invalidPath", "path"},
		"DELETE without id":     {bulkOp{"method": "DELETE", "path": "/Users/"}, "invalidPath", "path"},
		"unknown endpoint":      {bulkOp{"method": "POST", "path": "/Devices", "bulkId": "a", "data": data}, "invalidPath", "path"},
		"sub-resource":          {bulkOp{"method": "PUT", "path": "/Users/" + user.id() + "/totp", "data": data}, "invalidPath", "path"},
		"query in the path":     {bulkOp{"method": "DELETE", "path": "/Users/" + user.id() + "?x=1"}, "invalidPath", "path"},
		"absolute path":         {bulkOp{"method": "DELETE", "path": testBase + "/Users/" + user.id()}, "invalidPath", "path"},
		"Bulk in bulk":          {bulkOp{"method": "POST", "path": "/Bulk", "bulkId": "a", "data": data}, "invalidPath", "path"},
		"search in bulk":        {bulkOp{"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": data}, "invalidPath", "path"},
		"Me":                    {bulkOp{"method": "DELETE", "path": "/Me"}, "invalidPath", "path"},
		"fault within the data": {bulkOp{"method": "POST", "path": "/Users", "bulkId": "a", "data": map[string]any{"schemas": []string{userURN}}}, "invalidValue", "userName"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.bulk(map[string]any{"schemas": []string{scim.BulkRequestURN}, "Operations": []any{
				tt.op, bulkOp{"method": "PATCH", "path": "/Users/" + user.id(), "data": patchOp([3]any{"replace", "title", name})},
			}})
			if diff := cmp.Diff([]string{"400", "200"}, statuses(r)); diff != "" {
				t.Fatalf("status (-want +got):\n%s\n%v", diff, r)
			}
			response := r[0]["response"].(map[string]any)
			if response["scimType"] != tt.typ || !strings.Contains(response["detail"].(string), tt.word) {
				t.Errorf("response = %v, want %s that names %s", response, tt.typ, tt.word)
			}
		})
	}
	r := s.bulk(bulkBody(post("/Users", "same", map[string]any{"userName": "same-1"}), post("/Users", "same", map[string]any{"userName": "same-2"})))
	if diff := cmp.Diff([]string{"201", "400"}, statuses(r)); diff != "" {
		t.Errorf("one bulkId twice (-want +got):\n%s", diff)
	}
}

// Row 105: limits are refused as a whole with both numbers (RFC 7644 section
// 3.7.4), and so is a message that is malformed.
func TestRow105_BulkLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{BulkOperations: 3, BulkBody: 2000}})
	op := func(i int) bulkOp {
		return post("/Users", fmt.Sprint(i), map[string]any{"userName": fmt.Sprint("user", i)})
	}
	s.refuse(413, "", http.MethodPost, "/Bulk", bulkBody(op(1), op(2), op(3), op(4)), "3", "2000")
	big := bulkBody(op(1))
	big["padding"] = strings.Repeat("x", 2000)
	s.refuse(413, "", http.MethodPost, "/Bulk", big, "3", "2000")
	if got := s.want(200, http.MethodGet, "/Users?count=0", nil).total(t); got != 0 {
		t.Errorf("%d users created by refused requests", got)
	}
	if got := statuses(s.bulk(bulkBody(op(1), op(2), op(3)))); !cmp.Equal(got, []string{"201", "201", "201"}) {
		t.Errorf("at the limit: %v", got)
	}
	for name, body := range map[string]any{
		"no JSON":             `{"schemas":`,
		"no operations":       map[string]any{"schemas": []string{scim.BulkRequestURN}},
		"operations no array": map[string]any{"schemas": []string{scim.BulkRequestURN}, "Operations": op(1)},
		"another message":     map[string]any{"schemas": []string{patchURN}, "Operations": []any{op(1)}},
	} {
		if res := s.Do(http.MethodPost, "/Bulk", body); res.Status != 400 || res.str("scimType") != "invalidSyntax" {
			t.Errorf("%s: %d %s, want 400 invalidSyntax", name, res.Status, res.Body)
		}
	}
	// By profile: schemas missing, and an empty list.
	for _, profile := range profiles() {
		c := s.profile(profile)
		missing := c.Do(http.MethodPost, "/Bulk", map[string]any{"Operations": []any{bulkOp{"method": "DELETE", "path": "/Users/x"}}})
		if lenient := profile == scim.ProfileCompat || profile == scim.ProfilePing; (missing.Status == 200) != lenient {
			t.Errorf("%s: without schemas %d", profile, missing.Status)
		}
		empty := c.Do(http.MethodPost, "/Bulk", map[string]any{"schemas": []string{scim.BulkRequestURN}, "Operations": []any{}})
		if lenient := profile == scim.ProfileCompat; (empty.Status == 200) != lenient {
			t.Errorf("%s: empty Operations %d", profile, empty.Status)
		}
	}
	// Keys of the message are matched in any case.
	r := s.bulk(map[string]any{"SCHEMAS": []string{strings.ToUpper(scim.BulkRequestURN)}, "operations": []any{
		map[string]any{"METHOD": "Post", "Path": "/Users", "BULKID": "c", "Data": map[string]any{"schemas": []string{userURN}, "userName": "case"}},
	}})
	if diff := cmp.Diff([]string{"201"}, statuses(r)); diff != "" {
		t.Errorf("keys in other case (-want +got):\n%s", diff)
	}
}

// Row 106: each operation of a bulk request honours its version, and the
// version of one that another changes before it.
func TestRow106_BulkVersion(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	user := s.user("ann")
	op := func(method, version string, data any) bulkOp {
		o := bulkOp{"method": method, "path": "/Users/" + user.id(), "version": version}
		if data != nil {
			o["data"] = data
		}
		return o
	}
	r := s.bulk(bulkBody(
		op("PATCH", `W/"1"`, patchOp([3]any{"replace", "title", "a"})),
		op("PATCH", `W/"1"`, patchOp([3]any{"replace", "title", "b"})),
		op("PUT", `W/"1"`, map[string]any{"schemas": []string{userURN}, "userName": "ann"}),
		op("DELETE", `W/"1"`, nil),
		op("PATCH", "*", patchOp([3]any{"replace", "title", "c"})),
	))
	if diff := cmp.Diff([]string{"200", "412", "412", "412", "200"}, statuses(r)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got := s.want(200, http.MethodGet, "/Users/"+user.id(), nil).str("title"); got != "c" {
		t.Errorf("title = %q", got)
	}
}

// The brake holds within a bulk request too, operation by operation.
func TestBulkBrake(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 10}})
	ids := directoryOf(t, s, 10)
	var ops []bulkOp
	for _, id := range ids[:4] {
		ops = append(ops, bulkOp{"method": "DELETE", "path": "/Users/" + id})
	}
	if diff := cmp.Diff([]string{"204", "204", "429", "429"}, statuses(s.bulk(bulkBody(ops...)))); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// A chain and a circle as long as the limit allows are no danger to the stack
// or the time.
func TestBulkLongChains(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	const n = 300
	chain := func(name string, closed bool) []bulkOp {
		var ops []bulkOp
		for i := range n {
			data := map[string]any{"displayName": fmt.Sprint(name, i)}
			if i+1 < n || closed {
				data["members"] = []any{map[string]any{"value": fmt.Sprint("bulkId:", (i+1)%n)}}
			}
			ops = append(ops, post("/Groups", fmt.Sprint(i), data))
		}
		return ops
	}
	for _, closed := range []bool{false, true} {
		name := fmt.Sprintf("closed-%v-", closed)
		r := s.bulk(bulkBody(chain(name, closed)...))
		if len(r) != n {
			t.Fatalf("%s: %d results", name, len(r))
		}
		for i, result := range r {
			if result["status"] != "201" {
				t.Fatalf("%s: operation %d = %v", name, i, result)
			}
		}
		if diff := cmp.Diff([]string{idOf(r[1])}, s.memberIDs(idOf(r[0]))); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", name, diff)
		}
	}
}

// One audit event per operation, all with the id, address and agent of the
// request; the agent is cut.
func TestRow114_BulkAudit(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	s.echo.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set(echo.HeaderXRequestID, "request-1")
			return next(c)
		}
	})
	agent := strings.Repeat("ä", 200)
	body := bulkBody(
		post("/Users", "a", map[string]any{"userName": "a"}),
		post("/Users", "b", map[string]any{"userName": "b"}),
		bulkOp{"method": "PATCH", "path": "/Users/bulkId:a", "data": patchOp([3]any{"replace", "title", "Guide"})},
	)
	res := s.want(http.StatusOK, http.MethodPost, "/Bulk", body, "User-Agent", agent)
	results := res.JSON["Operations"].([]any)
	for i, want := range [][]string{{"user.created", "user.updated"}, {"user.created"}} {
		events := s.events(idOf(results[i].(map[string]any)))
		var names []string
		for _, e := range events {
			names = append(names, string(e.Name))
			if e.RequestID != "request-1" || e.IP == "" || e.UserAgent != strings.Repeat("ä", 128) || e.Actor.ID != s.token.ID {
				t.Errorf("event = %+v", e)
			}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("events of %d (-want +got):\n%s", i, diff)
		}
	}
}
