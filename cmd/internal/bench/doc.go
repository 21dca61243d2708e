// Package bench answers what a machine will carry, and whether the server is
// as fast as it must be.
//
// Absolute times mean nothing on a machine that is shared, so every figure is
// the ratio of two things that were measured in turns: the server, and the
// least code that could do the same job on the same database (the baseline,
// whose comment says why it is the limit).
//
//	load generator ──┬── sallyport serve, N users    ┐
//	 (this process)  ├── sallyport serve, few users  ├ processes of the same
//	                 └── bare handlers and SQL       ┘ program, over loopback
//
// The data is deterministic and goes in through `sallyport import`. In every
// round each target gets a slice of time, in shuffled order; a slice that
// other processes disturbed is repeated, and when that does not help the
// report says so instead of giving a ratio. Beside the rate the report shows
// the processor time that the serving process took for a request, from /proc,
// which says more than the rate where the load generator shares the cores.
//
// The package drives processes and counts; the SQL of the baselines is in
// storage/baseline.
package bench
