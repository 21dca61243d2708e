package scim_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
)

// query builds a path with an escaped query.
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// people creates n users p00, p01 … and returns their ids in order of creation.
func people(c *client, n int) []string {
	c.s.t.Helper()
	ids := make([]string, n)
	for i := range n {
		ids[i] = c.user(fmt.Sprintf("p%02d", i), "title", fmt.Sprintf("t%d", i%3)).id()
	}
	return ids
}

// Rows 54-57: the shape of a list and the arithmetic of its pages.
func TestListShape(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{DefaultCount: 4, MaxCount: 6}})

	empty := s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", `userName eq "nobody"`), nil)
	if got, want := string(empty.Body), `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"itemsPerPage":0,"startIndex":1,"Resources":[]}`; got != want {
		t.Errorf("Row55 no match:\n got %s\nwant %s", got, want)
	}
	ids := people(s.client, 9)
	for _, tt := range []struct {
		name, start, count string
		first, items       int
	}{
		{"Row54_default_count", "", "", 1, 4},
		{"Row56_start_below_1", "-3", "2", 1, 2},
		{"Row56_start_0", "0", "2", 1, 2},
		{"Row56_count_0", "1", "0", 1, 0},
		{"Row56_count_negative", "1", "-5", 1, 0},
		{"Row56_count_above_maximum", "1", "1000", 1, 6},
		{"Row56_count_beyond_int64", "1", "99999999999999999999", 1, 6},
		{"Row54_last_page", "8", "6", 8, 2},
		{"Row57_beyond_the_end", "10", "3", 10, 0},
		{"Row57_far_beyond_the_end", "99999999999", "3", 99999999999, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairs := []string{}
			if tt.start != "" {
				pairs = append(pairs, "startIndex", tt.start)
			}
			if tt.count != "" {
				pairs = append(pairs, "count", tt.count)
			}
			res := s.want(http.StatusOK, http.MethodGet, query("/Users", pairs...), nil)
			if got := fmt.Sprintln(res.at("totalResults"), res.at("itemsPerPage"), res.at("startIndex")); got != fmt.Sprintln(9, tt.items, tt.first) {
				t.Errorf("totalResults, itemsPerPage, startIndex = %swant 9 %d %d", got, tt.items, tt.first)
			}
			want := []string{}
			if tt.first <= 9 {
				want = ids[tt.first-1 : tt.first-1+tt.items]
			}
			if got := res.column("id"); !cmp.Equal(got, want) {
				t.Errorf("ids = %v, want %v", got, want)
			}
		})
	}
	for _, bad := range []string{
		"count=ten", "count=1.5", "startIndex=x", "sortOrder=up", "sortBy=nothing", "sortBy=name", "sortBy=groups",
		"count=1&count=2", "filter=a+pr&Filter=b+pr", "filter=", "filter=%zz", "attributes=id&excludedAttributes=title",
	} {
		res := s.Do(http.MethodGet, "/Users?"+bad, nil)
		if res.Status != http.StatusBadRequest || res.str("detail") == "" {
			t.Errorf("%s: %d %s, want 400 with a detail", bad, res.Status, res.Body)
		}
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Users?unknown=1&unknown=2&aadOptscim062020&COUNT=1", nil).resources(); len(got) != 1 {
		t.Errorf("unknown parameters: %d resources, want 1", len(got))
	}
	head := s.want(http.StatusOK, http.MethodHead, "/Users?count=1", nil)
	if len(head.Body) != 0 || head.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD of a list: %d bytes, headers %v", len(head.Body), head.Header)
	}
}

