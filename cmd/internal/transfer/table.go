package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// patchURN is the schema of a PATCH body (RFC 7644 section 3.5.2).
const patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// memberSeparator stands between the members in one CSV field.
const memberSeparator = ";"

// table is a CSV header, compiled: one column per attribute path.
type table struct {
	typ     *schema.ResourceType
	columns []*column
}

// column is one attribute path of the header.
type column struct {
	path string // as written
	ref  schema.Ref
	// seed are the sub-attributes of the element that the path selects, such
	// as {"type": "work"}; nil without a value path.
	seed    schema.Object
	element string // which element: columns with the same text share one
	members bool   // the relation of the type
	id      bool
	// credential is the member of the credentials that the column is, without the
	// prefix.
	credential string
}

// newTable compiles a header for a resource type. All faults are reported at
// once, each with its column.
func newTable(header []string, rt *schema.ResourceType, p schema.Policy) (*table, error) {
	t := &table{typ: rt}
	seen := map[string]bool{}
	var faults []error
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		return nil, fmt.Errorf("the first line %q is one column: separate columns with commas", header[0])
	}
	for i, cell := range header {
		c, err := newColumn(strings.TrimSpace(cell), rt, p)
		if err == nil && seen[c.key()] {
			err = errors.New("stands twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("column %d %q: %s", i+1, cell, reasonOf(err)))
			continue
		}
		seen[c.key()] = true
		t.columns = append(t.columns, c)
	}
	return t, errors.Join(faults...)
}

func (c *column) key() string {
	if c.credential != "" {
		return credentialsPrefix + strings.ToLower(c.credential)
	}
	return c.element + "|" + c.ref.String()
}

// cutFold cuts a prefix, whatever its case.
func cutFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

func newColumn(path string, rt *schema.ResourceType, p schema.Policy) (*column, error) {
	if path == "" {
		return nil, errors.New("has no name")
	}
	if name, ok := cutFold(path, credentialsPrefix); ok {
		// Whether there is such a member shows with any value.
		return &column{path: path, credential: name}, (&item{}).credential(name, "0")
	}
	parsed, err := filter.ParsePath(path, filter.Limits{})
	if err != nil {
		return nil, err
	}
	sub := parsed.Sub
	if parsed.Filter == nil {
		sub = parsed.Attr.Sub
	} else if sub == "" {
		sub = "value"
	}
	ref, err := rt.Lookup(parsed.Attr.URN, parsed.Attr.Name, sub, p)
	if err != nil {
		return nil, err
	}
	c := &column{path: path, ref: ref}
	if parsed.Filter != nil {
		c.element = parsed.Filter.String()
		if c.seed, err = seedOf(parsed.Filter); err != nil {
			return nil, err
		}
		if parsed.Sub == "" {
			c.path += ".value"
		}
	}
	return c, c.check(rt)
}

// check refuses columns that no field can fill.
func (c *column) check(rt *schema.ResourceType) error {
	a := c.ref.Attr
	if a == nil {
		return errors.New("names a whole extension: name one of its attributes")
	}
	c.id = c.ref.URN == "" && a.Name == "id"
	c.members = a.Relation && c.ref.Sub == nil
	switch {
	case c.id || c.members:
		return nil
	case a.Mutability == schema.ReadOnly || a.Derived || a.Name == "schemas" || a.Name == "meta":
		return errors.New("is read-only: the server sets it")
	case c.ref.Target().Mutability == schema.ReadOnly:
		return errors.New("is read-only: the server sets it")
	case a.Relation:
		return fmt.Errorf("name the whole attribute %s; a field holds the values with %q between them", a.Name, memberSeparator)
	case a.MultiValued && a.Type == schema.Complex && c.seed == nil:
		return fmt.Errorf(`has several values: name one of them, such as %s[type eq "work"].value`, a.Name)
	case a.Type == schema.Complex && c.ref.Sub == nil:
		return fmt.Errorf("is complex: name a sub-attribute, such as %s.%s of %s", a.Name, a.Sub[0].Name, rt.Name)
	}
	return nil
}

