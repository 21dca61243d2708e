package schema

import "strings"

// tables are the lookups of a compiled resource type. They are written once by
// compile and only read afterwards.
type tables struct {
	// fields is every top-level attribute in canonical order: schemas, id,
	// externalId, core, the extensions in turn, meta.
	fields []*field
	refs   []Ref
	// top finds core and common attributes by canonical and lower-cased name.
	top map[string]*field
	// containers finds extensions by canonical and lower-cased URN.
	containers map[string]*container
	// bare finds extension attributes that stand without their URN, by
	// lower-cased name.
	bare map[string][]*field
	// exts is the extensions in order.
	exts []*container
	// core is the stored core attributes, externalId and id included, in
	// canonical order.
	core []*field
	// byAttr finds the field of a top-level definition.
	byAttr map[*Attribute]*field
	// coreURN is the URN of the core schema, boxed once.
	coreURN any
	// userName is the attribute that RFC 7643 section 4.1.1 holds unique under
	// PRECIS, for the User type only.
	userName *Attribute
	// plain is the default projection.
	plain *Projection
}

// field is one top-level attribute of a resource type.
type field struct {
	ref   Ref
	attr  *Attribute
	ext   *container // nil for core and common attributes
	index int
}

// container is one extension of a resource type.
type container struct {
	urn      string
	boxed    any
	quoted   string // `"urn":`, ready to be written
	schema   *Schema
	required bool
	// second marks the second-factor extension, whose names may stand without
	// the URN under every policy.
	second bool
	names  map[string]*field
	fields []*field
	bit    int
}

// both enters v under the canonical and the lower-cased name.
func both[V any](m map[string]V, name string, v V) {
	m[name] = v
	m[strings.ToLower(name)] = v
}

// get finds a name ignoring case; the canonical spelling costs no conversion.
func get[V any](m map[string]V, name string) V {
	if v, ok := m[name]; ok {
		return v
	}
	return m[strings.ToLower(name)]
}

// compile fills the lookups of an attribute and of its sub-attributes.
func (a *Attribute) compile(slot int) {
	a.slot = slot
	a.quoted = string(appendString(nil, a.Name)) + ":"
	a.sub = make(map[string]*Attribute, 2*len(a.Sub))
	for i, s := range a.Sub {
		s.compile(i)
		both(a.sub, s.Name, s)
	}
	a.primary, a.typ, a.value = a.sub["primary"], a.sub["type"], a.sub["value"]
	if a.primary != nil && (a.primary.Type != Boolean || a.primary.MultiValued) {
		a.primary = nil
	}
}

// compile fills the tables of a resource type. Attributes that several types
// share are compiled to the same values each time, before any of them is used.
func (rt *ResourceType) compile() {
	rt.top = map[string]*field{}
	rt.containers = map[string]*container{}
	rt.bare = map[string][]*field{}
	rt.byAttr = map[*Attribute]*field{}
	rt.coreURN = rt.Schema.ID
	schemas, id, externalID, meta := commonAttributes()
	for i, a := range []*Attribute{schemas, id, externalID} {
		a.compile(i)
		rt.addField(a, nil)
	}
	for i, a := range rt.Schema.Attributes {
		a.compile(i)
		rt.addField(a, nil)
	}
	for i, e := range rt.Extensions {
		rt.addExtension(i, e)
	}
	meta.compile(0)
	rt.addField(meta, nil)
	if rt.Schema.ID == UserURN {
		rt.userName = rt.top["userName"].attr
	}
	if c := rt.containers[SecondFactorURN]; c != nil {
		// Profile ping shows the attributes under this URN, so its clients may
		// qualify names with it.
		both(rt.containers, PingUserURN, c)
	}
	rt.plain = rt.defaultProjection()
}

func (rt *ResourceType) addExtension(bit int, e Extension) {
	c := &container{
		urn:      e.Schema.ID,
		boxed:    e.Schema.ID,
		quoted:   string(appendString(nil, e.Schema.ID)) + ":",
		schema:   e.Schema,
		required: e.Required,
		second:   e.Schema.ID == SecondFactorURN,
		names:    map[string]*field{},
		bit:      bit,
	}
	rt.exts = append(rt.exts, c)
	both(rt.containers, c.urn, c)
	for i, a := range e.Schema.Attributes {
		a.compile(i)
		rt.addField(a, c)
	}
}

func (rt *ResourceType) addField(a *Attribute, c *container) {
	f := &field{attr: a, ext: c, index: len(rt.fields), ref: Ref{Attr: a}}
	rt.byAttr[a] = f
	if c == nil {
		both(rt.top, a.Name, f)
		if a.stored() && a.Name != "schemas" {
			rt.core = append(rt.core, f)
		}
	} else {
		f.ref.URN = c.urn
		c.fields = append(c.fields, f)
		both(c.names, a.Name, f)
		lower := strings.ToLower(a.Name)
		rt.bare[lower] = append(rt.bare[lower], f)
	}
	rt.fields = append(rt.fields, f)
	rt.refs = append(rt.refs, f.ref)
}