// Rows 58, 70: a total order, also where keys are equal or missing.
func TestPagesDoNotOverlap(t *testing.T) { //nolint:tparallel // the cases send through the one client of this test
	t.Parallel()
	s := newServer(t, options{})
	people(s.client, 12)
	s.user("p98")
	s.user("p99")
	for _, tt := range []struct {
		pairs []string
		key   func(a, b string) int
	}{
		{nil, nil},
		{[]string{"sortBy", "title"}, nil},
		{[]string{"sortBy", "title", "sortOrder", "descending"}, nil},
		{[]string{"sortBy", "userName", "sortOrder", "descending"}, func(a, b string) int { return strings.Compare(b, a) }},
		{[]string{"sortBy", "userName"}, strings.Compare},
		{[]string{"sortBy", "meta.lastModified"}, nil},
	} {
		t.Run(strings.Join(tt.pairs, " "), func(t *testing.T) {
			byIndex, byCursor := []string{}, []string{}
			for start := 1; start <= 14; start += 3 {
				res := s.want(http.StatusOK, http.MethodGet, query("/Users", append([]string{"startIndex", fmt.Sprint(start), "count", "3"}, tt.pairs...)...), nil)
				byIndex = append(byIndex, res.column("userName")...)
			}
			walk(t, s.client, append([]string{"count", "3"}, tt.pairs...), func(res *response) { byCursor = append(byCursor, res.column("userName")...) })
			if diff := cmp.Diff(byIndex, byCursor); diff != "" {
				t.Errorf("cursor pages differ from index pages (-index +cursor):\n%s", diff)
			}
			if tt.key != nil && !slices.IsSortedFunc(byIndex, tt.key) {
				t.Errorf("not sorted: %v", byIndex)
			}
			if got := len(slices.Compact(slices.Sorted(slices.Values(byIndex)))); got != 14 {
				t.Errorf("%d different users in %v, want 14", got, byIndex)
			}
		})
	}
	asc := s.want(http.StatusOK, http.MethodGet, "/Users?sortBy=title", nil).column("userName")
	if got := asc[len(asc)-2:]; !cmp.Equal(got, []string{"p98", "p99"}) {
		t.Errorf("Row70 ascending ends with %v, want the users without title", got)
	}
	desc := s.want(http.StatusOK, http.MethodGet, "/Users?sortBy=title&sortOrder=descending", nil).column("userName")
	first := desc[:2]
	slices.Sort(first)
	if !cmp.Equal(first, []string{"p98", "p99"}) {
		t.Errorf("Row70 descending begins with %v, want the users without title", first)
	}
}

// walk reads every page by cursor, forward.
func walk(t *testing.T, c *client, pairs []string, page func(*response)) {
	t.Helper()
	cursor := ""
	for range 100 {
		res := c.want(http.StatusOK, http.MethodGet, query("/Users", append([]string{"cursor", cursor}, pairs...)...), nil)
		page(res)
		if cursor = res.str("nextCursor"); cursor == "" {
			return
		}
	}
	t.Fatal("the cursors never end")
}

// Rows 58, 74: rows that come and go between pages neither repeat nor hide others.
func TestRow58_ChangesBetweenPages(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 9)
	seen := []string{}
	pages := 0
	walk(t, s.client, []string{"count", "3", "sortBy", "userName"}, func(res *response) {
		seen = append(seen, res.column("userName")...)
		if pages++; pages == 1 {
			s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[2], nil) // the row at the cursor
			s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[0], nil)
			s.user("p03a")
			s.user("a-first")
		}
	})
	want := []string{"p00", "p01", "p02", "p03", "p03a", "p04", "p05", "p06", "p07", "p08"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

// Row 74: forward and back, with the members that RFC 9865 section 2 names.
func TestRow74_CursorPages(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 7)
	first := s.want(http.StatusOK, http.MethodGet, "/Users?cursor&count=3", nil)
	if got := keys(first.JSON); !cmp.Equal(got, []string{"Resources", "itemsPerPage", "nextCursor", "schemas", "totalResults"}) {
		t.Errorf("first page has %v", got)
	}
	for _, c := range first.str("nextCursor") {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c) {
			t.Fatalf("Row78 cursor holds %q, which is reserved", c)
		}
	}
	go1 := func(cursor string) *response {
		return s.want(http.StatusOK, http.MethodGet, query("/Users", "cursor", cursor, "count", "3"), nil)
	}
	second := go1(first.str("nextCursor"))
	third := go1(second.str("nextCursor"))
	back := go1(third.str("previousCursor"))
	start := go1(back.str("previousCursor"))
	for name, tt := range map[string]struct {
		res            *response
		want           []string
		next, previous bool
	}{
		"first":  {first, ids[:3], true, false},
		"second": {second, ids[3:6], true, true},
		"third":  {third, ids[6:], false, true},
		"back":   {back, ids[3:6], true, true},
		"start":  {start, ids[:3], true, false},
	} {
		if got := tt.res.column("id"); !cmp.Equal(got, tt.want) {
			t.Errorf("%s page = %v, want %v", name, got, tt.want)
		}
		if got := tt.res.str("nextCursor") != ""; got != tt.next {
			t.Errorf("%s page has nextCursor: %v, want %v", name, got, tt.next)
		}
		if got := tt.res.str("previousCursor") != ""; got != tt.previous {
			t.Errorf("%s page has previousCursor: %v, want %v", name, got, tt.previous)
		}
		if tt.res.total(t) != 7 {
			t.Errorf("%s page: totalResults %d, want 7", name, tt.res.total(t))
		}
	}
	// count may be left out behind the first page, and a search takes cursors too.
	if got := s.want(http.StatusOK, http.MethodGet, query("/Users", "cursor", first.str("nextCursor")), nil).column("id"); !cmp.Equal(got, ids[3:6]) {
		t.Errorf("without count: %v", got)
	}
	search := s.want(http.StatusOK, http.MethodPost, "/Users/.search",
		map[string]any{"schemas": []string{scim.SearchURN}, "cursor": first.str("nextCursor"), "count": 3})
	if got := search.column("id"); !cmp.Equal(got, ids[3:6]) {
		t.Errorf("search by cursor: %v", got)
	}
	none := s.want(http.StatusOK, http.MethodGet, "/Users?cursor=&count=0", nil)
	if none.total(t) != 7 || none.str("nextCursor") != "" || len(none.resources()) != 0 {
		t.Errorf("count=0: %s", none.Body)
	}
	if got := s.want(http.StatusOK, http.MethodGet, "/Users?cursor&count=7", nil); got.str("nextCursor") != "" {
		t.Errorf("a single full page has a nextCursor")
	}
}

