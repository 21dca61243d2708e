package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// TestListShape: rows 54 to 57 of the checklist, as far as the store decides.
func TestListShape(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		var all []string
		for i := range 5 {
			all = append(all, d.add(t, d.user, fmt.Sprintf(`{"userName":"u%d","title":"t%d"}`, i, i%2)))
		}
		for _, c := range []struct {
			name          string
			filter        string
			offset, limit int
			want          []string
			total         int64
			more          bool
		}{
			{"first page", "", 0, 2, all[:2], 5, true},
			{"middle page", "", 2, 2, all[2:4], 5, true},
			{"last page", "", 4, 2, all[4:], 5, false},
			{"exactly full", "", 0, 5, all, 5, false},
			{"beyond the end", "", 5, 2, nil, 5, false},
			{"far beyond the end", "", 100000, 2, nil, 5, false},
			{"count 0", "", 0, 0, nil, 5, true},
			{"no match", `title eq "none"`, 0, 2, nil, 0, false},
			{"no match, count 0", `title eq "none"`, 0, 0, nil, 0, false},
			{"filter, first page", `title eq "t0"`, 0, 2, []string{all[0], all[2]}, 3, true},
			{"filter, last page", `title eq "t0"`, 2, 2, all[4:], 3, false},
			{"filter, beyond the end", `title eq "t0"`, 9, 2, nil, 3, false},
			{"unindexed filter", `title co "1"`, 0, 1, all[1:2], 2, true},
			{"unique", `userName eq "U3"`, 0, 1, all[3:4], 1, false},
			{"unique, second page", `userName eq "u3"`, 1, 1, nil, 1, false},
		} {
			s := scim.Source{Type: d.user}
			if c.filter != "" {
				s.Where = bind(t, d.user, c.filter)
			}
			for _, again := range []string{"", " (again)"} { // from what the first one learned
				page := d.query(t, scim.Query{Sources: []scim.Source{s}, Offset: c.offset, Limit: c.limit, Total: true})
				if diff := cmp.Diff(append([]string{}, c.want...), ids(page)); diff != "" {
					t.Errorf("%s%s (-want +got):\n%s", c.name, again, diff)
				}
				if page.Total != c.total || page.More != c.more {
					t.Errorf("%s%s: total %d, more %v, want %d, %v", c.name, again, page.Total, page.More, c.total, c.more)
				}
			}
		}
		page := d.query(t, scim.Query{Sources: []scim.Source{{Type: d.user}}, Limit: 1})
		if page.Total != -1 {
			t.Errorf("total = %d without asking, want -1", page.Total)
		}
	})
}

// TestQueryRecords: a list gives the stored document, its times and whether
// the resource has groups.
func TestQueryRecords(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		rec := d.record(t, d.user, `{"userName":"ada"}`)
		rec.Domain = "blue"
		d.insert(t, d.user, rec)
		group := d.add(t, d.group, `{"displayName":"g"}`)
		d.addMembers(t, group, scim.Member{Value: rec.ID, Type: "User"})
		want := *rec
		want.Object, want.HasGroups = nil, true
		if diff := cmp.Diff([]scim.Record{want}, d.list(t, d.user, "").Records); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// TestQueryDomain: row 112: other domains are not listed, counted or found.
func TestQueryDomain(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		byDomain := map[string][]string{}
		for i, domain := range []string{"red", "blue", "red", "", "blue", "red"} {
			rec := d.record(t, d.user, fmt.Sprintf(`{"userName":"u%d","externalId":"x%d","title":"t"}`, i, i/2))
			rec.Domain = domain
			d.insert(t, d.user, rec)
			byDomain[domain] = append(byDomain[domain], rec.ID)
			byDomain["all"] = append(byDomain["all"], rec.ID)
		}
		red := scim.Query{Sources: []scim.Source{{Type: d.user}}, Domain: "red", Limit: 2, Total: true}
		page := d.query(t, red)
		if diff := cmp.Diff(byDomain["red"][:2], ids(page)); diff != "" || page.Total != 3 {
			t.Errorf("domain red: total %d (-want +got):\n%s", page.Total, diff)
		}
		for _, c := range []struct {
			domain, filter string
			want           []string
		}{
			{"red", `title eq "t"`, byDomain["red"]},
			{"blue", `title eq "t"`, byDomain["blue"]},
			{"blue", `userName eq "u0"`, nil},
			{"", `title eq "t"`, byDomain["all"]},
			{"", `externalId eq "x0"`, byDomain["all"][:2]},
			{"red", `not (userName eq "u0")`, byDomain["red"][1:]},
		} {
			red.Domain, red.Limit = c.domain, 10
			red.Sources = []scim.Source{{Type: d.user, Where: bind(t, d.user, c.filter)}}
			page := d.query(t, red)
			if diff := cmp.Diff(append([]string{}, c.want...), ids(page)); diff != "" || page.Total != int64(len(c.want)) {
				t.Errorf("domain %q, %s: total %d (-want +got):\n%s", c.domain, c.filter, page.Total, diff)
			}
		}
		if n, err := d.Count(t.Context(), d.user); err != nil || n != 6 {
			t.Errorf("Count = %d, %v, want 6", n, err)
		}
	})
}

