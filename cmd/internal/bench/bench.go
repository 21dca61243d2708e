package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"time"
)

// Bench is one measurement.
type Bench struct {
	// Program is the path of the sallyport binary, which every process under
	// test runs.
	Program string
	// Users is the size of the directory, at least MinUsers; 0 is 1,000,000.
	Users int
	// Rounds is how many slices each target gets; 0 is 5.
	Rounds int
	// Slice is how long one of them is; 0 is 1.5 s.
	Slice time.Duration
	// Database is the URL of a PostgreSQL database in which to make schemas for
	// the time of the measurement; "" is SQLite in a temporary folder.
	Database string
	// Only measures the rows whose key matches one of the patterns (path.Match);
	// none is all.
	Only []string
	// AllowNoise gives ratios even where other processes disturbed.
	AllowNoise bool
	// CPUProfile and MemProfile take profiles of the server with all users,
	// from its start to its end; "" is none.
	CPUProfile, MemProfile string
	// Tolerance is how far below its demand a row may be, such as 0.15.
	Tolerance float64
	// Verbose keeps what the servers say for error messages.
	Verbose bool
	// Say takes a line about what is going on; nil drops it.
	Say func(format string, args ...any)
}

// MinUsers is the least size of a directory that gives every row its data.
const MinUsers = 10_000

// smallUsers is the size that growth is measured from.
const smallUsers = 10_000

func (b *Bench) withDefaults() (*Bench, error) {
	c := *b
	c.Users = cmp.Or(c.Users, 1_000_000)
	c.Rounds = cmp.Or(c.Rounds, 5)
	c.Slice = cmp.Or(c.Slice, 1500*time.Millisecond)
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if c.Users < MinUsers || c.Rounds < 1 || c.Slice < 100*time.Millisecond {
		return nil, fmt.Errorf("at least %d users, 1 round and slices of 100ms are needed", MinUsers)
	}
	if runtime.GOOS != "linux" {
		return nil, errors.New("bench needs Linux: it reads processor time and memory from /proc")
	}
	return &c, nil
}

// Run measures and returns the report.
func (b *Bench) Run(ctx context.Context) (report *Report, err error) {
	b, err = b.withDefaults()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "sallyport-bench-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	st := &stage{Bench: b, folder: folder, data: data{b.Users}, samples: map[string][]*slice{}}
	defer func() { err = errors.Join(err, st.close(context.WithoutCancel(ctx)), os.RemoveAll(folder)) }()
	for _, step := range []func(context.Context) error{st.load, st.start, st.prepare, st.rounds, st.singles, st.leave} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return st.report(), nil
}

// wants says whether a row is to be measured.
func (b *Bench) wants(key string) bool {
	return len(b.Only) == 0 || slices.ContainsFunc(b.Only, func(pattern string) bool {
		ok, err := path.Match(pattern, key)
		return ok && err == nil
	})
}

// wanted are the targets that the wanted rows need.
func (st *stage) wanted() []*target {
	needed := map[string]bool{}
	for _, r := range ratioRows() {
		if st.wants(r.key) {
			needed[r.target], needed[r.baseline] = true, true
		}
	}
	if st.wants(rowHalfLoad) {
		needed[tGet] = true
	}
	var out []*target
	for _, t := range targets() {
		if needed[t.name] {
			out = append(out, t)
		}
	}
	return out
}

// repeats bounds how often a disturbed slice is taken again.
const repeats = 2

// fewRequests is how many are too few to tell a rate.
const fewRequests = 20

// disturbed is the share of the machine that other processes may use.
const disturbed = 0.08

// rounds gives every target its slices.
func (st *stage) rounds(ctx context.Context) error {
	all := st.wanted()
	order := rand.New(rand.NewPCG(2, 3)) //nolint:gosec // an order, the same every time
	for n := range st.Rounds {
		st.Say("round %d of %d", n+1, st.Rounds)
		order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if slices.ContainsFunc(all, func(t *target) bool { return t.durable }) {
			if err := st.calibrate(); err != nil {
				return err
			}
		}
		for _, t := range all {
			if err := st.sample(ctx, t, 0); err != nil {
				return err
			}
		}
		if !st.wants(rowHalfLoad) {
			continue
		}
		gets := st.samples[tGet]
		half := *st.target(tGet)
		half.name = rowHalfLoad
		if err := st.sample(ctx, &half, gets[len(gets)-1].rate()/2); err != nil {
			return err
		}
	}
	return nil
}

// sample takes one slice, again if others disturbed it.
func (st *stage) sample(ctx context.Context, t *target, pace float64) error {
	var best *slice
	length := st.Slice
	for range repeats + 1 {
		s, err := st.run(ctx, t, length, pace)
		if err != nil {
			return err
		}
		for s.requests < fewRequests && 4*length <= 64*st.Slice {
			length *= 4
			st.Say("%s: %d requests answered in %s: giving it longer", t.name, s.requests, s.wall.Round(time.Millisecond))
			if s, err = st.run(ctx, t, length, pace); err != nil {
				return err
			}
		}
		if s.requests == 0 {
			return fmt.Errorf("%s: no request was answered in %s", t.name, length)
		}
		if best == nil || s.others < best.others {
			best = s
		}
		if st.AllowNoise || best.others <= disturbed {
			break
		}
	}
	st.samples[t.name] = append(st.samples[t.name], best)
	return nil
}

func (st *stage) target(name string) *target {
	all := targets()
	return all[slices.IndexFunc(all, func(t *target) bool { return t.name == name })]
}

// calibrate times the disk alone: a page written and forced, again and again.
func (st *stage) calibrate() error {
	f, err := os.CreateTemp(st.folder, "fsync-*")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 4096)
	began, n := time.Now(), 0
	for ; time.Since(began) < 200*time.Millisecond; n++ {
		if _, err := f.WriteAt(page, 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	st.fsyncs = append(st.fsyncs, float64(n)/time.Since(began).Seconds())
	return os.Remove(f.Name())
}

// trickle changes one user ten times a second, as a provisioning client does
// between two queries: what the server remembers of the data gets old.
func (st *stage) trickle(ctx context.Context, stopping interface{ Load() bool }) {
	w := &worker{site: st.server.site, rng: pcg(int(st.posted.Add(1)))}
	c, err := dial(ctx, w.site.address)
	if err != nil {
		return // the readers report what is wrong with the server
	}
	defer func() { _ = c.close() }()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for !stopping.Load() {
		<-every.C
		if _, err := c.do(patchTitle(st, w), nil); err != nil {
			return
		}
	}
}

func cores() int { return runtime.NumCPU() }