// Rows 74-78: a cursor opens for its own query alone.
func TestCursorBoundToQuery(t *testing.T) { //nolint:tparallel // the last step revokes the token of the cases
	t.Parallel()
	s := newServer(t, options{})
	people(s.client, 5)
	other := s.as(scim.NewToken{Domain: "elsewhere"})
	cursor := s.want(http.StatusOK, http.MethodGet,
		query("/Users", "cursor", "", "count", "2", "filter", `userName sw "p"`, "sortBy", "userName", "attributes", "userName"), nil).str("nextCursor")
	same := []string{"cursor", cursor, "count", "2", "filter", `userName sw "p"`, "sortBy", "userName", "attributes", "userName"}
	with := func(pairs ...string) string {
		all := slices.Clone(same)
		for i := 0; i < len(pairs); i += 2 {
			for j := 0; j < len(all); j += 2 {
				if all[j] == pairs[i] {
					all[j+1] = pairs[i+1]
				}
			}
		}
		return query("/Users", all...)
	}
	s.want(http.StatusOK, http.MethodGet, query("/Users", same...), nil)
	// The same filter, written otherwise, is the same query.
	s.want(http.StatusOK, http.MethodGet, with("filter", `USERNAME  SW "P"`), nil)
	for name, path := range map[string]string{
		"other filter":      with("filter", `userName sw "p0"`),
		"other sorting":     with("sortBy", "title"),
		"other attributes":  with("attributes", "title"),
		"no attributes":     with("attributes", ""),
		"descending":        query("/Users", append(slices.Clone(same), "sortOrder", "descending")...),
		"other type":        query("/Groups", "cursor", cursor, "count", "2"),
		"root":              query("", "cursor", cursor, "count", "2"),
		"forged":            with("cursor", flip(cursor)),
		"cut off":           with("cursor", cursor[:len(cursor)-4]),
		"padded":            with("cursor", cursor+"="),
		"garbage":           with("cursor", "!!!"),
		"startIndex beside": query("/Users", append(slices.Clone(same), "startIndex", "2")...),
	} {
		t.Run(name, func(t *testing.T) {
			res := s.Do(http.MethodGet, path, nil)
			if res.Status != http.StatusBadRequest || res.str("scimType") != "invalidCursor" {
				t.Errorf("%d %s, want 400 invalidCursor", res.Status, res.Body)
			}
		})
	}
	other.refuse(http.StatusBadRequest, "invalidCursor", http.MethodGet, query("/Users", same...), nil)
	s.refuse(http.StatusBadRequest, "invalidCount", http.MethodGet, with("count", "3"), nil, "count", "2")
	s.refuse(http.StatusBadRequest, "invalidCount", http.MethodGet, with("count", "x"), nil, "count")
	s.want(http.StatusOK, http.MethodGet, query("/Users", append(slices.Clone(same), "startIndex", "1")...), nil)

	// Row 78: the rights are those of this moment.
	if _, err := s.tokens().Revoke(t.Context(), s.token.ID, s.events(s.token.ID)[0].Actor); err != nil {
		t.Fatalf("revoke: %v", err)
	}
	s.clock.advance(2 * time.Second)
	s.want(http.StatusUnauthorized, http.MethodGet, query("/Users", same...), nil)
}

