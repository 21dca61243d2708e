package patch

import (
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// Parse turns a PATCH request for a resource of type rt into canonical
// operations (RFC 7644 section 3.5.2). body is what schema.Decode returned.
//
// Every fault is a *schema.Error: InvalidSyntax for a malformed message,
// InvalidPath for a path that does not parse or names nothing, InvalidFilter,
// InvalidValue, MutabilityErr for a path to a read-only attribute, NoTarget
// for a remove without path, TooLarge beyond the limits.
func Parse(body schema.Object, rt *schema.ResourceType, p schema.Policy, l Limits) (*Plan, error) {
	ops, err := operations(body, p)
	if err != nil {
		return nil, err
	}
	l = l.withDefaults()
	if len(ops) > l.Operations {
		return nil, fault(schema.TooLarge, "", "the request has %d operations; the limit is %d, so send them in several requests", len(ops), l.Operations)
	}
	b := &builder{rt: rt, policy: p, limits: l, plan: &Plan{Ops: make([]Op, 0, len(ops)), elements: l.Elements}}
	for i, raw := range ops {
		if err := b.operation(raw); err != nil {
			return nil, located(err, i, len(ops))
		}
	}
	return b.plan, nil
}

// operations checks the envelope and returns the list of operations.
func operations(body schema.Object, p schema.Policy) ([]any, error) {
	if err := checkMessageSchemas(body, p); err != nil {
		return nil, err
	}
	v, present := member(body, "Operations")
	ops, isList := v.([]any)
	switch {
	case !present:
		return nil, fault(schema.InvalidSyntax, "Operations", "Operations is missing; a PATCH request lists its operations there")
	case isList:
	case v == nil:
	default:
		one, isObject := v.(schema.Object)
		if !isObject || !p.LooseShapes {
			return nil, fault(schema.InvalidSyntax, "Operations", "Operations must be an array of operations")
		}
		ops = []any{one}
	}
	if len(ops) == 0 && !p.EmptyOperations {
		return nil, fault(schema.InvalidSyntax, "Operations", "Operations is empty; send at least one operation")
	}
	return ops, nil
}

// checkMessageSchemas requires exactly the PatchOp URN (RFC 7644 section
// 3.5.2), unless the policy infers schemas.
func checkMessageSchemas(body schema.Object, p schema.Policy) error {
	if p.SchemasOptional {
		return nil
	}
	v, _ := member(body, "schemas")
	list, _ := v.([]any)
	if len(list) == 0 {
		return fault(schema.InvalidSyntax, "schemas", "schemas must be an array with %q", MessageURN)
	}
	for _, e := range list {
		urn, isString := e.(string)
		if !isString || !strings.EqualFold(urn, MessageURN) {
			return fault(schema.InvalidSyntax, "schemas", "schemas of a PATCH request may hold only %q", MessageURN)
		}
	}
	return nil
}

// builder collects the plan of one request.
type builder struct {
	rt     *schema.ResourceType
	policy schema.Policy
	limits Limits
	plan   *Plan
	// members and comparisons count what the operations so far name.
	members, comparisons int
	seen                 map[string]struct{} // ids in the last of plan.Members
}

// request is one operation as sent.
type request struct {
	kind     Kind
	path     string // "" without
	value    any
	hasValue bool
}

// operation adds one operation of the request to the plan.
func (b *builder) operation(raw any) error {
	r, err := b.read(raw)
	if err != nil {
		return err
	}
	if r.kind != Remove && !r.hasValue {
		return fault(schema.InvalidValue, r.path, "an operation with op %q needs a value", r.kind)
	}
	if r.path != "" {
		return b.withPath(r)
	}
	if b.policy.RefusePathless {
		return fault(schema.InvalidSyntax, "", "the operation has no path; send one operation with a path for each attribute")
	}
	if r.kind == Remove {
		return fault(schema.NoTarget, "", "a remove operation needs a path that names what to remove")
	}
	value, err := b.pathlessValue(r.value)
	if err != nil {
		return err
	}
	return b.container(r.kind, "", value)
}

// read takes the members of one operation, whose names and op are compared
// without case: Entra ID sends "Replace", others "Op" or "PATH".
func (b *builder) read(raw any) (request, error) {
	o, isObject := raw.(schema.Object)
	if !isObject {
		return request{}, fault(schema.InvalidSyntax, "Operations", "each operation must be an object with op, path and value")
	}
	var r request
	op, _ := member(o, "op")
	name, isString := op.(string)
	if !isString {
		return request{}, fault(schema.InvalidSyntax, "op", "op must be one of add, remove and replace")
	}
	switch {
	case strings.EqualFold(name, string(Add)):
		r.kind = Add
	case strings.EqualFold(name, string(Remove)):
		r.kind = Remove
	case strings.EqualFold(name, string(Replace)):
		r.kind = Replace
	default:
		return request{}, fault(schema.InvalidSyntax, "op", "op %q is unknown; use add, remove or replace", clip(name))
	}
	r.value, r.hasValue = member(o, "value")
	path, present := member(o, "path")
	if !present || path == nil {
		return r, nil
	}
	r.path, isString = path.(string)
	if !isString {
		return request{}, fault(schema.InvalidPath, "path", "path must be a string")
	}
	if r.path == "" && !b.policy.EmptyStringUnassigns {
		return request{}, fault(schema.InvalidPath, "path", "path is empty; leave it out or name an attribute")
	}
	return r, nil
}

// pathlessValue returns the set of attributes that a path-less operation
// carries. Keycloak clients send it as JSON text.
func (b *builder) pathlessValue(v any) (schema.Object, error) {
	if o, isObject := v.(schema.Object); isObject {
		return o, nil
	}
	if b.policy.LooseShapes {
		if list, isList := v.([]any); isList && len(list) == 1 {
			v = list[0]
		}
		if text, isString := v.(string); isString {
			o, err := schema.Decode([]byte(text), schema.Limits{Depth: textDepth})
			if err != nil {
				return nil, fault(schema.InvalidValue, "value", "the value of an operation without path is text that is no JSON object")
			}
			return o, nil
		}
		if o, isObject := v.(schema.Object); isObject {
			return o, nil
		}
	}
	return nil, fault(schema.InvalidValue, "value", "the value of an operation without path must be an object that names the attributes")
}

// unknown rules an attribute that no schema defines.
func (b *builder) unknown(name string, cause error) error {
	switch b.policy.UnknownInPatch {
	case schema.UnknownDrop:
		b.plan.Ignored = append(b.plan.Ignored, name)
		return nil
	case schema.UnknownSyntax:
		return fault(schema.InvalidSyntax, name, "%s", detail(cause))
	case schema.UnknownInvalidPath:
	}
	return fault(schema.InvalidPath, name, "%s", detail(cause))
}

// member returns the value of a JSON member, ignoring the case of its name.
func member(o schema.Object, name string) (any, bool) {
	if v, ok := o[name]; ok {
		return v, true
	}
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

// keys returns the member names in a fixed order: the order of a JSON object
// means nothing, but the outcome of a request must not depend on chance.
// A name sorts before the dotted names that begin with it.
func keys(o schema.Object) []string {
	out := make([]string, 0, len(o))
	for k := range o {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