// seedOf returns the sub-attributes that a conjunction of eq terms fixes.
func seedOf(e filter.Expr) (schema.Object, error) {
	switch e := e.(type) {
	case *filter.And:
		left, err := seedOf(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := seedOf(e.Right)
		maps.Copy(left, right)
		return left, err
	case *filter.Compare:
		if e.Op != filter.Eq || e.Path.URN != "" || e.Path.Sub != "" {
			break
		}
		switch e.Value.Kind {
		case filter.String:
			return schema.Object{e.Path.Name: e.Value.Text}, nil
		case filter.Bool:
			return schema.Object{e.Path.Name: e.Value.Text == "true"}, nil
		case filter.Null, filter.Number:
		}
	}
	return nil, errors.New(`brackets take only eq terms joined by and, such as [type eq "work"]`)
}

// read fills an item from the fields of a row.
func (t *table) read(fields []string, it *item) error {
	it.typ = t.typ
	it.body = schema.Object{"schemas": t.schemas()}
	elements := map[string]schema.Object{}
	it.changes = []any{}
	for i, c := range t.columns {
		field := strings.TrimSpace(fields[i])
		if c.credential != "" {
			if err := it.credential(c.credential, field); err != nil {
				return err
			}
			continue
		}
		if c.ref.Target().Name == "password" {
			field = fields[i]
		}
		switch {
		case c.id:
			if field != "" {
				it.body["id"] = field
			}
		case c.members:
			it.hasMembers = true
			it.members = splitMembers(field)
		default:
			if err := t.assign(it, c, field, elements); err != nil {
				return err
			}
		}
	}
	return nil
}

// assign puts a field into the body and into the changes.
func (t *table) assign(it *item, c *column, field string, elements map[string]schema.Object) error {
	if field == "" {
		// A password is never taken away by an empty field: files seldom have
		// the old ones.
		if c.ref.Target().Name != "password" {
			it.changes = append(it.changes, schema.Object{"op": "remove", "path": c.path})
		}
		return nil
	}
	value, err := convert(field, c.ref)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	it.changes = append(it.changes, schema.Object{"op": "replace", "path": c.path, "value": value})
	holder := it.body
	if c.ref.URN != "" {
		holder = child(it.body, c.ref.URN)
	}
	name := c.ref.Attr.Name
	switch {
	case c.seed != nil:
		key := c.ref.URN + "|" + name + "|" + c.element
		element := elements[key]
		if element == nil {
			element = c.seed.Clone()
			elements[key] = element
			values, _ := holder[name].([]any)
			holder[name] = append(values, element)
		}
		element[c.ref.Sub.Name] = value
	case c.ref.Sub != nil:
		child(holder, name)[c.ref.Sub.Name] = value
	default:
		holder[name] = value
	}
	return nil
}

// schemas lists the core schema and the extensions that the header names.
func (t *table) schemas() []any {
	urns := []any{t.typ.Schema.ID}
	seen := map[string]bool{}
	for _, c := range t.columns {
		if u := c.ref.URN; u != "" && !seen[u] {
			seen[u] = true
			urns = append(urns, u)
		}
	}
	return urns
}

func child(o schema.Object, name string) schema.Object {
	inner, ok := o[name].(schema.Object)
	if !ok {
		inner = schema.Object{}
		o[name] = inner
	}
	return inner
}

// convert gives a field the JSON form of its attribute. Whether the value is
// right is for the service to say.
func convert(field string, ref schema.Ref) (any, error) {
	target := ref.Target()
	if target.MultiValued {
		var values []any
		for part := range strings.SplitSeq(field, memberSeparator) {
			if part = strings.TrimSpace(part); part != "" {
				v, err := simple(part, target.Type)
				if err != nil {
					return nil, err
				}
				values = append(values, v)
			}
		}
		return values, nil
	}
	return simple(field, target.Type)
}

func simple(field string, typ schema.Type) (any, error) {
	switch typ {
	case schema.Boolean:
		switch strings.ToLower(field) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("wants true or false, not %q", field)
	case schema.Integer, schema.Decimal:
		if !json.Valid([]byte(field)) || strings.ContainsAny(field, "\"[{tfn ") {
			return nil, fmt.Errorf("wants a number, not %q", field)
		}
		return json.Number(field), nil
	case schema.String, schema.DateTime, schema.Binary, schema.Reference, schema.Complex:
	}
	return field, nil
}

func splitMembers(field string) []any {
	var out []any
	for part := range strings.SplitSeq(field, memberSeparator) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, schema.Object{"value": part})
		}
	}
	return out
}