// flip changes one character in the middle.
func flip(s string) string {
	b := []byte(s)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// Row 75: a cursor lives for cursorTimeout.
func TestCursorExpired(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{CursorTimeout: time.Minute}})
	people(s.client, 5)
	cursor := s.want(http.StatusOK, http.MethodGet, "/Users?cursor&count=2", nil).str("nextCursor")
	s.clock.advance(time.Minute)
	s.want(http.StatusOK, http.MethodGet, query("/Users", "cursor", cursor), nil)
	s.clock.advance(time.Second)
	s.refuse(http.StatusBadRequest, "expiredCursor", http.MethodGet, query("/Users", "cursor", cursor), nil, "60")
}

// Row 76: only the first page counts.
func TestRow76_OneCountPerQuery(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	people(s.client, 6)
	var first *response
	count := func(sql []string) int {
		n := 0
		for _, text := range sql {
			// Background work counts other tables, and the tail of the blocks.
			if strings.Contains(strings.ToLower(text), "count(*)") && strings.Contains(text, "resources r") {
				n++
			}
		}
		return n
	}
	sql := s.trace.during(func() {
		first = s.want(http.StatusOK, http.MethodGet, "/Users?cursor&count=2&filter=title+sw+%22t%22", nil)
	})
	if count(sql) != 1 {
		t.Errorf("the first page counted %d times, want once:\n%s", count(sql), strings.Join(sql, "\n"))
	}
	next := s.trace.during(func() {
		res := s.want(http.StatusOK, http.MethodGet, query("/Users", "cursor", first.str("nextCursor"), "filter", `title sw "t"`), nil)
		if res.total(t) != 6 {
			t.Errorf("totalResults = %d, want 6", res.total(t))
		}
	})
	if n := count(next); n != 0 {
		t.Errorf("the second page counted again:\n%s", strings.Join(next, "\n"))
	}
}

// Rows 59, 67, 68: filters at an endpoint.
func TestRow67_FiltersAreNeverIgnored(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	people(s.client, 2)
	rfc := s.profile(scim.ProfileRFC)
	for _, filter := range []string{
		`nosuch eq "x"`, `userName`, `userName eq`, `userName xx "a"`, `(userName pr`, `active gt true`, `userName eq "a" or`,
		`emails[type eq "work"`, `userName eq bare`, strings.Repeat("(", 40) + "userName pr" + strings.Repeat(")", 40),
		`userName eq "` + strings.Repeat("x", 9000) + `"`,
	} {
		res := rfc.Do(http.MethodPost, "/Users/.search", map[string]any{"schemas": []string{scim.SearchURN}, "filter": filter})
		if res.Status != http.StatusBadRequest || res.str("scimType") != "invalidFilter" {
			t.Errorf("%.60s: %d %s, want 400 invalidFilter", filter, res.Status, res.Body)
		}
		res = rfc.Do(http.MethodGet, query("/Users", "filter", filter), nil)
		if res.Status != http.StatusBadRequest || res.str("scimType") != "invalidFilter" {
			t.Errorf("GET %.60s: %d %s, want 400 invalidFilter", filter, res.Status, res.Body)
		}
	}
}

// Row 68: a filter is never ignored, not even one that stands where a search
// does not look for it.
func TestRow68_SearchWithFilterInTheURL(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	s.user("ann")
	body := map[string]any{"schemas": []string{scim.SearchURN}}
	for _, path := range []string{"/Users/.search", "/.search"} {
		s.refuse(http.StatusBadRequest, string(scim.TypeInvalidFilter), http.MethodPost, path+"?Filter=userName%20eq%20%22bob%22", body)
		s.want(http.StatusOK, http.MethodPost, path+"?aadOptscim062020", body)
	}
}

