package storage

import (
	"errors"
	"strconv"
	"sync"
	"testing"
)

// A value is decoded again exactly when its row has another text.
func TestRememberedFollowsTheText(t *testing.T) {
	t.Parallel()
	var r remembered[string]
	decoded := 0
	get := func(key, text string) string {
		t.Helper()
		v, err := r.get(key, text, func() (string, error) { decoded++; return "value of " + text, nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		key, text string
		decoded   int
	}{{"a", "1", 1}, {"a", "1", 1}, {"a", "2", 2}, {"a", "1", 3}, {"b", "1", 4}, {"a", "1", 4}} {
		if got := get(c.key, c.text); got != "value of "+c.text || decoded != c.decoded {
			t.Errorf("get(%s, %s) = %q after %d decodings, want %d", c.key, c.text, got, decoded, c.decoded)
		}
	}
	broken := errors.New("broken")
	if _, err := r.get("a", "3", func() (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("get of what cannot be decoded = %v", err)
	}
	if got := get("a", "3"); got != "value of 3" {
		t.Errorf("get after an error = %q", got)
	}
}

func TestRememberedIsBounded(t *testing.T) {
	t.Parallel()
	var r remembered[int]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2 * rememberLimit {
				v, err := r.get(strconv.Itoa(i), "x", func() (int, error) { return i, nil })
				if err != nil || v != i {
					t.Errorf("get(%d) = %d, %v", i, v, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(r.values); n > rememberLimit {
		t.Errorf("%d values are remembered, want at most %d", n, rememberLimit)
	}
}
