package scim_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
)

const deviceURN = "urn:example:params:scim:schemas:Device"

// Row 14: values of the wrong form are refused, with the attribute named.
func TestRow14_Types(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	rfc := s.profile(scim.ProfileRFC)
	id := s.want(http.StatusCreated, http.MethodPost, "/Devices", map[string]any{"schemas": []string{deviceURN}, "serial": "good"}).id()
	for _, tt := range []struct {
		name  string
		value any
	}{
		{"seen", "yesterday"},
		{"seen", "2026-02-30T00:00:00Z"},
		{"seen", 7},
		{"size", 1.5},
		{"size", "1"},
		{"weight", "x"},
		{"key", "AQI"},
		{"key", "%%"},
		{"home", "not a uri %"},
		{"flag", "maybe"},
		{"flag", 1},
		{"serial", 7},
		{"serial", []string{"a", "b"}},
		{"tags", []any{1}},
		{"ports", []any{"x"}},
		{"ports", map[string]any{"speed": "fast"}},
	} {
		body := map[string]any{"schemas": []string{deviceURN}, "serial": "bad", tt.name: tt.value}
		rfc.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Devices", body, tt.name)
		rfc.refuse(http.StatusBadRequest, "invalidValue", http.MethodPatch, "/Devices/"+id, patchOp([3]any{"replace", tt.name, tt.value}), tt.name)
	}
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Devices", `{"schemas":["`+deviceURN+`"],"serial":"bad","size":1e3}`, "size")
	if got := s.want(http.StatusOK, http.MethodGet, "/Devices", nil).total(t); got != 1 {
		t.Errorf("%d devices, want 1", got)
	}
}

// Row 24: the manager is an id; its name and address are not the client's.
func TestRow24_Manager(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	boss := s.user("boss", "displayName", "The Boss").id()
	created := s.user("report", enterpriseURN, map[string]any{"manager": map[string]any{"value": boss, "displayName": "Nobody", "$ref": "http://evil/"}})
	manager, _ := created.JSON[enterpriseURN].(map[string]any)["manager"].(map[string]any)
	if manager["value"] != boss || manager["displayName"] == "Nobody" || strings.Contains(string(created.Body), "evil") {
		t.Errorf("manager = %v", manager)
	}
	for _, filter := range []string{
		`manager eq "` + boss + `"`, `manager.value eq "` + strings.ToUpper(boss) + `"`, enterpriseURN + `:manager.value eq "` + boss + `"`,
		`id eq "` + created.id() + `" and manager eq "` + boss + `"`,
	} {
		if got := s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", filter, "attributes", "id"), nil).column("id"); !cmp.Equal(got, []string{created.id()}) {
			t.Errorf("%s found %v", filter, got)
		}
	}
	gone := s.want(http.StatusOK, http.MethodPatch, "/Users/"+created.id(), patchOp([3]any{"Replace", "manager", ""}))
	if gone.JSON[enterpriseURN] != nil || !cmp.Equal(gone.at("schemas"), any([]any{userURN})) {
		t.Errorf("after removal: %s", gone.Body)
	}
}

// Row 26: a required extension is required on POST, PUT and PATCH.
func TestRow26_RequiredExtension(t *testing.T) {
	t.Parallel()
	const badge = "urn:example:params:scim:schemas:Badge"
	schemas := deviceSchemas().(fstest.MapFS)
	schemas["badge.json"] = &fstest.MapFile{Data: []byte(`{"id":"` + badge + `","name":"Badge","description":"Badge","attributes":[
{"name":"number","type":"string","multiValued":false,"required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Number"}]}`)}
	types := fstest.MapFS{"device.json": {Data: []byte(`{"id":"Device","name":"Device","endpoint":"/Devices","description":"A device",
"schema":"` + deviceURN + `","schemaExtensions":[{"schema":"` + badge + `","required":true}]}`)}}
	s := newServer(t, options{schemas: schemas, types: types})
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Devices", map[string]any{"schemas": []string{deviceURN}, "serial": "1"}, badge)
	body := map[string]any{"schemas": []string{deviceURN, badge}, "serial": "1", badge: map[string]any{"number": "B1"}}
	id := s.want(http.StatusCreated, http.MethodPost, "/Devices", body).id()
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPut, "/Devices/"+id, map[string]any{"schemas": []string{deviceURN}, "serial": "1"}, badge)
	if res := s.Do(http.MethodPatch, "/Devices/"+id, patchOp([3]any{"remove", badge, nil})); res.Status != http.StatusBadRequest {
		t.Errorf("removal of a required extension = %d %s", res.Status, res.Body)
	}
}

