package storage

import "testing"

// TestCheckpointIsAskedForOnce: many changes ask for one merge, and for the
// next only after as many again.
func TestCheckpointIsAskedForOnce(t *testing.T) {
	t.Parallel()
	c := newCheckpointer()
	for _, step := range []struct {
		jobs int
		want int
	}{{checkpointJobs - 1, 0}, {1, 1}, {checkpointJobs, 1}, {10 * checkpointJobs, 1}} {
		c.note(step.jobs)
		if got := len(c.wake); got != step.want {
			t.Errorf("after %d more changes %d merges are asked for, want %d", step.jobs, got, step.want)
		}
	}
	<-c.wake
	if c.note(checkpointJobs - 1); len(c.wake) != 0 {
		t.Error("a merge is asked for too early after the last one")
	}
	var none *checkpointer
	none.note(10 * checkpointJobs) // does nothing
}
