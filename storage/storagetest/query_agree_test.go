package storagetest_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// filterCount is how many random filters TestFilterMemoryAgreesWithSQL asks of
// each database.
var filterCount = flag.Int("filters", 3000, "random filters to compare between evaluator and SQL")

// filterSeed varies the filters between runs; the default repeats.
var filterSeed = flag.Uint64("filterseed", 1, "seed of the random filters")

// agree compares evaluator and SQL on one predicate.
func (d *directory) agree(t *testing.T, c *corpus, rt *schema.ResourceType, p filter.Predicate, total bool) {
	t.Helper()
	want := []string{}
	for id, o := range c.objects[rt.Name] {
		if filter.Match(p, o) {
			want = append(want, id)
		}
	}
	slices.Sort(want)
	page, err := d.Query(t.Context(), scim.Query{
		Sources: []scim.Source{{Type: rt, Where: p}}, Limit: 1000, Total: total, BaseURL: queryBase,
	})
	if err != nil {
		t.Fatalf("query %s: %v", filter.Print(p), err)
	}
	got := ids(page) // in an order that the database chose
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s filter %s: evaluator and SQL differ (-memory +sql):\n%s", rt.Name, filter.Print(p), diff)
	}
	if total && page.Total != int64(len(want)) {
		t.Errorf("%s filter %s: total = %d, want %d", rt.Name, filter.Print(p), page.Total, len(want))
	}
}

// agreeRandom compares n random filters.
func (d *directory) agreeRandom(t *testing.T, c *corpus, r *rand.Rand, n int) {
	t.Helper()
	refused := 0
	for n := range n {
		rt := c.types[r.IntN(len(c.types))]
		g := &generator{Rand: r, rt: rt, values: c.values[rt.Name]}
		p, err := filter.Bind(g.filter(r.IntN(4), nil), rt, schema.Policy{})
		if err != nil {
			refused++
			continue
		}
		d.agree(t, c, rt, p, n%4 == 0)
		if t.Failed() {
			return
		}
	}
	if refused > n/2 {
		t.Errorf("%d of %d random filters were refused: the generator has drifted from the binder", refused, n)
	}
}

// TestFilterMemoryAgreesWithSQL: the evaluator and the SQL of both databases
// select the same resources (specification of the directory, section 9).
func TestFilterMemoryAgreesWithSQL(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		c := d.fill(t, 7, 80, 60, 15)
		workers := runtime.GOMAXPROCS(0)
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(*filterSeed, uint64(w)))
				d.agreeRandom(t, c, r, *filterCount/workers)
			})
		}
		all.Wait()
	})
}

// FuzzFilterMemoryVsSQL lets the fuzzer choose documents, the random filter and
// a filter text of its own.
func FuzzFilterMemoryVsSQL(f *testing.F) {
	for _, text := range []string{
		`label eq "alpha" and not (tags co "%")`, `ports[type eq "t0" and number gt 1].roles sw "b"`,
		`spot.names ne "x" or counts ge -1`, `meta.created gt "2026-05-04T03:02:20Z"`, `seen le "2026-01-01T00:00:00Z"`,
		`exact sw "\ud83d\ude00"`, `urn:example:ext:1.0:Place:doors eq null`, `schemas co "place"`,
	} {
		f.Add(uint64(len(text)), text)
	}
	dialects := []string{"sqlite"}
	if os.Getenv("SALLYPORT_TEST_POSTGRES") != "" || os.Getenv("CI") != "" {
		dialects = append(dialects, "postgres")
	}
	type loaded struct {
		d *directory
		c *corpus
	}
	var all []loaded
	for _, dialect := range dialects {
		d := openDirectory(f, dialect, nil)
		all = append(all, loaded{d, d.fill(f, 11, 150, 90, 20)})
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		for _, l := range all {
			r := rand.New(rand.NewPCG(seed, 2))
			l.d.agreeRandom(t, l.c, r, 4)
			e, err := filter.Parse(text, filter.Limits{}, schema.Policy{})
			if err != nil {
				continue
			}
			for _, rt := range l.c.types {
				if p, err := filter.Bind(e, rt, schema.Policy{}); err == nil {
					l.d.agree(t, l.c, rt, p, true)
				}
			}
		}
	})
}
