package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// eachDirectory runs a test on an empty directory of every kind of database.
func eachDirectory(t *testing.T, run func(t *testing.T, d *server.Directory)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, openDirectory(t, ""))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, openDirectory(t, storagetest.Postgres(t).Config.URL))
	})
}

func openDirectory(t *testing.T, url string) *server.Directory {
	t.Helper()
	cfg := config.Default()
	cfg.Data = t.TempDir()
	if url != "" {
		cfg.DatabaseURL, cfg.MasterKey = config.Secret(url), config.Secret(server.NewMasterKey())
	}
	d, err := server.Open(t.Context(), cfg, server.Options{Bulk: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func parts(d *server.Directory) transfer.Directory {
	return transfer.Directory{Registry: d.Registry, Service: d.Service, Resources: d.Resources, Members: d.Members}
}

// importer prepares an import the way the command does; rejects go to the
// returned buffer.
func importer(t *testing.T, d *server.Directory, edits ...func(*transfer.Import)) (*transfer.Import, *bytes.Buffer) {
	t.Helper()
	bulk, err := d.Bulk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bulk.Close)
	spool, err := os.CreateTemp(t.TempDir(), "spool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	rejects := &bytes.Buffer{}
	im := &transfer.Import{
		Directory: parts(d), Spool: spool, Rejects: rejects, Lanes: server.BulkLanes, Progress: &transfer.Progress{},
		Caller: scim.Caller{Name: "import", ActorType: "command", Scopes: []string{scim.ScopeAdmin}, Exempt: true},
	}
	im.Service, im.Resources = bulk.Service, bulk.Resources
	for _, edit := range edits {
		edit(im)
	}
	return im, rejects
}

// load imports text and expects this summary.
func load(t *testing.T, d *server.Directory, text string, want transfer.Summary, edits ...func(*transfer.Import)) string {
	t.Helper()
	im, rejects := importer(t, d, edits...)
	got, err := im.Run(t.Context(), strings.NewReader(text))
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s\n%s", diff, rejects)
	}
	return rejects.String()
}

func count(t *testing.T, d *server.Directory, typ string) int64 {
	t.Helper()
	n, err := d.Resources.Count(t.Context(), d.Registry.ByName(typ))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func users(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"e%d","userName":"user%d"}`+"\n", i, i)
	}
	return b.String()
}

// An import that is interrupted and run again ends with exactly the rows of
// the file, and a third run changes nothing.
func TestImportAfterInterruption(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		const n = 3000
		text := users(n)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		im, _ := importer(t, d)
		half := &cancelAt{Reader: strings.NewReader(text), left: len(text) / 2, cancel: cancel}
		if _, err := im.Run(ctx, half); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "run it again") {
			t.Fatalf("Run = %v, want an interruption that says what to do", err)
		}
		before := count(t, d, "User")
		if before >= n {
			t.Fatalf("%d users after the interruption: nothing was interrupted", before)
		}
		load(t, d, text, transfer.Summary{Rows: n, Created: n - before, Unchanged: before})
		if got := count(t, d, "User"); got != n {
			t.Errorf("%d users, want %d", got, n)
		}
		load(t, d, text, transfer.Summary{Rows: n, Unchanged: n})
	})
}

// cancelAt cancels after so many bytes.
type cancelAt struct {
	io.Reader
	left   int
	cancel func()
}

func (c *cancelAt) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.cancel()
	}
	n, err := c.Reader.Read(p[:min(len(p), 4096)])
	c.left -= n
	return n, err
}

// Rows about one user are written in the order of the file: the last one wins.
func TestImportLastRowWins(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		var b strings.Builder
		const n = 200
		for i := range n {
			fmt.Fprintf(&b, `{"externalId":"same","userName":"ann","title":"%d"}`+"\n", i)
		}
		load(t, d, b.String(), transfer.Summary{Rows: n, Created: 1, Changed: n - 1})
		if got := export(t, d); !strings.Contains(got, fmt.Sprintf(`"title":"%d"`, n-1)) {
			t.Errorf("export = %s, want the last title", got)
		}
	})
}

func export(t *testing.T, d *server.Directory) string {
	t.Helper()
	var b bytes.Buffer
	ex := transfer.Export{Directory: parts(d)}
	if err := ex.Run(t.Context(), &b); err != nil {
		t.Fatalf("export: %v", err)
	}
	return b.String()
}

// A group with more members than one request may name is brought to exactly
// those of the row, by differences.
func TestImportLargeGroup(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		const n = 5000
		load(t, d, users(n), transfer.Summary{Rows: n, Created: n})
		group := func(from, to int) string {
			var members []map[string]string
			for i := from; i < to; i++ {
				members = append(members, map[string]string{"value": fmt.Sprintf("e%d", i)})
			}
			text, err := json.Marshal(map[string]any{
				"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": "Large", "members": members,
			})
			if err != nil {
				t.Fatal(err)
			}
			return string(text) + "\n"
		}
		size := func() int {
			return strings.Count(export(t, d), `"type":"User"`)
		}
		load(t, d, group(0, 4500), transfer.Summary{Rows: 1, Created: 1})
		if got := size(); got != 4500 {
			t.Errorf("%d members, want 4500", got)
		}
		load(t, d, group(500, n), transfer.Summary{Rows: 1, Unchanged: 1})
		if got := size(); got != 4500 {
			t.Errorf("%d members, want 4500", got)
		}
		// A row that does not name members leaves them alone.
		load(t, d, `{"meta":{"resourceType":"Group"},"displayName":"Large","externalId":"g"}`+"\n", transfer.Summary{Rows: 1, Changed: 1})
		if got := size(); got != 4500 {
			t.Errorf("%d members after a row without members, want 4500", got)
		}
		load(t, d, `{"meta":{"resourceType":"Group"},"displayName":"Large","externalId":"g","members":[]}`+"\n", transfer.Summary{Rows: 1, Unchanged: 1})
		if got := size(); got != 0 {
			t.Errorf("%d members after an empty list, want 0", got)
		}
	})
}

// Groups may be members of each other, in any order and in a circle.
func TestImportNestedGroups(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		text := `{"meta":{"resourceType":"Group"},"displayName":"A","members":[{"value":"B"}]}
{"meta":{"resourceType":"Group"},"displayName":"B","members":[{"value":"C"},{"value":"ann"}]}
{"meta":{"resourceType":"Group"},"displayName":"C","members":[{"value":"A"}]}
{"userName":"ann"}
`
		load(t, d, text, transfer.Summary{Rows: 4, Created: 4})
		got := export(t, d)
		if strings.Count(got, `"type":"Group"`) != 3 || strings.Count(got, `"type":"User"`) != 1 {
			t.Errorf("export:\n%s", got)
		}
	})
}

// What is exported reads back into an empty directory with the same ids.
func TestExportImportRoundTrip(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		load(t, d, users(50)+`{"meta":{"resourceType":"Group"},"displayName":"A","members":[{"value":"e1"},{"value":"user2"}]}`+"\n",
			transfer.Summary{Rows: 51, Created: 51})
		want := withoutMeta(t, export(t, d))
		other := openDirectory(t, "")
		load(t, other, export(t, d), transfer.Summary{Rows: 51, Created: 51})
		if diff := cmp.Diff(want, withoutMeta(t, export(t, other))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		load(t, other, export(t, d), transfer.Summary{Rows: 51, Unchanged: 51})
	})
}

func withoutMeta(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(text) {
		head, _, ok := strings.Cut(line, `,"meta":`)
		if !ok {
			t.Fatalf("no meta in %s", line)
		}
		out = append(out, head)
	}
	return out
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		load(t, d, users(10), transfer.Summary{Rows: 10, Created: 10})
		trail := len(events(t, d))
		text := users(20) + `{"userName":"user3","externalId":"other"}` + "\n"
		rejects := load(t, d, text, transfer.Summary{Rows: 21, Created: 10, Unchanged: 10, Rejected: 1, DryRun: true},
			func(im *transfer.Import) { im.DryRun = true })
		if !strings.Contains(rejects, `"line":21`) {
			t.Errorf("rejects = %s, want line 21", rejects)
		}
		if got := count(t, d, "User"); got != 10 {
			t.Errorf("%d users after a dry run, want 10", got)
		}
		if got := len(events(t, d)); got != trail {
			t.Errorf("%d audit events after a dry run, want %d", got, trail)
		}
	})
}

func events(t *testing.T, d *server.Directory) []audit.Event {
	t.Helper()
	all, err := d.History.Events(t.Context(), audit.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A refused row takes nothing of its neighbours with it, and says line, name
// and reason, but never what else the row held.
func TestRejects(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		text := users(100) +
			`{"externalId":"x","userName":"USER5","password":"marker-secret"}` + "\n" + // another person's name
			`{"userName":"bad","active":"perhaps"}` + "\n" +
			`{"userName":"short","password":"abc"}` + "\n" +
			`not JSON marker-secret` + "\n"
		rejects := load(t, d, text, transfer.Summary{Rows: 104, Created: 100, Rejected: 4})
		if strings.Contains(rejects, "marker-secret") {
			t.Errorf("a secret is in the rejects: %s", rejects)
		}
		found := map[int]transfer.Reject{}
		for line := range strings.Lines(rejects) {
			var r transfer.Reject
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			found[r.Line] = r
		}
		for line, want := range map[int]string{101: "userName", 102: "active", 103: "password", 104: ""} {
			r, ok := found[line]
			if !ok || !strings.Contains(r.Reason, want) || r.Reason == "" {
				t.Errorf("reject of line %d = %+v, want a reason that names %q", line, r, want)
			}
		}
	})
}

// The audit trail of an import is that of the protocol, under the command.
func TestImportIsAudited(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		load(t, d, users(3), transfer.Summary{Rows: 3, Created: 3})
		n := 0
		for _, e := range events(t, d) {
			if e.Name == audit.UserCreated && e.Actor.Type == "command" && e.Actor.Name == "import" {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%d events user.created by the import, want 3", n)
		}
	})
}

func TestReadFailureEndsTheImport(t *testing.T) {
	t.Parallel()
	d := openDirectory(t, "")
	im, _ := importer(t, d)
	_, err := im.Run(t.Context(), io.MultiReader(strings.NewReader(users(5)), broken{}))
	if err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("Run = %v, want the failure of the reader", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestUnknownTypeOfCSV(t *testing.T) {
	t.Parallel()
	d := openDirectory(t, "")
	im, _ := importer(t, d, func(im *transfer.Import) { im.Format, im.Type = transfer.CSV, "Robot" })
	if _, err := im.Run(t.Context(), strings.NewReader("a\nb\n")); err == nil || !strings.Contains(err.Error(), "Robot") {
		t.Errorf("Run = %v, want a fault that names the type", err)
	}
}

func TestEachPage(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, d *server.Directory) {
		load(t, d, users(25), transfer.Summary{Rows: 25, Created: 25})
		for _, tt := range []struct{ page, limit, want int }{{10, 0, 25}, {5, 0, 25}, {25, 0, 25}, {10, 12, 12}, {10, 10, 10}, {0, 0, 25}, {10, 99, 25}} {
			seen := map[string]bool{}
			err := transfer.EachPage(t.Context(), d.Resources, transfer.Selection{Type: d.Registry.ByName("User"), Page: tt.page, Limit: tt.limit}, func(records []scim.Record) error {
				for _, r := range records {
					seen[r.ID] = true
				}
				return nil
			})
			if err != nil || len(seen) != tt.want {
				t.Errorf("page %d, limit %d: %d users, %v, want %d", tt.page, tt.limit, len(seen), err, tt.want)
			}
		}
	})
}
