package scim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// bulkRun performs the operations of one bulk request, each in a transaction
// of its own, in the order of the request except that a resource is made
// before the operations that refer to it. Resources that refer to each other
// in a circle (RFC 7644 section 3.7.1) are made together in one transaction:
// first without the references that cannot exist yet, which a PATCH adds when
// all are there. If one of them fails, none is made.
type bulkRun struct {
	s      *Service
	caller Caller
	base   string
	req    *bulkRequest

	defined map[string]int // operation by the bulkId of its POST
	refs    [][]int        // the POST operations that each operation refers to
	group   []int          // the circle that each operation belongs to
	circles [][]int        // operations of each circle, in request order
	errors  int
}

func newBulkRun(s *Service, caller Caller, base string, req *bulkRequest) *bulkRun {
	r := &bulkRun{s: s, caller: caller, base: base, req: req, defined: make(map[string]int)}
	for i, op := range req.operations {
		if op.fault == nil && op.method == http.MethodPost {
			r.defined[op.bulkID] = i
		}
	}
	r.refs = make([][]int, len(req.operations))
	for i, op := range req.operations {
		r.refs[i] = r.readRefs(op)
	}
	r.group, r.circles = circlesOf(r.refs)
	return r
}

// readRefs finds the operations that op refers to in path and data, and notes
// a reference to none as its fault.
func (r *bulkRun) readRefs(op *bulkOperation) []int {
	if op.fault != nil {
		return nil
	}
	refs, unknown := refsOf(op.data, r.defined)
	if bulkID, ok := strings.CutPrefix(op.id, bulkPrefix); ok {
		if i, ok := r.defined[bulkID]; ok {
			refs = append(refs, i)
		} else {
			unknown = append(unknown, bulkID)
		}
	}
	if len(unknown) > 0 {
		op.fault = Errorf(http.StatusBadRequest, TypeInvalidValue,
			"bulkId %s names no POST operation of this request.", quoteSome(unknown))
		return nil
	}
	return refs
}

// all runs every operation until failOnErrors is reached. The error is that of
// a request that ended before its operations.
func (r *bulkRun) all(ctx context.Context) error {
	for i := range r.req.operations {
		if err := r.reach(ctx, i); err != nil {
			return err
		}
		if r.full() {
			return nil
		}
	}
	return nil
}

// full reports whether as many operations failed as the client accepts
// (RFC 7644 section 3.7.3).
func (r *bulkRun) full() bool {
	return r.req.failOnErrors > 0 && r.errors >= r.req.failOnErrors
}

// reach runs operation i, after those that it refers to, unless it has run.
func (r *bulkRun) reach(ctx context.Context, i int) error {
	op := r.req.operations[i]
	if op.result != nil || r.full() {
		return nil
	}
	circle := r.circles[r.group[i]]
	for _, member := range circle {
		for _, ref := range r.refs[member] {
			if r.group[ref] == r.group[i] {
				continue
			}
			if err := r.reach(ctx, ref); err != nil {
				return err
			}
		}
	}
	if r.full() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bulk request ended early: %w", err)
	}
	if len(circle) > 1 || slices.Contains(r.refs[i], i) {
		r.runCircle(ctx, circle)
		return nil
	}
	r.runOne(ctx, op)
	return nil
}

// runOne runs an operation all of whose references have run.
func (r *bulkRun) runOne(ctx context.Context, op *bulkOperation) {
	if op.fault != nil {
		r.fail(ctx, op, op.fault)
		return
	}
	var broken string
	lookup := func(_, bulkID string) (string, bool) {
		id, ok, failed := r.made(bulkID)
		if failed {
			broken = bulkID
		}
		return id, ok
	}
	data, _ := rewriteRefs(op.data, "", lookup).(schema.Object)
	id := op.id
	if bulkID, ok := strings.CutPrefix(id, bulkPrefix); ok {
		id, _ = lookup("path", bulkID)
	}
	if broken != "" {
		r.fail(ctx, op, brokenRef(broken))
		return
	}
	res, err := op.run(ctx, r.s, r.caller, r.base, id, data)
	if err != nil {
		op.id = id
		r.fail(ctx, op, err)
		return
	}
	op.succeed(res)
}

// made returns the id of the resource that a POST of this request made.
func (r *bulkRun) made(bulkID string) (id string, ok, failed bool) {
	i, ok := r.defined[bulkID]
	if !ok {
		return "", false, false
	}
	result := r.req.operations[i].result
	if result == nil || result.failed {
		return "", false, true
	}
	return result.id, true, false
}

