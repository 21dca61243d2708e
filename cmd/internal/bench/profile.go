package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// Profile runs fn and writes profiles of processor time and of allocations;
// an empty name is none.
func Profile(cpu, mem string, fn func() error) error {
	if cpu == "" {
		return errors.Join(fn(), heap(mem))
	}
	f, err := os.Create(cpu) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	err = fn()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close(), heap(mem))
}

func heap(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