// TestQueryDomainHidesMembers: row 112: a filter must not tell of members and
// groups that the domain may not see.
func TestQueryDomainHidesMembers(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		put := func(rt *schema.ResourceType, text, domain string) string {
			rec := d.record(t, rt, text)
			rec.Domain = domain
			d.insert(t, rt, rec)
			return rec.ID
		}
		mine, theirs := put(d.user, `{"userName":"mine"}`, "red"), put(d.user, `{"userName":"theirs"}`, "blue")
		group, foreign := put(d.group, `{"displayName":"g"}`, "red"), put(d.group, `{"displayName":"f"}`, "blue")
		for _, g := range []string{group, foreign} {
			d.addMembers(t, g, scim.Member{Value: mine, Type: "User"}, scim.Member{Value: theirs, Type: "User"})
		}
		ask := func(q scim.Query) int {
			q.Domain, q.Limit = "red", 10
			return len(d.query(t, q).Records)
		}
		groups := func(text string) scim.Query {
			return scim.Query{Sources: []scim.Source{{Type: d.group, Where: bind(t, d.group, text)}}}
		}
		users := func(text string) scim.Query {
			return scim.Query{Sources: []scim.Source{{Type: d.user, Where: bind(t, d.user, text)}}}
		}
		for text, want := range map[string]int{
			`members.value eq "` + mine + `"`: 1, `members.value eq "` + theirs + `"`: 0, `members.display sw "t"`: 0,
		} {
			if got := ask(groups(text)); got != want {
				t.Errorf("domain red: %s finds %d groups, want %d", text, got, want)
			}
		}
		for text, want := range map[string]int{
			`groups.value eq "` + group + `"`: 1, `groups.value eq "` + foreign + `"`: 0, `groups.display eq "f"`: 0,
		} {
			if got := ask(users(text)); got != want {
				t.Errorf("domain red: %s finds %d users, want %d", text, got, want)
			}
		}
	})
}

// TestPagesDoNotOverlap: row 58: with inserts and deletes between the pages a
// cursor walk shows every resource that was there all the time, exactly once.
func TestPagesDoNotOverlap(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		for _, sort := range []string{"", "title", "meta.lastModified", "userName"} {
			for _, descending := range []bool{false, true} {
				d.walkWhileChanging(t, sort, descending)
			}
		}
	})
}