// brokenRef is the answer to an operation that refers to one that failed
// (RFC 7644 section 3.7.1).
func brokenRef(bulkID string) *Error {
	return Errorf(http.StatusConflict, "",
		"The operation refers to bulkId %.64q, whose resource was not created.", bulkID)
}

// fail records an error and logs one that the client is not told about.
func (r *bulkRun) fail(ctx context.Context, op *bulkOperation, err error) {
	op.fail(err, r.base)
	r.errors++
	if AsError(err).Status == http.StatusInternalServerError {
		r.s.log.ErrorContext(ctx, "bulk operation failed", "error", err, "request_id", r.caller.RequestID)
	}
}

// circleMember is one resource of a circle on its way.
type circleMember struct {
	op   *bulkOperation
	new  *newcomer
	rest []late
}

// circleWork is the making of one circle. at is the operation at work, so that
// a failure can be laid to it; nil while none is.
type circleWork struct {
	members []*circleMember
	lookup  lookupRef
	at      *bulkOperation
}

// runCircle makes the resources of a circle, all or none.
func (r *bulkRun) runCircle(ctx context.Context, circle []int) {
	work := &circleWork{}
	var done []*Resource
	err := r.prepareCircle(ctx, circle, work)
	if err == nil {
		err = r.s.transact(ctx, func(ctx context.Context) error {
			var err error
			done, err = r.makeCircle(ctx, work)
			return err
		})
	}
	if err == nil {
		for n, m := range work.members {
			m.op.succeed(done[n])
		}
		return
	}
	culprit := work.at
	if culprit == nil { // the commit itself failed
		culprit = r.req.operations[circle[0]]
	}
	for _, i := range circle {
		op := r.req.operations[i]
		if op == culprit {
			r.fail(ctx, op, err)
		} else {
			r.fail(ctx, op, brokenRef(culprit.bulkID))
		}
	}
}

// prepareCircle readies the resources before the transaction, with the
// references to those before them; the other references wait.
func (r *bulkRun) prepareCircle(ctx context.Context, circle []int, work *circleWork) error {
	missing := make(map[string]bool, len(circle))
	for _, i := range circle {
		missing[r.req.operations[i].bulkID] = true
	}
	ids := make(map[string]string, len(circle))
	var broken string
	work.lookup = func(_, bulkID string) (string, bool) {
		if id, ok := ids[bulkID]; ok {
			return id, true
		}
		id, ok, failed := r.made(bulkID)
		if failed {
			broken = bulkID
		}
		return id, ok
	}
	for _, i := range circle {
		op := r.req.operations[i]
		work.at = op
		now, rest := postpone(op.rt, op.data, missing)
		data, _ := rewriteRefs(now, "", work.lookup).(schema.Object)
		if broken != "" {
			return brokenRef(broken)
		}
		n, err := r.s.prepare(ctx, r.caller, op.rt, data, Request{Base: r.base})
		if err != nil {
			return err
		}
		work.members = append(work.members, &circleMember{op: op, new: n, rest: rest})
		ids[op.bulkID] = n.rec.ID
		delete(missing, op.bulkID)
	}
	for _, m := range work.members {
		work.at = m.op
		for _, l := range m.rest {
			if rewriteRefs(l.value, l.path, work.lookup); broken != "" {
				return brokenRef(broken)
			}
		}
	}
	work.at = nil
	return nil
}

// makeCircle inserts the resources and then adds what had to wait. It may run
// again, so it changes nothing of what was prepared.
func (r *bulkRun) makeCircle(ctx context.Context, work *circleWork) ([]*Resource, error) {
	done := make([]*Resource, len(work.members))
	for n, m := range work.members {
		work.at = m.op
		res, err := r.s.insert(ctx, r.caller, m.new, Request{Base: r.base})
		if err != nil {
			return nil, err
		}
		done[n] = res
	}
	for n, m := range work.members {
		if len(m.rest) == 0 {
			continue
		}
		work.at = m.op
		res, err := r.s.Patch(ctx, r.caller, m.op.rt, m.new.rec.ID, patchOf(m.rest, work.lookup), Request{Base: r.base})
		if err != nil {
			return nil, err
		}
		done[n].Version = res.Version
	}
	work.at = nil
	return done, nil
}
