package transfer

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Rows that share a key are written in the order of the file, whatever the
// other keys tie together.
func TestLanesKeepOrder(t *testing.T) {
	t.Parallel()
	user := registry(t).ByName("User")
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]string{"", "a", "b", "c"})
		n := rapid.IntRange(1, 60).Draw(t, "rows")
		items := make([]*item, n)
		for i := range items {
			items[i] = &item{line: i, typ: user, id: letters.Draw(t, "id"), externalID: letters.Draw(t, "externalId"), name: letters.Draw(t, "name")}
		}
		rn := &run{Import: &Import{Lanes: rapid.IntRange(1, 8).Draw(t, "lanes")}}
		var mu sync.Mutex
		last := map[string]int{}
		written := 0
		var faults []string
		var wg sync.WaitGroup
		l := rn.lanes(context.Background(), &wg, func(_ context.Context, it *item, _ *habit) {
			mu.Lock()
			defer mu.Unlock()
			written++
			for _, key := range it.keys() {
				if before, ok := last[key]; ok && before > it.line {
					faults = append(faults, fmt.Sprintf("%s: line %d after %d", key, it.line, before))
				}
				last[key] = it.line
			}
		})
		for _, it := range items {
			l.put(it)
		}
		l.close()
		wg.Wait()
		if written != n || len(faults) > 0 || len(l.busy) > 0 {
			t.Fatalf("%d of %d rows, still claimed %v, %v", written, n, l.busy, faults)
		}
	})
}
