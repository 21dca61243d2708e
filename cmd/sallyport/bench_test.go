package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/bench"
)

// The measurement of second factors runs from end to end: every code is taken
// by the server, sent by mail, and accepted when it comes back. What it
// measures is not judged here.
func TestBenchValidationRuns(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // bench says that it needs Linux
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "bench", "validation", "--users", "10000", "--rounds", "1", "--slice", "200ms",
		"--allow-noise", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderrOf(err))
	}
	var report bench.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(report.Results) != 2 {
		t.Fatalf("%d rows, want 2: %s", len(report.Results), out)
	}
	for _, x := range report.Results {
		if x.Rate <= 0 || x.P50 <= 0 || x.P99 < x.P50 || x.BaselineRate <= 0 || x.Value <= 0 || x.Demand != 0.6 || x.Verdict == "" {
			t.Errorf("row %+v", x)
		}
	}
}

// stderrOf is what a command said before it failed.
func stderrOf(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}