// Row 32: caseExact decides alike in filters, sorting and uniqueness.
func TestRow32_CaseExact(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	for _, serial := range []string{"b", "A", "C", "a2"} {
		s.want(http.StatusCreated, http.MethodPost, "/Devices", map[string]any{"schemas": []string{deviceURN}, "serial": serial, "model": serial})
	}
	s.refuse(http.StatusConflict, "uniqueness", http.MethodPost, "/Devices", map[string]any{"schemas": []string{deviceURN}, "serial": "c"}, "serial")
	if got := s.want(http.StatusOK, http.MethodGet, "/Devices?sortBy=serial", nil).column("serial"); !cmp.Equal(got, []string{"A", "a2", "b", "C"}) {
		t.Errorf("sorted by a folded attribute: %v", got)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Devices?sortBy=model", nil).column("serial"); !cmp.Equal(got, []string{"A", "C", "a2", "b"}) {
		t.Errorf("sorted by an exact attribute: %v", got)
	}
	for filter, want := range map[string]int{`serial eq "a"`: 1, `model eq "a"`: 0, `model eq "A"`: 1, `serial sw "A"`: 2, `model sw "A"`: 1} {
		if got := s.want(http.StatusOK, http.MethodGet, query("/Devices", "filter", filter), nil).total(t); got != want {
			t.Errorf("%s found %d, want %d", filter, got, want)
		}
	}
}

// Rows 59-66 through the endpoint: what the store compiles is what the
// specification says.
func TestRow61_FilterSemantics(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	mail := func(value, typ string) map[string]any { return map[string]any{"value": value, "type": typ} }
	a := s.user("filter-a", "title", `50% "off"_`, "emails", []any{mail("a@work.example", "work"), mail("a@home.example", "home")}, "externalId", "X")
	b := s.user("filter-b", "emails", []any{mail("b@home.example", "work")}, "active", false)
	c := s.user("filter-c", "name", map[string]any{"familyName": "Müller"})
	id := map[string]string{a.id(): "a", b.id(): "b", c.id(): "c"}
	for filter, want := range map[string]string{
		`userName eq "FILTER-A"`: "a", `emails co "home"`: "ab", `emails pr`: "ab", `name pr`: "c", `emails[type eq "work" and value co "home"]`: "b",
		`emails.type eq "work" and emails.value co "home"`: "ab", `title co "%"`: "a", `title co "_"`: "a", `title eq "50% \"off\"_"`: "a",
		`name.familyName eq "M\u00fcLLER"`: "c", `title ne "x"`: "abc", `title eq null`: "bc", `not (title pr)`: "bc", `not (emails pr) or title pr and active eq true`: "ac",
		`externalId eq "x"`: "", `externalId eq "X"`: "a", `active eq false`: "b", `schemas eq "` + userURN + `"`: "abc", `meta.created lt "2026-03-01T13:00:01.123456+01:00"`: "abc",
		`id eq "` + c.id() + `"`: "c", userURN + `:userName sw "filter-"`: "abc", `userName gt "filter-a" and userName le "filter-b"`: "b", `meta.location ew "` + c.id() + `"`: "c",
		`USERNAME EQ "filter-a" AND NOT (active EQ false)`: "a", `emails[type eq "home"].value eq "a@HOME.example"`: "a",
	} {
		got := ""
		for _, found := range s.want(http.StatusOK, http.MethodPost, "/Users/.search", map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter}).column("id") {
			got += id[found]
		}
		if got != want {
			t.Errorf("%s = %q, want %q", filter, got, want)
		}
	}
}

// Row 28: an immutable attribute is set once.
func TestRow28_Immutable(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	id := s.want(http.StatusCreated, http.MethodPost, "/Devices", map[string]any{"schemas": []string{deviceURN}, "serial": "1"}).id()
	set := patchOp([3]any{"add", "model", "m1"})
	first := s.want(http.StatusOK, http.MethodPatch, "/Devices/"+id, set)
	if got := s.want(http.StatusOK, http.MethodPatch, "/Devices/"+id, set).etag(); got != first.etag() {
		t.Errorf("setting the same value again made version %s of %s", got, first.etag())
	}
	for _, op := range [][3]any{{"replace", "model", "m2"}, {"add", "model", "m2"}, {"remove", "model", nil}, {"replace", "", map[string]any{"model": "m2"}}} {
		s.refuse(http.StatusBadRequest, "mutability", http.MethodPatch, "/Devices/"+id, patchOp(op), "model")
	}
	if got := s.want(http.StatusOK, http.MethodPut, "/Devices/"+id, map[string]any{"schemas": []string{deviceURN}, "serial": "1"}); got.str("model") != "m1" {
		t.Errorf("PUT without the value lost it: %s", got.Body)
	}
}
