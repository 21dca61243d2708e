package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/storage/baseline"
)

// stage is a measurement under way: the data, the processes and what was seen.
type stage struct {
	*Bench
	folder string
	data   data
	big    place
	little place

	server, small, baseline *service
	services                []*service
	drops                   []func(context.Context) error

	deep     []string          // cursors of pages at nine tenths of the users
	prefixes map[string]string // cursors of second pages, by the letter of the filter
	posted   atomic.Int64      // users that were posted, so that no name comes twice
	seed     uint64

	samples map[string][]*slice
	fsyncs  []float64
	single  singles
}

// place is one directory: a data folder and a database.
type place struct {
	folder   string
	database string // URL
	key      string // master key; "" is a file in the folder
}

// env is the settings of a place. The rate limit and the brake would measure
// themselves: they are set out of reach, by configuration only.
func (p place) env() []string {
	env := []string{
		"SALLYPORT_DATA=" + p.folder,
		"SALLYPORT_SCIM_RATE=1000000000", "SALLYPORT_SCIM_BURST=1000000000", "SALLYPORT_SCIM_BRAKE_PERCENT=100",
	}
	if p.key != "" {
		env = append(env, "SALLYPORT_DATABASE_URL="+p.database, "SALLYPORT_MASTER_KEY="+p.key)
	}
	return env
}

// place makes a new empty directory.
func (st *stage) place(ctx context.Context, name string) (place, error) {
	p := place{folder: filepath.Join(st.folder, name)}
	if err := os.Mkdir(p.folder, 0o700); err != nil {
		return p, err
	}
	if st.Database == "" {
		p.database = "sqlite:" + filepath.Join(p.folder, "sallyport.db")
		return p, nil
	}
	p.key = server.NewMasterKey()
	schema := fmt.Sprintf("bench_%d_%s", os.Getpid(), name)
	inside, drop, err := baseline.Space(ctx, st.Database, schema)
	if err != nil {
		return p, err
	}
	p.database = inside
	st.drops = append(st.drops, drop)
	return p, nil
}

// load makes the directories and fills them by `sallyport import`.
func (st *stage) load(ctx context.Context) (err error) {
	if st.big, err = st.place(ctx, "big"); err != nil {
		return err
	}
	if st.little, err = st.place(ctx, "little"); err != nil {
		return err
	}
	st.Say("loading %d users by sallyport import", st.Users)
	if st.single.stopped, err = st.fill(ctx, st.big, st.data, 0, st.Users); err != nil {
		return err
	}
	st.Say("loaded %.0f users a second; loading %d for comparison", st.single.stopped.rate(), smallUsers)
	_, err = st.fill(ctx, st.little, data{smallUsers}, 0, smallUsers)
	return err
}

// imported is an import that was timed.
type imported struct {
	users int
	job   job
}

func (i imported) rate() float64 {
	if i.job.took <= 0 {
		return 0
	}
	return float64(i.users) / i.job.took.Seconds()
}

// fill imports users [from, to), and the groups with the first of them.
func (st *stage) fill(ctx context.Context, p place, d data, from, to int) (imported, error) {
	path := filepath.Join(st.folder, "import.ndjson")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // in a folder of its own
	if err != nil {
		return imported{}, err
	}
	if err := errors.Join(d.write(f, from, to, false), f.Close()); err != nil {
		return imported{}, fmt.Errorf("write users: %w", err)
	}
	j, err := st.do(ctx, program{[]string{"import", "--json", path}, p.env()}, nil)
	if err != nil {
		return imported{}, err
	}
	var sum struct {
		Created int `json:"created"`
	}
	if err := json.Unmarshal([]byte(j.out), &sum); err != nil || sum.Created != to-from {
		return imported{}, fmt.Errorf("import made %d of %d users (%w)", sum.Created, to-from, err)
	}
	if from > 0 {
		return imported{to - from, j}, os.Remove(path)
	}
	// The groups are no part of what is timed.
	if f, err = os.OpenFile(path, os.O_TRUNC|os.O_WRONLY, 0o600); err != nil { //nolint:gosec // in a folder of its own
		return imported{}, err
	}
	if err := errors.Join(d.write(f, 0, 0, true), f.Close()); err != nil {
		return imported{}, fmt.Errorf("write groups: %w", err)
	}
	_, err = st.do(ctx, program{[]string{"import", "--json", path}, p.env()}, nil)
	return imported{to - from, j}, errors.Join(err, os.Remove(path))
}

