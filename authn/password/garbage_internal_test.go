package password

import (
	"runtime"
	"testing"
)

// What lies about is collected once it is as much as the slots take, and not
// before it is as much as is in use.
//
//nolint:paralleltest // counts the collections of the whole process
func TestGarbageIsCollected(t *testing.T) {
	forced := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	var g garbage
	const kib = 1 << 20 // a GiB, more than these tests have in use
	before := forced()
	if g.add(kib, 2); forced() != before || g.kib.Load() != kib {
		t.Errorf("after one of two slots: %d collections, %d KiB", forced()-before, g.kib.Load())
	}
	if g.add(kib, 2); forced() != before+1 || g.kib.Load() != 0 {
		t.Errorf("after two: %d collections, %d KiB left, want 1 and 0", forced()-before, g.kib.Load())
	}
	// A large heap is not walked for a little garbage.
	held := make([]byte, 8<<20)
	runtime.GC()
	before = forced()
	for range 4 {
		g.add(1, 1)
	}
	if forced() != before || g.kib.Load() != 4 {
		t.Errorf("4 KiB beside %d MiB in use: %d collections, %d KiB counted", len(held)>>20, forced()-before, g.kib.Load())
	}
	runtime.KeepAlive(held)
}
