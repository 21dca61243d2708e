package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Format of an input.
type Format string

// The formats that Import reads.
const (
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
)

// chunkRows is how many rows travel through the pipeline together.
const chunkRows = 64

// laneDepth is how many rows may wait for one lane.
const laneDepth = 4

// Directory is what import and export need of the directory.
type Directory struct {
	Registry  *schema.Registry
	Service   *scim.Service
	Resources scim.ResourceStore
	Members   scim.MemberStore
}

// Import says what to import and how.
type Import struct {
	Directory
	// Caller carries rights, profile and provisioning domain; its name stands
	// in the audit events.
	Caller scim.Caller
	Format Format
	// Type is the resource type of CSV rows; "" is User.
	Type string
	// DryRun checks every row against the directory and writes nothing.
	DryRun bool
	// Lanes is how many rows are written at once; 0 is 64.
	Lanes int
	// Spool keeps groups until the users are in; written, then read from the
	// start. It must be empty.
	Spool io.ReadWriteSeeker
	// Rejects takes one JSON document per refused row; nil drops them.
	Rejects io.Writer
	// Sink takes over what users log in with elsewhere; nil: rows that have that
	// are refused.
	Sink CredentialSink
	// Progress counts while the import runs, for whoever shows it.
	Progress *Progress
}

// Progress counts rows. Read it while Run works.
type Progress struct {
	Rows, Created, Changed, Unchanged, Rejected atomic.Int64
	// Groups and GroupsDone are the groups that wait for their members.
	Groups, GroupsDone atomic.Int64
}

// Summary is what an import did.
type Summary struct {
	Rows      int64 `json:"rows"`
	Created   int64 `json:"created"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
	Rejected  int64 `json:"rejected"`
	// Dropped counts attributes that no schema defines.
	Dropped int64 `json:"dropped_attributes"`
	DryRun  bool  `json:"dry_run,omitempty"`
}

// Reject is one refused row, as it stands in the file of rejects. It names the
// resource but holds no more of it, since a row may hold a password.
type Reject struct {
	Line       int    `json:"line"`
	Name       string `json:"name,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	Reason     string `json:"reason"`
}

// run is one import under way.
type run struct {
	*Import
	parser   parser
	caller   scim.Caller // for whole resources
	keeping  scim.Caller // for groups whose members come later
	dropped  atomic.Int64
	spoolMu  sync.Mutex
	rejectMu sync.Mutex
	failOnce sync.Once
	failed   error
	stop     context.CancelFunc
}

// Run imports everything that r holds. Rows that are refused are counted and
// reported, and are no error; an error means that the import could not go on.
// It may then be run again with the same input.
func (im *Import) Run(ctx context.Context, r io.Reader) (Summary, error) {
	src, rn, err := im.prepare(r)
	if err != nil {
		return Summary{}, err
	}
	ctx, rn.stop = context.WithCancel(ctx)
	defer rn.stop()
	rn.pass(ctx, src)
	if rn.err(ctx) == nil {
		rn.groups(ctx)
	}
	p := im.Progress
	return Summary{
		Rows: p.Rows.Load(), Created: p.Created.Load(), Changed: p.Changed.Load(), Unchanged: p.Unchanged.Load(),
		Rejected: p.Rejected.Load(), Dropped: rn.dropped.Load(), DryRun: im.DryRun,
	}, rn.err(ctx)
}

func (im *Import) prepare(r io.Reader) (source, *run, error) {
	if im.Progress == nil {
		im.Progress = &Progress{}
	}
	if im.Lanes <= 0 {
		im.Lanes = 64
	}
	rn := &run{Import: im, parser: parser{registry: im.Registry, credentials: im.Sink != nil}, caller: im.Caller}
	if rn.caller.Profile == nil {
		p, _ := scim.ProfileByName(scim.ProfileCompat)
		rn.caller.Profile = &p
	}
	keep := *rn.caller.Profile
	keep.KeepOmitted = true
	rn.keeping = rn.caller
	rn.keeping.Profile = &keep
	if im.Format != CSV {
		return newNDJSONSource(r), rn, nil
	}
	name := im.Type
	if name == "" {
		name = "User"
	}
	rt := im.Registry.ByName(name)
	if rt == nil {
		return nil, nil, fmt.Errorf("there is no resource type %q", name)
	}
	src, header, err := newCSVSource(r)
	if err != nil {
		return nil, nil, err
	}
	rn.parser.table, err = newTable(header, rt, rn.caller.Profile.Policy)
	return src, rn, err
}

// fail records what ends the import.
func (rn *run) fail(err error) {
	rn.failOnce.Do(func() {
		rn.failed = err
		rn.stop()
	})
}

func (rn *run) err(ctx context.Context) error {
	if rn.failed != nil {
		return rn.failed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("import interrupted: %w (run it again to finish)", err)
	}
	return nil
}

// pass reads the source to its end. Chunks are parsed in parallel and handed
// to the lanes in the order of the file.
func (rn *run) pass(ctx context.Context, src source) {
	type chunk struct {
		rows []rawRow
		done chan []*item
	}
	parsers := runtime.GOMAXPROCS(0)
	work := make(chan chunk)
	ordered := make(chan chan []*item, 2*parsers)
	var wg sync.WaitGroup
	for range parsers {
		wg.Go(func() {
			for c := range work {
				items := make([]*item, len(c.rows))
				for i, row := range c.rows {
					items[i] = rn.parser.parse(row)
				}
				c.done <- items
			}
		})
	}
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		rn.read(ctx, src, func(rows []rawRow) bool {
			c := chunk{rows: rows, done: make(chan []*item, 1)}
			select {
			case ordered <- c.done:
			case <-ctx.Done():
				return false
			}
			work <- c
			return true
		})
	})
	lanes := rn.lanes(ctx, &wg, rn.write)
	for done := range ordered {
		for _, it := range <-done {
			lanes.put(it)
		}
	}
	lanes.close()
	wg.Wait()
}

// read cuts the source into chunks.
func (rn *run) read(ctx context.Context, src source, emit func([]rawRow) bool) {
	var rows []rawRow
	for ctx.Err() == nil {
		row, err := src.next()
		if err == nil {
			rows = append(rows, row)
			rn.Progress.Rows.Add(1)
		}
		if len(rows) == chunkRows || err != nil && len(rows) > 0 {
			if !emit(rows) {
				return
			}
			rows = nil
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			rn.fail(fmt.Errorf("read input: %w", err))
			return
		}
	}
}

// reject reports a row that is not imported.
func (rn *run) reject(it *item, reason string) {
	rn.Progress.Rejected.Add(1)
	if rn.Rejects == nil {
		return
	}
	rn.rejectMu.Lock()
	defer rn.rejectMu.Unlock()
	line, err := json.Marshal(Reject{Line: it.line, Name: it.name, ExternalID: it.externalID, Reason: reason})
	if err == nil {
		_, err = rn.Rejects.Write(append(line, '\n'))
	}
	if err != nil {
		rn.fail(fmt.Errorf("write rejects: %w", err))
	}
}