// start starts the processes.
func (st *stage) start(ctx context.Context) (err error) {
	if st.server, err = st.serveDirectory(ctx, "server", st.big, true); err != nil {
		return err
	}
	if st.small, err = st.serveDirectory(ctx, "small server", st.little, false); err != nil {
		return err
	}
	st.baseline, err = st.serve(ctx, "baselines",
		program{[]string{"bench", "baseline", st.big.database}, st.big.env()}, "/hello")
	st.services = append(st.services, st.baseline)
	return err
}

// serveDirectory starts `sallyport serve`, within a profile if one is asked
// for, and makes a token.
func (st *stage) serveDirectory(ctx context.Context, name string, p place, profiled bool) (*service, error) {
	j, err := st.do(ctx, program{[]string{"token", "create", "--name", "bench-" + strings.ReplaceAll(name, " ", "-")}, p.env()}, nil)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--listen", "127.0.0.1:0"}
	if profiled && st.CPUProfile+st.MemProfile != "" {
		args = []string{"bench", "profiled", "--cpuprofile", st.CPUProfile, "--memprofile", st.MemProfile}
	}
	s, err := st.serve(ctx, name, program{args, p.env()}, "/readyz")
	if err != nil {
		return nil, err
	}
	s.site.token = strings.TrimSpace(j.out)
	st.services = append(st.services, s)
	return s, nil
}

// prepare learns what the requests need: cursors. It also fills the caches.
func (st *stage) prepare(ctx context.Context) error {
	st.posted.Store(int64(st.Users))
	c, err := dial(ctx, st.server.site.address)
	if err != nil {
		return err
	}
	if st.wants("page-cursor") {
		st.Say("walking to the page at nine tenths by cursor")
		err = st.walk(ctx, c)
	}
	st.prefixes = map[string]string{}
	for i := 0; i < len(letters) && st.wants("sw-total") && err == nil; i++ {
		letter := letters[i : i+1]
		st.prefixes[letter], err = st.next(c, usersPath+"?cursor=&count=100&filter=userName%20sw%20%22"+letter+"%22")
	}
	return errors.Join(err, c.close())
}

// deepPages is how many different deep pages the cursor row asks for.
const deepPages = 200

// walk follows cursors to nine tenths of the users and keeps those from there.
func (st *stage) walk(ctx context.Context, c *conn) error {
	cursor := ""
	var err error
	for page := 0; page < st.Users/100*9/10+deepPages && ctx.Err() == nil; page++ {
		if cursor, err = st.next(c, usersPath+"?count=100&cursor="+cursor); err != nil {
			return err
		}
		if cursor == "" {
			break
		}
		if page >= st.Users/100*9/10 {
			st.deep = append(st.deep, cursor)
		}
	}
	if len(st.deep) == 0 {
		return errors.Join(errors.New("the list ended before nine tenths of the users"), ctx.Err())
	}
	return nil
}

// next fetches a page and returns its nextCursor, "" for none.
func (st *stage) next(c *conn, path string) (string, error) {
	body, err := c.get(st.server.site, path)
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(string(body[:min(len(body), 4096)]), `"nextCursor":"`)
	if !found {
		return "", nil
	}
	cursor, _, _ := strings.Cut(after, `"`)
	return cursor, nil
}

// leave stops the services in order, so that profiles are written.
func (st *stage) leave(context.Context) error {
	var errs []error
	for _, s := range st.services {
		errs = append(errs, s.stop())
	}
	st.services = nil
	return errors.Join(errs...)
}

// close takes back what the stage made outside its folder.
func (st *stage) close(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	errs := []error{st.leave(limited)}
	for _, drop := range st.drops {
		errs = append(errs, drop(limited))
	}
	return errors.Join(errs...)
}
