package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// nextBinary builds the program with one migration more: a table and a column,
// as the next release may add. It returns the binary and the number of the
// migration.
func nextBinary(t *testing.T) (string, int) {
	t.Helper()
	dir := t.TempDir()
	number := 0
	overlay := map[string]map[string]string{"Replace": {}}
	for _, dialect := range []string{"sqlite", "postgres"} {
		folder, err := filepath.Abs(filepath.Join("..", "..", "storage", "migrations", dialect))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no migrations in %s: %v", folder, err)
		}
		number = len(files) + 1
		next := filepath.Join(dir, dialect+".sql")
		if err := os.WriteFile(next, []byte("CREATE TABLE next_release (id TEXT PRIMARY KEY);\nALTER TABLE tokens ADD COLUMN next_release TEXT;\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(folder, fmt.Sprintf("%04d_next_release.sql", number))] = next
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sallyport-next")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the next release: %v\n%s", err, out)
	}
	return path, number
}

// TestRollingUpgrade starts the next release, with one migration more, while
// this one serves writes: the old node answers every request before, during and
// after, both see each other's writes, and an old binary that starts afterwards
// is refused with a clear message.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	env := []string{
		"SALLYPORT_DATA=" + t.TempDir(),
		"SALLYPORT_DATABASE_URL=" + storagetest.Postgres(t).Config.URL,
		"SALLYPORT_MASTER_KEY=" + server.NewMasterKey(),
	}
	old, next := newProcess(t, env...), newProcess(t, env...)
	path, number := nextBinary(t)
	next.path = path
	old.start(t)
	token := old.command(t, "token", "create", "--name", "upgrade")

	stop := make(chan struct{})
	var served atomic.Int64
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() { createUntil(t, old, token, client, stop, &served) })
	}
	next.start(t)
	during := served.Load()
	for client := range 2 {
		clients.Go(func() { createUntil(t, next, token, 10+client, stop, &served) })
	}
	for served.Load() < during+200 && !t.Failed() && t.Context().Err() == nil {
		createOne(t, old, token, fmt.Sprintf("main-%d", served.Load()), &served)
	}
	close(stop)
	clients.Wait()

	var list struct {
		TotalResults int64 `json:"totalResults"`
	}
	_, _, body := next.send(t.Context(), http.MethodGet, "/scim/v2/Users?count=0", token, "", nil)
	if err := json.Unmarshal(body, &list); err != nil || list.TotalResults != served.Load() {
		t.Errorf("the next release sees %d users (%v), want %d", list.TotalResults, err, served.Load())
	}
	late := exec.CommandContext(t.Context(), old.path, "serve")
	late.Env = newProcess(t, env...).env
	out, err := late.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "newer") || !strings.Contains(string(out), fmt.Sprint(number)) {
		t.Errorf("an old binary that starts after the upgrade: %v, said %q; want a refusal that says that the database is newer (%d)", err, out, number)
	}
}

func createUntil(t *testing.T, p *process, token string, client int, stop <-chan struct{}, served *atomic.Int64) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
			if !createOne(t, p, token, fmt.Sprintf("upgrade-%d-%d", client, i), served) {
				return
			}
		}
	}
}

// createOne counts a create that was answered 201 and reports any other answer.
func createOne(t *testing.T, p *process, token, name string, served *atomic.Int64) bool {
	status, _, body := p.send(context.Background(), http.MethodPost, "/scim/v2/Users", token, userBody(name), nil)
	if status != http.StatusCreated {
		t.Errorf("create %s: %d %s, want 201", name, status, body)
		return false
	}
	served.Add(1)
	return true
}
