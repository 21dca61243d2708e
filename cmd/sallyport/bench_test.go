package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/bench"
)

// The measurement of logins runs from end to end: people log in through the
// pages, every code is exchanged once and every token is good.
func TestBenchOIDCRuns(t *testing.T) {
	t.Parallel()
	report := benched(t, "oidc")
	demands := map[string]float64{
		"authorize": 0.5, "token": 0.7, "introspect": 0.7, "introspect-jwt": 0.7, "userinfo": 0.7, "userinfo-jwt": 0,
		"discovery": 0.9, "jwks": 0.9, "login": 0.95, "authorize-half-load": 20, "introspect-half-load": 20, "login-memory": 3.5,
	}
	if report == nil {
		return
	}
	if len(report.Results) != len(demands) {
		t.Fatalf("%d rows, want %d: %+v", len(report.Results), len(demands), report.Results)
	}
	for key, demand := range demands {
		i := slices.IndexFunc(report.Results, func(x bench.Result) bool { return x.Key == key })
		if i < 0 {
			t.Errorf("there is no row %q", key)
			continue
		}
		x := report.Results[i]
		if x.Value <= 0 || x.Demand != demand || (x.Verdict == "") != (demand == 0) || x.Operation == "" || x.Baseline == "" {
			t.Errorf("row %+v", x)
		}
		if key != "login-memory" && (x.Rate <= 0 || x.P50 <= 0 || x.P99 < x.P50) {
			t.Errorf("row %+v", x)
		}
	}
}

// benched runs a measurement in its shortest form; nil where it cannot run.
func benched(t *testing.T, kind string) *bench.Report {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil // bench says that it needs Linux
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "bench", kind, "--users", "10000", "--rounds", "1", "--slice", "200ms",
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
	return &report
}

// The measurement of second factors runs from end to end: every code is taken
// by the server, sent by mail, and accepted when it comes back. What it
// measures is not judged here.
func TestBenchValidationRuns(t *testing.T) {
	t.Parallel()
	report := benched(t, "validation")
	if report == nil {
		return
	}
	if len(report.Results) != 2 {
		t.Fatalf("%d rows, want 2: %+v", len(report.Results), report.Results)
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
