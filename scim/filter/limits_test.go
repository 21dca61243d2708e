package filter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

func chain(term, word string, n int) string {
	return strings.TrimSuffix(strings.Repeat(term+word, n), word)
}

func nest(open, inner string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(")", n)
}

// TestFilterLimits proves section 7: 8192 bytes, 50 comparisons, 16 levels, for
// filters and paths, each refused while reading.
func TestFilterLimits(t *testing.T) {
	t.Parallel()
	long := func(n int) string {
		frame := `a eq ""`
		return `a eq "` + strings.Repeat("x", n-len(frame)) + `"`
	}
	tests := []struct {
		rule   string
		text   string
		limits filter.Limits
		ok     bool
	}{
		{"length 8192", long(8192), filter.Limits{}, true},
		{"length 8193", long(8193), filter.Limits{}, false},
		{"length counts bytes", `a eq "` + strings.Repeat("é", 4096) + `"`, filter.Limits{}, false},
		{"50 comparisons by or", chain("a pr", " or ", 50), filter.Limits{}, true},
		{"51 comparisons by or", chain("a pr", " or ", 51), filter.Limits{}, false},
		{"51 comparisons by and", chain("a pr", " and ", 51), filter.Limits{}, false},
		{"50 comparisons in brackets", "x[" + chain("a pr", " or ", 50) + "]", filter.Limits{}, true},
		{"51 comparisons in brackets", "x[" + chain("a pr", " or ", 51) + "]", filter.Limits{}, false},
		{"the one behind brackets counts", "x[" + chain("a pr", " or ", 50) + "].b pr", filter.Limits{}, false},
		{"16 parentheses", nest("(", "a pr", 16), filter.Limits{}, true},
		{"17 parentheses", nest("(", "a pr", 17), filter.Limits{}, false},
		{"16 nots", nest("not (", "a pr", 16), filter.Limits{}, true},
		{"17 nots", nest("not (", "a pr", 17), filter.Limits{}, false},
		{"brackets are a level", nest("(", "x[a pr]", 16), filter.Limits{}, false},
		{"levels side by side", chain("((a pr))", " or ", 20), filter.Limits{Nesting: 2}, true},
		{"own length", `a pr`, filter.Limits{Length: 3}, false},
		{"own comparisons", `a pr or b pr`, filter.Limits{Comparisons: 1}, false},
		{"own nesting", `((a pr))`, filter.Limits{Nesting: 1}, false},
		{"more comparisons", chain("a pr", " or ", 51), filter.Limits{Comparisons: 51}, true},
		{"more nesting", nest("(", "a pr", 17), filter.Limits{Nesting: 17}, true},
		{"negative means default", long(8192), filter.Limits{Length: -1, Comparisons: -1, Nesting: -1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			_, err := filter.Parse(tt.text, tt.limits, schema.Policy{})
			checkLimit(t, "Parse", err, tt.ok, schema.InvalidFilter)
		})
	}

	paths := []struct {
		rule, text string
		ok         bool
	}{
		{"length 8192", strings.Repeat("a", 8192), true},
		{"length 8193", strings.Repeat("a", 8193), false},
		{"50 comparisons", "x[" + chain("a pr", " or ", 50) + "].b", true},
		{"51 comparisons", "x[" + chain("a pr", " or ", 51) + "]", false},
		{"brackets and 15 levels", "x[" + nest("(", "a pr", 15) + "]", true},
		{"brackets and 16 levels", "x[" + nest("(", "a pr", 16) + "]", false},
	}
	for _, tt := range paths {
		t.Run("path "+tt.rule, func(t *testing.T) {
			t.Parallel()
			_, err := filter.ParsePath(tt.text, filter.Limits{})
			checkLimit(t, "ParsePath", err, tt.ok, schema.InvalidPath)
		})
	}
}

func checkLimit(t *testing.T, call string, err error, ok bool, code schema.Code) {
	t.Helper()
	if ok {
		if err != nil {
			t.Errorf("%s: %v, want it accepted", call, err)
		}
		return
	}
	if err == nil {
		t.Fatalf("%s succeeds, want %s", call, code)
	}
	if fault := asFault(t, call, err); fault.Code != code {
		t.Errorf("%s: code %s, want %s", call, fault.Code, code)
	}
}

// TestFilterLinear: with limits raised, sixteen times the text costs sixteen
// times the memory and stays far below what a quadratic reader would take.
//
// Not parallel: testing.AllocsPerRun counts the allocations of the process.
func TestFilterLinear(t *testing.T) {
	limits := filter.Limits{Length: 1 << 30, Comparisons: 1 << 30, Nesting: 1 << 30}
	shapes := map[string]func(n int) string{
		"or":       func(n int) string { return chain(`userName eq "x\"y"`, " or ", n) },
		"and":      func(n int) string { return chain(`userName eq "x"`, " and ", n) },
		"blanks":   func(n int) string { return "a" + strings.Repeat(" ", 20*n) + "pr" },
		"string":   func(n int) string { return `a eq "` + strings.Repeat(`\u00e9 xyz`, 2*n) + `"` },
		"nots":     func(n int) string { return strings.Repeat("not ", 5*n) },
		"brackets": func(n int) string { return chain(`x[a pr].b pr`, " or ", n) },
	}
	for name, shape := range shapes {
		parse := func(n int) float64 {
			text := shape(n)
			return testing.AllocsPerRun(1, func() {
				e, err := filter.Parse(text, limits, schema.Policy{})
				if err == nil {
					_ = e.String()
				}
			})
		}
		small, large := parse(1000), parse(16000)
		if large > 17*small+100 {
			t.Errorf("%s: %v allocations for 16 times what took %v", name, large, small)
		}
	}
	start := time.Now()
	for _, shape := range shapes {
		text := shape(50_000)
		if e, err := filter.Parse(text, limits, schema.Policy{}); err == nil {
			_ = e.String()
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("6 MB of filters took %v", took)
	}
}
