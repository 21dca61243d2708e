package password

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
)

// garbage counts what finished computations have left behind. Each leaves
// megabytes at once, and a collector that is set to wait until the heap has
// grown severalfold would count those in use as well and let ten times as much
// lie about.
type garbage struct{ kib atomic.Int64 }

// liveHeap is what the last collection has found in use, in bytes.
const liveHeap = "/gc/heap/live:bytes"

// add takes the memory of one computation, and has the garbage collected once
// it is as much as all slots take and as all that is in use: then collecting
// costs little beside the computations, however large the heap.
func (g *garbage) add(kib, slots int64) {
	all := g.kib.Add(kib)
	if all < kib*slots {
		return
	}
	sample := []metrics.Sample{{Name: liveHeap}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 && uint64(all)<<10 < sample[0].Value.Uint64() { //nolint:gosec // a count from 0
		return
	}
	if g.kib.CompareAndSwap(all, 0) { // else another does it
		runtime.GC()
	}
}
