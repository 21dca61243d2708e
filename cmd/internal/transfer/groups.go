package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// memberBatch is how many members one change adds or removes.
const memberBatch = 2000

// resolvers is how many members of a group are looked up at once.
const resolvers = 8

// spooled is a group that waits for its turn: first to be written without
// members, then, when all groups are there, to be given them.
type spooled struct {
	Line       int             `json:"line"`
	Type       string          `json:"type"`
	Body       json.RawMessage `json:"body"`
	Changes    []any           `json:"changes,omitempty"`
	Patch      bool            `json:"patch,omitempty"`
	Members    json.RawMessage `json:"members,omitempty"`
	HasMembers bool            `json:"has_members,omitempty"`
}

func (rn *run) spool(it *item) error {
	s := spooled{Line: it.line, Type: it.typ.Name, Changes: it.changes, Patch: it.changes != nil, HasMembers: it.hasMembers}
	var err error
	if s.Body, err = json.Marshal(it.body); err != nil {
		return fmt.Errorf("spool group: %w", err)
	}
	if s.Members, err = json.Marshal(it.members); err != nil {
		return fmt.Errorf("spool group: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("spool group: %w", err)
	}
	rn.spoolMu.Lock()
	defer rn.spoolMu.Unlock()
	if _, err := rn.Spool.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("spool group: %w", err)
	}
	return nil
}

// groups writes the groups of the spool without members, so that they can be
// members of each other, and then gives each its members.
func (rn *run) groups(ctx context.Context) {
	if rn.Progress.Groups.Load() == 0 {
		return
	}
	rn.each(ctx, func(ctx context.Context, it *item, h *habit) {
		rn.settle(ctx, it, rn.upsert(ctx, it, h, rn.keeping))
	})
	if rn.DryRun || rn.err(ctx) != nil {
		return
	}
	rn.each(ctx, func(ctx context.Context, it *item, _ *habit) {
		defer rn.Progress.GroupsDone.Add(1)
		if !it.hasMembers {
			return
		}
		id, err := rn.find(ctx, it)
		if err == nil && id != "" {
			err = rn.fill(ctx, it, id)
		}
		rn.settle(ctx, it, err)
	})
}

// each runs do for every group of the spool.
func (rn *run) each(ctx context.Context, do func(context.Context, *item, *habit)) {
	if _, err := rn.Spool.Seek(0, io.SeekStart); err != nil {
		rn.fail(fmt.Errorf("read spool: %w", err))
		return
	}
	var wg sync.WaitGroup
	l := rn.lanes(ctx, &wg, do)
	decoder := json.NewDecoder(bufio.NewReaderSize(rn.Spool, 256<<10))
	decoder.UseNumber()
	for ctx.Err() == nil {
		var s spooled
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		var it *item
		if err == nil {
			it, err = rn.unspool(s)
		}
		if err != nil {
			rn.fail(fmt.Errorf("read spool: %w", err))
			break
		}
		l.put(it)
	}
	l.close()
	wg.Wait()
}

func (rn *run) unspool(s spooled) (*item, error) {
	it := &item{line: s.Line, typ: rn.Registry.ByName(s.Type), hasMembers: s.HasMembers}
	var err error
	if it.body, err = schema.Decode(s.Body, schema.Limits{}); err != nil {
		return nil, err
	}
	wrapped, err := schema.Decode([]byte(`{"members":`+string(s.Members)+`}`), schema.Limits{})
	if err != nil {
		return nil, err
	}
	it.members, _ = wrapped["members"].([]any)
	if s.Patch {
		it.changes = []any{}
		for _, c := range s.Changes {
			change, ok := c.(map[string]any)
			if !ok {
				return nil, errors.New("a change is no object")
			}
			it.changes = append(it.changes, schema.Object(change))
		}
	} else {
		rn.clearOmitted(it)
	}
	return it, it.identify()
}

// clearOmitted names with null what the row leaves out, members aside: the
// profile that keeps members when they are not named keeps everything that is
// not.
func (rn *run) clearOmitted(it *item) {
	for _, ref := range it.typ.Attributes() {
		name := ref.URN
		if ref.Attr != nil && ref.URN == "" {
			name = ref.Attr.Name
		}
		if ref.Attr != nil && (ref.Attr.Relation || ref.Attr.Required || ref.Attr.Mutability != schema.ReadWrite) || name == "schemas" {
			continue
		}
		if _, ok := find(it.body, name); !ok {
			it.body[name] = nil
		}
	}
}

// fill makes the members of a group those of the row: what is missing is
// added, what is too much is removed, in batches. A member that nobody has is
// reported; the others go in.
func (rn *run) fill(ctx context.Context, it *item, group string) error {
	wanted, err := rn.resolve(ctx, it)
	if err != nil {
		return err
	}
	there, err := rn.Members.Members(ctx, []string{group}, rn.caller.Domain)
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	var remove []any
	for _, m := range there[group] {
		if wanted[m.Value] {
			delete(wanted, m.Value)
			continue
		}
		remove = append(remove, schema.Object{"value": m.Value})
	}
	add := make([]any, 0, len(wanted))
	for id := range wanted {
		add = append(add, schema.Object{"value": id})
	}
	if err := rn.batches(ctx, it, group, "add", add); err != nil {
		return err
	}
	return rn.batches(ctx, it, group, "remove", remove)
}

func (rn *run) batches(ctx context.Context, it *item, group, op string, members []any) error {
	relation := relationOf(it.typ)
	for len(members) > 0 {
		n := min(memberBatch, len(members))
		change := schema.Object{"op": op, "path": relation, "value": members[:n]}
		if _, err := rn.Service.Patch(ctx, rn.caller, it.typ, group, patchBody([]any{change}), scim.Request{}); err != nil {
			return err
		}
		members = members[n:]
	}
	return nil
}

// resolve turns what the row calls its members into ids.
func (rn *run) resolve(ctx context.Context, it *item) (map[string]bool, error) {
	var mu sync.Mutex
	var firstErr error
	wanted := make(map[string]bool, len(it.members))
	next := make(chan any)
	var wg sync.WaitGroup
	for range min(resolvers, len(it.members)) {
		wg.Go(func() {
			for m := range next {
				id, err := rn.member(ctx, m)
				mu.Lock()
				switch {
				case err != nil && firstErr == nil:
					firstErr = err
				case err != nil:
				case id == "":
					rn.reject(it, fmt.Sprintf("member %q is no user and no group; the others are in", memberName(m)))
				default:
					wanted[id] = true
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range it.members {
		next <- m
	}
	close(next)
	wg.Wait()
	return wanted, firstErr
}

func memberName(m any) string {
	switch m := m.(type) {
	case string:
		return m
	case schema.Object:
		return text(m, "value")
	}
	return ""
}

// member finds a user or group by id, externalId or name.
func (rn *run) member(ctx context.Context, m any) (string, error) {
	value := memberName(m)
	if value == "" {
		return "", nil
	}
	types := []*schema.ResourceType{rn.Registry.ByName("User"), rn.Registry.ByName("Group")}
	id := strings.ToLower(value)
	for _, rt := range types {
		rec, err := rn.Resources.Get(ctx, rt, id, rn.caller.Domain)
		if err == nil {
			return rec.ID, nil
		}
		if !errors.Is(err, scim.ErrNotFound) {
			return "", err
		}
	}
	for _, rt := range types {
		for _, attr := range []string{"externalId", nameAttribute(rt)} {
			rec, err := rn.equal(ctx, rt, attr, value)
			if rec != nil || err != nil {
				return idOf(rec), err
			}
		}
	}
	return "", nil
}
