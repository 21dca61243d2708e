package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// URNs of the bulk messages (RFC 7644 section 3.7).
const (
	BulkRequestURN  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	BulkResponseURN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// bulkEnvelope is how many levels of nesting the bulk message puts around the
// data of an operation: the message, Operations, and the operation.
const bulkEnvelope = 3

// bulkRequest is a decoded bulk message.
type bulkRequest struct {
	failOnErrors int // 0: never stop
	operations   []*bulkOperation
}

// bulkOperation is one operation with its outcome.
type bulkOperation struct {
	method, bulkID, version, path string
	data                          schema.Object

	rt *schema.ResourceType
	id string // of the path; "bulkId:…" when another operation makes it

	fault  error // found while reading; the operation is not run
	result *bulkResult
}

// bulkResult is one operation of the answer. Successful operations carry no
// body, which RFC 7644 section 3.7 allows; errors do.
type bulkResult struct {
	Location string          `json:"location,omitempty"`
	Method   string          `json:"method,omitempty"`
	BulkID   string          `json:"bulkId,omitempty"`
	Version  string          `json:"version,omitempty"`
	Status   string          `json:"status"`
	Response json.RawMessage `json:"response,omitempty"`

	id     string // of the resource, for references to it
	failed bool
}

// bulk answers POST /Bulk (RFC 7644 section 3.7). The media type is settled
// and the whole message read before anything is changed.
func (s *Service) bulk(c echo.Context, caller Caller) error {
	profile := s.profileOf(caller)
	typ, err := replyType(c, profile)
	if err != nil {
		return err
	}
	data, err := readBody(c, s.limits.BulkBody)
	if err != nil {
		if e := AsError(err); e.Status == http.StatusRequestEntityTooLarge {
			return s.bulkTooLarge().Because(err)
		}
		return err
	}
	req, err := s.readBulk(data, profile)
	if err != nil {
		return err
	}
	run := newBulkRun(s, caller, s.base(c), req)
	if err := run.all(c.Request().Context()); err != nil {
		return err
	}
	body, err := req.answer()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, typ, body)
}

// bulkTooLarge names both limits (RFC 7644 section 3.7.4).
func (s *Service) bulkTooLarge() *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "",
		"A bulk request may have at most %d operations (maxOperations) and %d bytes (maxPayloadSize); send several smaller ones.",
		s.limits.BulkOperations, s.limits.BulkBody)
}

// readBulk reads the message. A fault of the message is an error; a fault of
// one operation is noted in that operation.
func (s *Service) readBulk(data []byte, p *Profile) (*bulkRequest, error) {
	body, err := schema.Decode(data, schema.Limits{Depth: s.limits.Depth + bulkEnvelope})
	if err != nil {
		return nil, err
	}
	if err := checkMessage(body, BulkRequestURN, p); err != nil {
		return nil, err
	}
	req := &bulkRequest{}
	if req.failOnErrors, err = failOnErrors(body); err != nil {
		return nil, err
	}
	operations, ok := member(body, "Operations").([]any)
	if !ok || len(operations) == 0 && !p.EmptyOperations {
		return nil, NewError(http.StatusBadRequest, TypeInvalidSyntax,
			"Operations must be an array with at least one bulk operation.")
	}
	if len(operations) > s.limits.BulkOperations {
		return nil, s.bulkTooLarge()
	}
	defined := make(map[string]bool)
	for _, raw := range operations {
		op := &bulkOperation{}
		op.fault = op.read(raw, s.cfg.Registry)
		if op.fault == nil && op.method == http.MethodPost {
			if defined[op.bulkID] {
				op.fault = Errorf(http.StatusBadRequest, TypeInvalidValue,
					"bulkId %.64q names two POST operations; each needs its own.", op.bulkID)
			}
			defined[op.bulkID] = true
		}
		req.operations = append(req.operations, op)
	}
	return req, nil
}

// checkMessage checks that "schemas" names the message (RFC 7644 section 3.1);
// a profile may take a message without it.
func checkMessage(body schema.Object, urn string, p *Profile) error {
	urns, _ := member(body, "schemas").([]any)
	for _, u := range urns {
		if text, ok := u.(string); ok && strings.EqualFold(text, urn) {
			return nil
		}
	}
	if len(urns) == 0 && p.SchemasOptional {
		return nil
	}
	return Errorf(http.StatusBadRequest, TypeInvalidSyntax, "schemas must name %s.", urn)
}

// failOnErrors reads the number of errors after which processing stops
// (RFC 7644 section 3.7.3); 0 when the message does not say.
func failOnErrors(body schema.Object) (int, error) {
	switch v := member(body, "failOnErrors").(type) {
	case nil:
		return 0, nil
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil && n >= 1 {
			return n, nil
		}
	}
	return 0, NewError(http.StatusBadRequest, TypeInvalidValue,
		"failOnErrors must be an integer of at least 1; leave it out to go on after errors.")
}

