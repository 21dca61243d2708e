package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage/baseline"
)

// singles is what is measured by whole commands, or once.
type singles struct {
	stopped, running imported
	shell            [2]float64 // users a second by .import: all of them, the extra ones
	export, dump     []job
	ready, hello     []time.Duration
	idle, idleSmall  memory
	peak             memory
	parse            time.Duration
	parseAllocs      float64
	binary, plain    int64 // of this program, of hello with its dependencies
}

// singles takes the measurements that are no slices.
func (st *stage) singles(ctx context.Context) error {
	for _, step := range []struct {
		rows []string
		do   func(context.Context) error
	}{
		{[]string{rowPeak}, st.memoryPeak},
		{[]string{rowParse}, st.parseFilter},
		{[]string{rowBinary}, st.binarySize},
		{[]string{rowExport, rowExportMem}, st.exports},
		{[]string{rowStopped, rowRunning}, st.imports},
		{[]string{rowStart, rowIdle, rowAnonymous}, st.starts},
	} {
		wanted := false
		for _, r := range step.rows {
			wanted = wanted || st.wants(r)
		}
		if !wanted {
			continue
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.rows[0], err)
		}
	}
	return nil
}

func (st *stage) memoryPeak(context.Context) (err error) {
	st.single.peak, err = memoryOf(st.server.pid())
	return err
}

// parseFilter times the parser on a filter as provisioning clients send it.
func (st *stage) parseFilter(context.Context) error {
	const times = 50_000
	text := `userName eq "ada.lovelace@example.com"`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range times {
		if _, err := filter.Parse(text, filter.Limits{Length: 8192, Comparisons: 50, Nesting: 16}, schema.Policy{}); err != nil {
			return err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	st.single.parse = took / times
	st.single.parseAllocs = float64(after.Mallocs-before.Mallocs) / times
	return nil
}

// singleRounds bounds how often whole commands are run in turns.
const singleRounds = 3

// exports runs `sallyport export` and the raw reading of the same rows in
// turns.
func (st *stage) exports(ctx context.Context) error {
	st.Say("exporting")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	for range min(st.Rounds, singleRounds) {
		ours, err := st.do(ctx, program{[]string{"export"}, st.big.env()}, null)
		if err != nil {
			return err
		}
		raw, err := st.do(ctx, program{[]string{"bench", "baseline", "--export", st.big.database}, st.big.env()}, null)
		if err != nil {
			return err
		}
		st.single.export, st.single.dump = append(st.single.export, ours), append(st.single.dump, raw)
	}
	return nil
}

// extra is the share of users that are imported beside the running server.
const extra = 5

// imports imports more users while the server runs, and then writes the same
// rows with SQLite's own .import.
func (st *stage) imports(ctx context.Context) (err error) {
	db, err := baseline.Open(ctx, st.big.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	loaded, err := db.Mark(ctx)
	if err != nil {
		return err
	}
	// Numbers that neither the first import nor the POSTs have used.
	from := int(st.posted.Load()) + 1
	st.Say("importing %d users more beside the running server", st.Users/extra)
	if st.single.running, err = st.fill(ctx, st.big, data{st.Users}, from, from+st.Users/extra); err != nil {
		return err
	}
	end, err := db.Mark(ctx)
	if err != nil {
		return err
	}
	st.Say("writing the same rows by .import")
	target, err := st.place(ctx, "shell")
	if err != nil {
		return err
	}
	// Any command makes the tables and indexes.
	if _, err := st.do(ctx, program{[]string{"token", "create", "--name", "shell"}, target.env()}, nil); err != nil {
		return err
	}
	for i, part := range [2][2]baseline.Mark{{{}, loaded}, {loaded, end}} {
		if st.single.shell[i], err = st.shell(ctx, db, part, target); err != nil {
			return err
		}
	}
	return nil
}

// shell loads the rows between two moments into another database and returns
// how many users a second that were.
func (st *stage) shell(ctx context.Context, db *baseline.DB, part [2]baseline.Mark, target place) (float64, error) {
	dir := filepath.Join(st.folder, "rows")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	users, err := db.Dump(ctx, part[0], part[1], dir)
	if err != nil {
		return 0, err
	}
	cmd := st.command(ctx, program{[]string{"bench", "baseline", "--load", dir, target.database}, target.env()})
	// .import of SQLite's shell is the limit of an import: one transaction, one
	// prepared INSERT a row, nothing looked at. Where there is no shell, the
	// program does the same.
	if path, err := exec.LookPath("sqlite3"); err == nil && target.key == "" {
		cmd.Path = path
		cmd.Args = []string{"sqlite3", "-batch", strings.TrimPrefix(target.database, "sqlite:"), "PRAGMA cache_size=-65536;"}
		for _, f := range baseline.Files(dir) {
			cmd.Args = append(cmd.Args, ".import --csv "+f[1]+" "+f[0])
		}
	}
	j, err := st.finish(ctx, cmd, nil)
	if err != nil {
		return 0, err
	}
	return float64(users) / j.took.Seconds(), os.RemoveAll(dir)
}

// helloSource is the program that start-up is compared with.
//
//go:embed hello.go.txt
var helloSource []byte

// starts stops the server and starts it again and again, in turns with a
// program that only says hello. It ends with the memory of a server that
// nobody has asked anything yet.
func (st *stage) starts(ctx context.Context) error {
	if err := st.leave(ctx); err != nil {
		return err
	}
	st.Say("starting again")
	hello := st.helloProgram(ctx)
	for range max(st.Rounds, singleRounds) {
		ready, err := st.start1(ctx, "server", st.Program, program{[]string{"serve", "--listen", "127.0.0.1:0"}, st.big.env()}, "/readyz", nil)
		if err != nil {
			return err
		}
		bare, err := st.start1(ctx, "hello", hello, program{[]string{"bench", "hello"}, nil}, "/", nil)
		if err != nil {
			return err
		}
		st.single.ready, st.single.hello = append(st.single.ready, ready), append(st.single.hello, bare)
	}
	for _, p := range []struct {
		place place
		into  *memory
	}{{st.big, &st.single.idle}, {st.little, &st.single.idleSmall}} {
		if _, err := st.start1(ctx, "server", st.Program, program{[]string{"serve", "--listen", "127.0.0.1:0"}, p.place.env()}, "/readyz", p.into); err != nil {
			return err
		}
	}
	return nil
}

// settled is how long a started server is left alone before its memory is
// read: its work in the background is done by then.
const settled = 5 * time.Second

// start1 starts a program and returns the time to its first answer; idle takes
// its memory once it has settled.
func (st *stage) start1(ctx context.Context, name, path string, p program, ask string, idle *memory) (time.Duration, error) {
	b := *st.Bench
	b.Program = path
	s, err := b.serve(ctx, name, p, ask)
	if err != nil {
		return 0, err
	}
	if idle != nil {
		err = wait(ctx, settled)
		if err == nil {
			*idle, err = memoryOf(s.pid())
		}
	}
	return s.ready, errors.Join(err, s.stop())
}

// helloProgram builds the least program, or falls back on this one where there
// is no Go.
func (st *stage) helloProgram(ctx context.Context) string {
	source, out := filepath.Join(st.folder, "hello.go"), filepath.Join(st.folder, "hello")
	if os.WriteFile(source, helloSource, 0o600) != nil {
		return st.Program
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", out, source) //nolint:gosec // our own source
	cmd.Dir = st.folder
	if cmd.Run() != nil {
		st.Say("no Go here: start-up is compared with this program saying hello")
		return st.Program
	}
	return out
}
