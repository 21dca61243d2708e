package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// TestMain lets the scripts run the real main under the name sallyport.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// TestScripts runs testdata/script/*.txt, each in a folder of its own, which
// is also its data folder's home. Commands beside those of testscript:
//
//	await URL                  waits until the URL answers 200
//	http METHOD URL [TOKEN [FILE]]   sends a request, prints status and body
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setupScript, Cmds: scriptCommands()})
}

// TestScriptsPostgres runs testdata/postgres/*.txt, each with a schema of its own
// in $PG and a master key in $KEY.
func TestScriptsPostgres(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/postgres/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts for PostgreSQL: %v, %v", files, err)
	}
	for _, file := range files {
		url := storagetest.Postgres(t).Config.URL
		testscript.Run(t, testscript.Params{
			Files: []string{file}, Cmds: scriptCommands(),
			Setup: func(e *testscript.Env) error {
				e.Setenv("PG", url)
				e.Setenv("KEY", server.NewMasterKey())
				return setupScript(e)
			},
		})
	}
}

func setupScript(e *testscript.Env) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.Setenv("ADDR", l.Addr().String())
	return l.Close()
}

func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"await": await, "http": request}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if res, err := http.Get(args[0]); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		<-tick.C
	}
	ts.Fatalf("%s does not answer", args[0])
}

func request(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [TOKEN [FILE]]")
	}
	body := ""
	if len(args) > 3 {
		body = ts.ReadFile(args[3])
	}
	req, err := http.NewRequestWithContext(context.Background(), args[0], args[1], strings.NewReader(body))
	ts.Check(err)
	if len(args) > 2 {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(args[2]))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", res.StatusCode, text)
	ts.Check(err)
	if neg != (res.StatusCode >= 400) {
		ts.Fatalf("status %d: %s", res.StatusCode, text)
	}
}

// TestBuildsAndRunsWithoutCgo builds with CGO_ENABLED=0 and works with the
// result: the pure Go driver of SQLite, on a database that the other made.
func TestBuildsAndRunsWithoutCgo(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/sallyport"
	command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", path, ".")
	data := t.TempDir()
	with, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SALLYPORT_DATA=" + data}
	command(t, env, with, "user", "create", "--user-name", "ann")
	id := command(t, env, path, "user", "create", "--user-name", "bob")
	if got := command(t, env, path, "user", "show", "bob", "--json"); !strings.Contains(got, strings.TrimSpace(id)) {
		t.Errorf("user show bob = %s, want the id %s", got, id)
	}
	if got := command(t, env, path, "user", "list"); !strings.Contains(got, "ann") {
		t.Errorf("user list without cgo does not show ann:\n%s", got)
	}
	if got := command(t, env, path, "doctor"); strings.Contains(got, "WRONG") {
		t.Errorf("doctor:\n%s", got)
	}
}