// Row 72: queries across types, at the root and by search.
func TestRow72_RootQuery(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{schemas: deviceSchemas(), types: deviceTypes()})
	u := s.user("root-user", "title", "x")
	g := s.group("root group", u.id())
	d := s.want(http.StatusCreated, http.MethodPost, "/Devices", map[string]any{"schemas": []string{"urn:example:params:scim:schemas:Device"}, "serial": "root-1"})
	search := func(more ...any) *response {
		return s.want(http.StatusOK, http.MethodPost, "/.search", merge(map[string]any{"schemas": []string{scim.SearchURN}}, more))
	}
	if got := s.want(http.StatusOK, http.MethodGet, "", nil).column("id"); !cmp.Equal(got, []string{u.id(), g.id(), d.id()}) {
		t.Errorf("root lists %v", got)
	}
	for filter, want := range map[string][]string{
		`meta.resourceType eq "User"`:                                     {u.id()},
		`meta.resourceType eq User`:                                       {u.id()},
		`(meta.resourceType eq "User") or (meta.resourceType eq "Group")`: {u.id(), g.id()},
		`userName pr or displayName pr`:                                   {u.id(), g.id()},
		`serial eq "ROOT-1"`:                                              {d.id()},
		`title ne "y"`:                                                    {u.id(), g.id(), d.id()},
		`nosuch eq "x"`:                                                   {},
		`members.value eq "` + u.id() + `"`:                               {g.id()},
	} {
		if got := search("filter", filter).column("id"); !cmp.Equal(got, want) {
			t.Errorf("%s = %v, want %v", filter, got, want)
		}
	}
	page := search("count", 2, "startIndex", 2)
	if got := page.column("id"); !cmp.Equal(got, []string{g.id(), d.id()}) || page.total(t) != 3 {
		t.Errorf("second page: %v of %d", got, page.total(t))
	}
	if got := search("sortBy", "userName").column("id"); !cmp.Equal(got, []string{u.id(), g.id(), d.id()}) {
		t.Errorf("sorted by userName: %v", got)
	}
	if got := search("sortBy", "userName", "sortOrder", "descending").column("id"); got[2] != u.id() {
		t.Errorf("descending: %v, want the user last", got)
	}
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodGet, "?sortBy=nosuch", nil, "sortBy")
	first := s.want(http.StatusOK, http.MethodGet, "?cursor&count=2", nil)
	if got := s.want(http.StatusOK, http.MethodGet, query("", "cursor", first.str("nextCursor")), nil).column("id"); !cmp.Equal(got, []string{d.id()}) {
		t.Errorf("second cursor page: %v", got)
	}
	only := search("attributes", []string{"userName", "displayName", "serial"}).resources()
	for i, want := range [][]string{{"id", "schemas", "userName"}, {"displayName", "id", "schemas"}, {"id", "schemas", "serial"}} {
		if got := keys(only[i]); !cmp.Equal(got, want) {
			t.Errorf("projected %d: %v, want %v", i, got, want)
		}
	}
	s.refuse(http.StatusForbidden, "sensitive", http.MethodPost, "/.search", map[string]any{"schemas": []string{scim.SearchURN}, "filter": `password eq "x"`}, "password")
}

// Row 73: a search says the same as GET, and its message is checked.
func TestRow73_SearchRequest(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	people(s.client, 5)
	get := s.want(http.StatusOK, http.MethodGet, query("/Users", "filter", `title eq "t1"`, "sortBy", "userName", "sortOrder", "descending",
		"startIndex", "1", "count", "1", "excludedAttributes", "meta,title"), nil)
	body := map[string]any{
		"schemas": []string{scim.SearchURN}, "filter": `title eq "t1"`, "SortBy": "userName", "sortOrder": "descending",
		"startIndex": 1, "count": 1, "excludedAttributes": []string{"meta", "title"},
	}
	if diff := cmp.Diff(string(get.Body), string(s.want(http.StatusOK, http.MethodPost, "/Users/.search", body).Body)); diff != "" {
		t.Errorf("search differs from GET (-get +search):\n%s", diff)
	}
	rfc := s.profile(scim.ProfileRFC)
	for name, tt := range map[string]struct {
		body     map[string]any
		scimType string
	}{
		"no schemas":          {map[string]any{}, "invalidSyntax"},
		"other schemas":       {map[string]any{"schemas": []string{patchURN}}, "invalidSyntax"},
		"filter number":       {map[string]any{"schemas": []string{scim.SearchURN}, "filter": 7}, "invalidValue"},
		"count string":        {map[string]any{"schemas": []string{scim.SearchURN}, "count": "7"}, "invalidValue"},
		"count with fraction": {map[string]any{"schemas": []string{scim.SearchURN}, "count": 1.5}, "invalidValue"},
		"count with cursor":   {map[string]any{"schemas": []string{scim.SearchURN}, "cursor": "", "count": true}, "invalidCount"},
		"attributes":          {map[string]any{"schemas": []string{scim.SearchURN}, "attributes": "userName"}, "invalidValue"},
		"attributes item":     {map[string]any{"schemas": []string{scim.SearchURN}, "attributes": []any{1}}, "invalidValue"},
		"sortOrder":           {map[string]any{"schemas": []string{scim.SearchURN}, "sortOrder": "x"}, "invalidValue"},
	} {
		res := rfc.Do(http.MethodPost, "/Users/.search", tt.body)
		if res.Status != http.StatusBadRequest || res.str("scimType") != tt.scimType {
			t.Errorf("%s: %d %s, want 400 %s", name, res.Status, res.Body, tt.scimType)
		}
	}
	s.want(http.StatusMethodNotAllowed, http.MethodGet, "/Users/.search", nil)
}