func (d *directory) walkWhileChanging(t *testing.T, sort string, descending bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(len(sort))))
	stay := map[string]bool{}
	var temporary []string
	add := func(keep bool) {
		d.serial += r.IntN(3)
		id := d.add(t, d.user, fmt.Sprintf(`{"userName":"w%s%d%v","title":"t%d"}`, sort, d.serial, descending, r.IntN(9)))
		if keep {
			stay[id] = true
		} else {
			temporary = append(temporary, id)
		}
	}
	for i := range 60 {
		add(i%2 == 0)
	}
	s := scim.Source{Type: d.user}
	if sort != "" {
		s.Sort = sortBy(t, d.user, sort)
	}
	q := scim.Query{Sources: []scim.Source{s}, Descending: descending, Limit: 7}
	seen := map[string]int{}
	for {
		page := d.query(t, q)
		for _, id := range ids(page) {
			seen[id]++
		}
		if !page.More {
			break
		}
		q.After = &page.Keys[len(page.Keys)-1]
		add(false)
		// The row of the cursor itself may vanish, too.
		gone := temporary[r.IntN(len(temporary))]
		if i := slices.Index(temporary, q.After.ID); i >= 0 {
			gone = q.After.ID
		}
		temporary = slices.DeleteFunc(temporary, func(id string) bool { return id == gone })
		if err := d.Delete(t.Context(), d.user, gone); err != nil {
			t.Fatal(err)
		}
	}
	for id, n := range seen {
		if n > 1 {
			t.Errorf("sort %q: %s was shown %d times", sort, id, n)
		}
	}
	for id := range stay {
		if seen[id] != 1 {
			t.Errorf("sort %q: %s was shown %d times, want once", sort, id, seen[id])
		}
		if err := d.Delete(t.Context(), d.user, id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range temporary {
		if err := d.Delete(t.Context(), d.user, id); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRankPagesEqualOffset: a deep page found by blocks is the page that
// counting from the start gives, after inserts in any order and deletes.
func TestRankPagesEqualOffset(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		r := rand.New(rand.NewPCG(5, 5))
		var live []string
		create := func(ctx context.Context, skip int) {
			d.serial += skip
			id := d.nextID()
			live = append(live, id)
			d.insertIn(ctx, t, id)
		}
		for range 16 {
			d.inTx(t, func(ctx context.Context) {
				for range 250 {
					create(ctx, r.IntN(4))
				}
			})
		}
		check := func() {
			t.Helper()
			slices.Sort(live)
			for _, offset := range []int{0, 499, 500, 999, 1000, 1001, 2500, len(live) - 3, len(live), len(live) + 5000, r.IntN(len(live))} {
				page := d.query(t, scim.Query{Sources: []scim.Source{{Type: d.user}}, Offset: offset, Limit: 5, Total: true})
				want := live[min(offset, len(live)):min(offset+5, len(live))]
				if diff := cmp.Diff(append([]string{}, want...), ids(page)); diff != "" {
					t.Errorf("offset %d of %d (-want +got):\n%s", offset, len(live), diff)
				}
				if page.Total != int64(len(live)) {
					t.Errorf("offset %d: total = %d, want %d", offset, page.Total, len(live))
				}
			}
		}
		check()
		for round := range 6 {
			d.inTx(t, func(ctx context.Context) {
				for range 120 {
					i := r.IntN(len(live))
					if err := d.Delete(ctx, d.user, live[i]); err != nil {
						t.Fatal(err)
					}
					live = slices.Delete(live, i, i+1)
				}
				for range 40 { // between ids that exist, as a restored user comes back
					between := live[r.IntN(len(live))]
					id := between[:len(between)-12] + fmt.Sprintf("f%011x", d.serial)
					d.serial++
					live = append(live, id)
					d.insertIn(ctx, t, id)
				}
				if n, err := d.Count(ctx, d.user); err != nil || n != int64(len(live)) {
					t.Errorf("round %d: Count in the transaction = %d, %v, want %d", round, n, err, len(live))
				}
			})
			check()
		}
	})
}

func (d *directory) inTx(t *testing.T, fn func(ctx context.Context)) {
	t.Helper()
	if err := d.InTx(t.Context(), func(ctx context.Context) error { fn(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// insertIn stores a small user with this id in a transaction.
func (d *directory) insertIn(ctx context.Context, tb testing.TB, id string) {
	tb.Helper()
	o := d.object(tb, d.user, `{"userName":"`+id+`"}`)
	o["id"] = id
	err := d.Insert(ctx, d.user, &scim.Record{
		ID: id, Type: "User", Version: 1, Created: d.now, LastModified: d.now, Doc: d.user.Encode(o), Object: o,
	})
	if err != nil {
		tb.Fatalf("insert: %v", err)
	}
}

// TestTotalsUnderConcurrency: count and page are of one moment and totals are
// exact while other connections create and delete: the writers keep every
// total at a multiple of ten.
func TestTotalsUnderConcurrency(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		const writers, rounds = 3, 12
		var done atomic.Bool
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				mine := &directory{DB: d.DB, user: d.user, now: d.now, serial: (w + 1) << 20}
				var live []string
				for i := range rounds {
					err := d.InTx(t.Context(), func(ctx context.Context) error {
						if i%3 == 2 {
							for _, id := range live[:10] {
								if err := d.Delete(ctx, d.user, id); err != nil {
									return err
								}
							}
							return nil
						}
						for range 10 {
							id := mine.nextID()
							o := schemaUser(id)
							live = append(live, id)
							if err := d.Insert(ctx, d.user, &scim.Record{
								ID: id, Type: "User", Version: 1, Created: mine.now, LastModified: mine.now,
								Doc: d.user.Encode(o), Object: o,
							}); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
					if i%3 == 2 {
						live = live[10:]
					}
				}
			})
		}
		go func() { all.Wait(); done.Store(true) }()
		for !done.Load() {
			for _, filter := range []string{"", `title eq "even"`, `title co "ve"`} {
				s := scim.Source{Type: d.user}
				if filter != "" {
					s.Where = bind(t, d.user, filter)
				}
				for _, limit := range []int{1, 500} {
					page := d.query(t, scim.Query{Sources: []scim.Source{s}, Limit: limit, Total: true})
					if page.Total%10 != 0 {
						t.Errorf("filter %q: total = %d, want a multiple of ten", filter, page.Total)
					}
					if limit == 500 && int64(len(page.Records)) != page.Total {
						t.Errorf("filter %q: %d records and total %d", filter, len(page.Records), page.Total)
					}
				}
			}
		}
		want := int64(writers * rounds / 3 * 10)
		if n, err := d.Count(t.Context(), d.user); err != nil || n != want {
			t.Errorf("Count = %d, %v, want %d", n, err, want)
		}
	})
}

// schemaUser is a small user; its title is the same for all.
func schemaUser(id string) schema.Object {
	return schema.Object{"id": id, "userName": id, "title": "even"}
}

// TestQueryTimeLimit: row 69: a query past the limit is ErrTooMany, one whose
// caller has left is not.
func TestQueryTimeLimit(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			d := openDirectory(t, dialect, func(c *storage.Config) { c.QueryTimeout = time.Nanosecond })
			q := scim.Query{
				Sources: []scim.Source{{Type: d.user, Where: bind(t, d.user, `title co "x"`)}}, Limit: 10, Total: true,
			}
			if _, err := d.Query(t.Context(), q); !errors.Is(err, scim.ErrTooMany) {
				t.Errorf("query past its time = %v, want ErrTooMany", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := d.Query(ctx, q); errors.Is(err, scim.ErrTooMany) || !errors.Is(err, context.Canceled) {
				t.Errorf("query of a caller that left = %v, want context.Canceled", err)
			}
		})
	}
}

// TestHotQueriesAreOneStatement: what provisioning clients ask before every
// change costs one statement and no count.
func TestHotQueriesAreOneStatement(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var seen []string
			d := openDirectory(t, dialect, func(c *storage.Config) {
				c.Trace = func(text string) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, text)
				}
			})
			for i := range 30 {
				d.add(t, d.user, fmt.Sprintf(`{"userName":"u%d","externalId":"x%d","emails":[{"type":"work","value":"e%d@x.org"}]}`, i, i, i))
			}
			for _, c := range []struct {
				text  string
				limit int
			}{
				{`userName eq "u7"`, 100},
				{`userName eq "u7"`, 1},
				{`externalId eq "x7"`, 100},
				{`emails[type eq "work" and value eq "e7@x.org"]`, 100},
				{`emails[type eq "work"].value eq "e7@x.org"`, 100},
				{`emails.value eq "nobody@x.org"`, 100},
				{"", 10},
			} {
				s := scim.Source{Type: d.user}
				if c.text != "" {
					s.Where = bind(t, d.user, c.text)
				}
				q := scim.Query{Sources: []scim.Source{s}, Limit: c.limit, Total: true}
				d.query(t, q)
				mu.Lock()
				seen = nil
				mu.Unlock()
				d.query(t, q)
				mu.Lock()
				// A whole page of users looks at the members between its ends.
				seen = slices.DeleteFunc(seen, func(text string) bool { return c.text == "" && strings.Contains(text, "BETWEEN") })
				if len(seen) != 1 || c.text != "" && strings.Contains(seen[0], "count(") {
					t.Errorf("%q took %d statements, want one without a count:\n%s", c.text, len(seen), strings.Join(seen, "\n"))
				}
				mu.Unlock()
			}
		})
	}
}
