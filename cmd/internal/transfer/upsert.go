package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// habit is what a lane has met lately: rows that are new, or rows that are
// there already. It decides what is tried first, and nothing else.
type habit struct{ existing bool }

// errDryRun rolls back what a dry run has tried.
var errDryRun = errors.New("dry run")

// errAmbiguous: several resources answer to one name.
var errAmbiguous = errors.New("several resources have this name: give the row an externalId or id")

// write does one row of the first pass: users and other plain resources are
// written, groups wait in the spool until everybody is in.
func (rn *run) write(ctx context.Context, it *item, h *habit) {
	if it.err != nil {
		rn.reject(it, reasonOf(it.err))
		return
	}
	if relationOf(it.typ) != "" {
		rn.Progress.Groups.Add(1)
		if err := rn.spool(it); err != nil {
			rn.fail(err)
		}
		return
	}
	rn.settle(ctx, it, rn.upsert(ctx, it, h, rn.caller))
}

// settle reports a row's refusal, or ends the import when the fault is not
// the row's. A row that the end of the import caught is neither.
func (rn *run) settle(ctx context.Context, it *item, err error) {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	if e := scim.AsError(err); e.Status >= http.StatusInternalServerError && !errors.Is(err, errAmbiguous) {
		rn.fail(fmt.Errorf("line %d: %w", it.line, err))
		return
	}
	rn.reject(it, reasonOf(err))
}

// reasonOf is the sentence for the file of rejects.
func reasonOf(err error) string {
	var document *schema.Error
	var documents schema.Errors
	var protocol *scim.Error
	switch {
	case errors.As(err, &documents), errors.As(err, &document), errors.As(err, &protocol), errors.As(err, new(*scim.ConflictError)):
		return scim.AsError(err).Detail
	}
	return err.Error()
}

// upsert creates the resource of a row, or brings the one that is there to
// what the row says.
func (rn *run) upsert(ctx context.Context, it *item, h *habit, caller scim.Caller) error {
	if h.existing {
		id, err := rn.find(ctx, it)
		if err != nil {
			return err
		}
		if id != "" {
			return rn.change(ctx, it, id, caller)
		}
	}
	err := rn.create(ctx, it, caller)
	if _, h.existing = errors.AsType[*scim.ConflictError](err); !h.existing {
		return err
	}
	found, ferr := rn.find(ctx, it)
	if ferr != nil {
		return ferr
	}
	if found == "" {
		return err // the value belongs to a resource that the row does not name
	}
	return rn.change(ctx, it, found, caller)
}

func (rn *run) create(ctx context.Context, it *item, caller scim.Caller) error {
	var res *scim.Resource
	err := rn.attempt(ctx, func(ctx context.Context) error {
		return rn.withCredentials(ctx, it, func(ctx context.Context) (string, error) {
			var err error
			res, err = rn.Service.Create(ctx, caller, it.typ, it.body.Clone(), scim.Request{ID: it.keptID()})
			if err != nil {
				return "", err
			}
			return res.ID, nil
		})
	})
	if err != nil {
		return err
	}
	rn.Progress.Created.Add(1)
	rn.dropped.Add(int64(res.Dropped))
	return nil
}

func (rn *run) change(ctx context.Context, it *item, id string, caller scim.Caller) error {
	var res *scim.Resource
	err := rn.attempt(ctx, func(ctx context.Context) error {
		return rn.withCredentials(ctx, it, func(ctx context.Context) (_ string, err error) {
			if it.changes != nil {
				res, err = rn.Service.Patch(ctx, caller, it.typ, id, patchBody(it.changes), scim.Request{})
			} else {
				res, err = rn.Service.Replace(ctx, caller, it.typ, id, it.body.Clone(), scim.Request{})
			}
			return id, err
		})
	})
	if err != nil {
		return err
	}
	rn.dropped.Add(int64(res.Dropped))
	if res.Changed {
		rn.Progress.Changed.Add(1)
	} else {
		rn.Progress.Unchanged.Add(1)
	}
	return nil
}

func patchBody(operations []any) schema.Object {
	return schema.Object{"schemas": []any{patchURN}, "Operations": operations}
}

// attempt runs a change, and takes it back when this is a dry run.
func (rn *run) attempt(ctx context.Context, fn func(context.Context) error) error {
	if !rn.DryRun {
		return fn(ctx)
	}
	err := rn.Resources.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// find returns the id of the resource that a row is about, or "".
func (rn *run) find(ctx context.Context, it *item) (string, error) {
	if it.id != "" {
		rec, err := rn.Resources.Get(ctx, it.typ, it.id, rn.caller.Domain)
		if err == nil {
			return rec.ID, nil
		}
		if !errors.Is(err, scim.ErrNotFound) {
			return "", err
		}
	}
	return rn.lookUp(ctx, it.typ, it.externalID, it.name)
}

// lookUp finds a resource by externalId, then by its name. One that has the
// name but another externalId is somebody else.
func (rn *run) lookUp(ctx context.Context, rt *schema.ResourceType, externalID, name string) (string, error) {
	if externalID != "" {
		if rec, err := rn.equal(ctx, rt, "externalId", externalID); rec != nil || err != nil {
			return idOf(rec), err
		}
	}
	attr := nameAttribute(rt)
	if attr == "" || name == "" {
		return "", nil
	}
	rec, err := rn.equal(ctx, rt, attr, name)
	if rec == nil || err != nil || externalID == "" {
		return idOf(rec), err
	}
	there, err := rt.Parse(rec.Doc)
	if err != nil {
		return "", fmt.Errorf("read %s %s: %w", rt.Name, rec.ID, err)
	}
	if other, _ := there["externalId"].(string); other != "" && other != externalID {
		return "", nil
	}
	return rec.ID, nil
}

func idOf(rec *scim.Record) string {
	if rec == nil {
		return ""
	}
	return rec.ID
}

// equal returns the one resource whose attribute has the value, or nil.
func (rn *run) equal(ctx context.Context, rt *schema.ResourceType, attr, value string) (*scim.Record, error) {
	where, err := filter.Bind(&filter.Compare{
		Path: filter.AttrPath{Name: attr}, Op: filter.Eq, Value: filter.Value{Kind: filter.String, Text: value},
	}, rt, rn.caller.Profile.Policy)
	if err != nil {
		return nil, fmt.Errorf("look up %s by %s: %w", rt.Name, attr, err)
	}
	page, err := rn.Resources.Query(ctx, scim.Query{
		Sources: []scim.Source{{Type: rt, Where: where}}, Domain: rn.caller.Domain, Limit: 2,
	})
	if err != nil {
		return nil, fmt.Errorf("look up %s by %s: %w", rt.Name, attr, err)
	}
	switch len(page.Records) {
	case 0:
		return nil, nil
	case 1:
		return &page.Records[0], nil
	}
	return nil, errAmbiguous
}
