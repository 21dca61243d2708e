package scim

import (
	"net/http"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
)

// FuzzBulkRead: no panic on any message; each operation is either refused or
// complete; every operation has its place in the order of work.
func FuzzBulkRead(f *testing.F) {
	const head = `{"schemas":["` + BulkRequestURN + `"],"Operations":[`
	f.Add([]byte(head + `{"method":"POST","path":"/Groups","bulkId":"a","data":{"members":[{"value":"bulkId:b"}]}},` +
		`{"method":"POST","path":"/Groups","bulkId":"b","data":{"members":[{"value":"bulkId:a"}]}}]}`))
	f.Add([]byte(head + `{"method":"PATCH","path":"/Users/bulkId:a","version":"W/\"1\"","data":{"Operations":[{"path":"members[value eq \"bulkId:b\"]"}]}}],"failOnErrors":1}`))
	f.Add([]byte(head + `1,null,{},{"method":"DELETE","path":"//"},{"method":"DELETE","path":"/Users/%2e"}]}`))
	registry, err := schema.Load(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	s := &Service{cfg: Config{Registry: registry}, limits: Limits{}.withDefaults()}
	profile := compatProfile()
	f.Fuzz(func(t *testing.T, data []byte) {
		req, err := s.readBulk(data, &profile)
		if err != nil {
			if e := AsError(err); e.Status != http.StatusBadRequest && e.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("readBulk(%q) = %v", data, err)
			}
			return
		}
		run := newBulkRun(s, Caller{}, "https://id.example.com/scim/v2", req)
		if len(run.group) != len(req.operations) {
			t.Fatalf("%d of %d operations have a place", len(run.group), len(req.operations))
		}
		for i, op := range req.operations {
			if op.fault != nil {
				if AsError(op.fault).Status != http.StatusBadRequest {
					t.Errorf("fault of operation %d of %q: %v", i, data, op.fault)
				}
				op.fail(op.fault, run.base)
				continue
			}
			if op.rt == nil || (op.id == "") != (op.method == http.MethodPost) || op.data == nil && op.method != http.MethodDelete {
				t.Errorf("operation %d of %q was accepted: %+v", i, data, op)
			}
			missing := map[string]bool{}
			for _, ref := range run.refs[i] {
				missing[req.operations[ref].bulkID] = true
			}
			if now, _ := postpone(op.rt, op.data, missing); mentions(now, "", missing) {
				t.Errorf("operation %d of %q still refers to what does not exist: %v", i, data, now)
			}
		}
		if _, err := req.answer(); err != nil {
			t.Errorf("answer to %q: %v", data, err)
		}
	})
}
