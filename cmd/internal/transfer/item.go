package transfer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/schema"
)

// maxDepth bounds the nesting of an imported document.
const maxDepth = 32

// item is one row, read: what to write and by what to find it.
type item struct {
	line int
	err  error // the row cannot be used
	typ  *schema.ResourceType
	// body is the resource, for Create and for a whole Replace.
	body schema.Object
	// changes are PATCH operations for a resource that is there (CSV);
	// nil: body replaces it.
	changes []any
	// members are those of a group, apart from body.
	members    []any
	hasMembers bool
	// credentials are those that the row brings along; nil: none.
	credentials *Credentials

	id, externalID, name string // name: userName, displayName of a group
}

// keys are what the row can be found by. Rows that share one are written in
// the order of the file.
func (it *item) keys() []string {
	var keys []string
	if it.err != nil {
		return keys
	}
	if it.id != "" {
		keys = append(keys, "id "+it.id)
	}
	if it.externalID != "" {
		keys = append(keys, it.typ.Name+" externalId "+it.externalID)
	}
	if it.name != "" {
		keys = append(keys, it.typ.Name+" name "+schema.Fold(it.name))
	}
	return keys
}

// keptID is the id that a new resource gets: that of the row when it has the
// form of ours, else "" for a new one.
func (it *item) keptID() string {
	if u, err := uuid.Parse(it.id); err == nil && u.String() == it.id {
		return it.id
	}
	return ""
}

// nameAttribute is the attribute that names a resource of a type uniquely.
func nameAttribute(rt *schema.ResourceType) string {
	switch rt.Name {
	case "User":
		return "userName"
	case "Group":
		return "displayName"
	}
	return ""
}

// relationOf returns the attribute of a type whose values are rows of their
// own (Group.members), or "".
func relationOf(rt *schema.ResourceType) string {
	for _, ref := range rt.Attributes() {
		if ref.Attr != nil && ref.Attr.Relation {
			return ref.Attr.Name
		}
	}
	return ""
}

// parser reads rows. Safe for concurrent use.
type parser struct {
	registry *schema.Registry
	table    *table // nil: NDJSON
	// credentials tells that rows may bring some along.
	credentials bool
}

func (p *parser) parse(row rawRow) *item {
	it := &item{line: row.line, err: row.err}
	if it.err != nil {
		return it
	}
	if p.table != nil {
		it.err = p.table.read(row.fields, it)
	} else {
		it.err = p.document(row.json, it)
	}
	if it.err == nil {
		it.err = it.identify()
	}
	switch {
	case it.err != nil || it.credentials == nil:
	case !p.credentials:
		it.err = errCredentials
	case it.typ.Name != "User":
		it.err = errors.New("only users have credentials")
	}
	return it
}

// document reads an NDJSON row.
func (p *parser) document(text []byte, it *item) error {
	body, err := schema.Decode(text, schema.Limits{Depth: maxDepth})
	if err != nil {
		return err
	}
	if it.typ, err = typeOf(body, p.registry); err != nil {
		return err
	}
	it.body = body
	if err := it.takeCredentials(); err != nil {
		return err
	}
	relation := relationOf(it.typ)
	if key, ok := find(body, relation); ok && relation != "" {
		it.hasMembers = true
		it.members, err = list(body[key])
		delete(body, key)
	}
	return err
}

// typeOf tells the resource type of a document: by meta.resourceType, by a
// core schema in "schemas", else a User if it has a userName.
func typeOf(o schema.Object, g *schema.Registry) (*schema.ResourceType, error) {
	if name := statedType(o); name != "" {
		if rt := g.ByName(name); rt != nil {
			return rt, nil
		}
		return nil, fmt.Errorf("meta.resourceType names no resource type: %q", name)
	}
	if rt := typeBySchemas(o, g); rt != nil {
		return rt, nil
	}
	if text(o, "userName") != "" {
		return g.ByName("User"), nil
	}
	return nil, errors.New("the row does not say what it is: give schemas, or meta.resourceType")
}

// statedType returns meta.resourceType, or "".
func statedType(o schema.Object) string {
	key, ok := find(o, "meta")
	if !ok {
		return ""
	}
	meta, _ := o[key].(schema.Object)
	return text(meta, "resourceType")
}

// typeBySchemas returns the type whose core schema stands in "schemas", or
// nil.
func typeBySchemas(o schema.Object, g *schema.Registry) *schema.ResourceType {
	key, ok := find(o, "schemas")
	if !ok {
		return nil
	}
	urns, _ := o[key].([]any)
	for _, urn := range urns {
		s, _ := urn.(string)
		for _, rt := range g.Types() {
			if strings.EqualFold(s, rt.Schema.ID) {
				return rt
			}
		}
	}
	return nil
}

// identify takes from the body what finds the resource.
func (it *item) identify() error {
	it.id = strings.ToLower(text(it.body, "id"))
	it.externalID = text(it.body, "externalId")
	if name := nameAttribute(it.typ); name != "" {
		it.name = text(it.body, name)
	}
	if it.id == "" && it.externalID == "" && it.name == "" {
		return fmt.Errorf("the row has no %s: without it a second run would make it twice", strings.TrimPrefix(nameAttribute(it.typ)+" or externalId", " or "))
	}
	return nil
}

// find returns the key of o that equals name ignoring case (RFC 7643 section
// 2.1).
func find(o schema.Object, name string) (string, bool) {
	if _, ok := o[name]; ok {
		return name, true
	}
	for key := range o {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return "", false
}

// text returns the string under name, "" if there is none.
func text(o schema.Object, name string) string {
	key, ok := find(o, name)
	if !ok {
		return ""
	}
	s, _ := o[key].(string)
	return s
}

func list(v any) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	}
	return nil, errors.New("members must be an array")
}