// member returns a member of a message, whose keys are matched without case.
func member(o schema.Object, name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	for key, v := range o {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

// read takes the operation apart and checks what can be checked without
// running it.
func (op *bulkOperation) read(raw any, registry *schema.Registry) error {
	o, ok := raw.(schema.Object)
	if !ok {
		return NewError(http.StatusBadRequest, TypeInvalidSyntax, "Each bulk operation must be an object.")
	}
	var fault error
	text := func(name string) string {
		v := member(o, name)
		s, ok := v.(string)
		if v != nil && !ok && fault == nil {
			fault = Errorf(http.StatusBadRequest, TypeInvalidSyntax, "%s of a bulk operation must be a string.", name)
		}
		return s
	}
	op.method = strings.ToUpper(text("method"))
	op.bulkID, op.version, op.path = text("bulkId"), text("version"), text("path")
	op.data, _ = member(o, "data").(schema.Object)
	if fault != nil {
		return fault
	}
	if err := op.checkMethod(); err != nil {
		return err
	}
	return op.readPath(registry)
}

func (op *bulkOperation) checkMethod() error {
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" {
			return NewError(http.StatusBadRequest, TypeInvalidSyntax, "bulkId is required for a POST operation.")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return NewError(http.StatusBadRequest, TypeInvalidSyntax,
			"method of a bulk operation must be POST, PUT, PATCH or DELETE.")
	}
	if op.data == nil && op.method != http.MethodDelete {
		return Errorf(http.StatusBadRequest, TypeInvalidSyntax, "data is required for a %s operation and must be an object.", op.method)
	}
	return nil
}

// readPath finds the resource type, and the id for every method but POST. The
// path is relative to the base URL and names no sub-resource.
func (op *bulkOperation) readPath(registry *schema.Registry) error {
	endpoint, id, hasID := strings.Cut(strings.TrimPrefix(op.path, "/"), "/")
	op.rt, op.id = registry.ByEndpoint(endpoint), id
	post := op.method == http.MethodPost
	if op.rt == nil || hasID == post || (!post && id == "") || strings.ContainsAny(op.path, "?#") || strings.Contains(id, "/") {
		want := "/{endpoint}/{id}"
		if post {
			want = "/{endpoint}"
		}
		return Errorf(http.StatusBadRequest, TypeInvalidPath,
			"path of a bulk %s must be %s with the endpoint of a resource type.", op.method, want)
	}
	return nil
}

// answer renders the results in the order of the request. Operations that
// were not reached are left out (RFC 7644 section 3.7.3).
func (r *bulkRequest) answer() ([]byte, error) {
	results := make([]*bulkResult, 0, len(r.operations))
	for _, op := range r.operations {
		if op.result != nil {
			results = append(results, op.result)
		}
	}
	return encode(struct {
		Schemas    []string      `json:"schemas"`
		Operations []*bulkResult `json:"Operations"`
	}{[]string{BulkResponseURN}, results})
}

// fail records the error of an operation. Location is given for every
// operation but a POST, which has none (RFC 7644 section 3.7).
func (op *bulkOperation) fail(err error, base string) {
	e := AsError(err)
	op.result = &bulkResult{
		Method:   op.method,
		BulkID:   op.bulkID,
		Status:   strconv.Itoa(e.Status),
		Response: bytes.TrimSpace(e.body()),
		failed:   true,
	}
	if op.rt != nil && op.method != http.MethodPost && !strings.HasPrefix(op.id, bulkPrefix) {
		op.result.Location = location(base, op.rt, op.id)
	}
}

// succeed records the outcome of an operation.
func (op *bulkOperation) succeed(res *Resource) {
	op.result = &bulkResult{
		Location: res.Location,
		Method:   op.method,
		BulkID:   op.bulkID,
		Version:  res.Version,
		Status:   strconv.Itoa(res.Status),
		id:       res.ID,
	}
}

// run performs the operation on the service with references resolved.
func (op *bulkOperation) run(ctx context.Context, s *Service, caller Caller, base, id string, data schema.Object) (*Resource, error) {
	req := Request{Base: base, IfMatch: op.version}
	switch op.method {
	case http.MethodPost:
		return s.Create(ctx, caller, op.rt, data, Request{Base: base})
	case http.MethodPut:
		return s.Replace(ctx, caller, op.rt, id, data, req)
	case http.MethodPatch:
		return s.Patch(ctx, caller, op.rt, id, data, req)
	}
	if err := s.Delete(ctx, caller, op.rt, id, req); err != nil {
		return nil, err
	}
	return &Resource{Status: http.StatusNoContent, ID: id, Location: location(base, op.rt, id)}, nil
}
