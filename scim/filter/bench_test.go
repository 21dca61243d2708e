package filter_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// BenchmarkFilterParse: a simple filter takes less than 3 µs and 20 allocations.
func BenchmarkFilterParse(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"simple", `userName eq "bjensen@example.com"`},
		{"escaped", `userName eq "bj\u00e9nsen@example.com"`},
		{"valuePath", `emails[type eq "work" and value eq "bjensen@example.com"]`},
		{"nested", `userType eq "Employee" and (emails co "example.com" or not (title pr and active eq false))`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := filter.Parse(bench.text, filter.Limits{}, schema.Policy{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFilterBind is what follows Parse in every query.
func BenchmarkFilterBind(b *testing.B) {
	rt := load(b).user
	for _, text := range []string{`userName eq "bjensen"`, `emails[type eq "work" and value eq "bjensen@example.com"]`} {
		e := mustParse(b, text, schema.Policy{})
		b.Run(text[:6], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := filter.Bind(e, rt, schema.Policy{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFilterMatch evaluates one resource.
func BenchmarkFilterMatch(b *testing.B) {
	p := mustBind(b, `userType eq "Employee" and emails[type eq "home" and value co "jensen"]`, load(b).user, schema.Policy{})
	o := barbara()
	b.ReportAllocs()
	for b.Loop() {
		if !filter.Match(p, o) {
			b.Fatal("no match")
		}
	}
}

// TestFilterParseAllocations holds the demand of 20 allocations where no
// machine can be too slow for it. Not parallel, as TestFilterLinear.
func TestFilterParseAllocations(t *testing.T) {
	const text = `userName eq "bjensen@example.com"`
	got := testing.AllocsPerRun(100, func() {
		if _, err := filter.Parse(text, filter.Limits{}, schema.Policy{}); err != nil {
			t.Error(err)
		}
	})
	if got >= 20 {
		t.Errorf("Parse(%q) makes %v allocations, want fewer than 20", text, got)
	}
}
