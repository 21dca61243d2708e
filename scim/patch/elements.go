package patch

import (
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// elements is the working copy of the values of one multi-valued attribute.
type elements struct {
	ref  schema.Ref
	list []any
	// at finds an element by its identity; built when first needed and
	// dropped when elements change in place.
	at map[string]int
	// primary lists the elements that this operation asks to be primary.
	primary []int
	changed bool
}

func (e *editor) elements(ref schema.Ref) *elements {
	list, _ := e.get(ref).([]any)
	return &elements{ref: ref, list: list}
}

// finish writes the values back.
func (e *editor) finish(s *elements) (bool, error) {
	if !s.changed {
		return false, nil
	}
	if len(s.primary) > 1 {
		return false, fault(schema.InvalidValue, s.ref.String(), "the operation makes %d values of %s primary; one at most can be", len(s.primary), s.ref)
	}
	if e.limit > 0 && len(s.list) > e.limit {
		return false, tooMany(s.ref, e.limit)
	}
	if len(s.list) == 0 {
		if s.ref.Attr.Required {
			return false, requiredFault(s.ref)
		}
		e.put(s.ref, nil)
		return true, nil
	}
	e.put(s.ref, s.list)
	return true, nil
}

// list applies an operation on a multi-valued attribute as a whole.
func (e *editor) list(op *Op) (bool, error) {
	if op.Kind == Remove && op.Value == nil {
		return e.unset(op.Ref)
	}
	values, _ := op.Value.([]any)
	s := e.elements(op.Ref)
	existed := len(s.list) > 0
	if err := s.change(op.Kind, values); err != nil {
		return false, err
	}
	if s.changed && existed && frozen(op.Ref.Attr) {
		return false, immutableFault(op.Ref)
	}
	return e.finish(s)
}

// change adds, removes or replaces whole values.
func (s *elements) change(kind Kind, values []any) error {
	switch kind {
	case Add:
		return s.addAll(values)
	case Remove:
		s.removeListed(values)
		return nil
	case Replace:
	}
	old := s.list
	s.list = make([]any, 0, len(values))
	err := s.addAll(values)
	s.changed = !schema.Equal(anyList(old), anyList(s.list))
	return err
}

// anyList boxes a list so that none and an empty one are equal.
func anyList(list []any) any {
	if len(list) == 0 {
		return []any{}
	}
	return list
}

// selected applies an operation on the elements that a value path selects.
func (e *editor) selected(op *Op) (bool, error) {
	s := e.elements(op.Ref)
	var hits []int
	for i, v := range s.list {
		if filter.MatchElement(op.Where, op.Ref, v) {
			hits = append(hits, i)
		}
	}
	if len(hits) > 1 && e.policy.RefuseAmbiguousValuePath {
		return false, fault(schema.InvalidFilter, op.Ref.String(), "the filter selects %d values of %s; extend it so that it selects one", len(hits), op.Ref)
	}
	existed := len(s.list) > 0
	if err := s.edit(op, hits); err != nil {
		return false, err
	}
	if s.changed && existed && frozen(op.Ref.Attr) {
		return false, immutableFault(op.Ref)
	}
	return e.finish(s)
}

// edit changes the elements at hits.
func (s *elements) edit(op *Op, hits []int) error {
	switch {
	case op.Kind == Remove && op.Sub == nil:
		s.drop(hits)
		return nil
	case op.Kind == Remove:
		if err := checkRemovable(schema.Ref{URN: s.ref.URN, Attr: s.ref.Attr, Sub: op.Sub}); err != nil {
			return err
		}
	case len(hits) == 0 && op.Seed == nil:
		return fault(schema.NoTarget, s.ref.String(), "no value of %s matches the filter of the path; add the value first", s.ref)
	case len(hits) == 0:
		return s.create(op)
	}
	for _, i := range hits {
		if err := s.editOne(op, i); err != nil {
			return err
		}
	}
	if s.changed {
		s.compact()
	}
	return nil
}

// create adds the element that a value path without match describes.
func (s *elements) create(op *Op) error {
	element := op.Seed.Clone()
	if element == nil {
		element = schema.Object{}
	}
	if op.Sub != nil {
		element[op.Sub.Name] = copied(op.Value)
	} else if o, isObject := op.Value.(schema.Object); isObject {
		for name, v := range o {
			element[name] = copied(v)
		}
	}
	return s.add(element)
}

// editOne changes the element at i.
func (s *elements) editOne(op *Op, i int) error {
	element, isObject := s.list[i].(schema.Object)
	if op.Sub != nil {
		if !isObject {
			return nil
		}
		c, err := editSub(element, schema.Ref{URN: s.ref.URN, Attr: s.ref.Attr, Sub: op.Sub}, op.Kind, op.Value)
		s.note(i, c, op.Sub.Name == "primary" && op.Value == true)
		return err
	}
	value := copied(op.Value)
	object, both := value.(schema.Object)
	if !isObject || !both {
		s.note(i, !schema.Equal(s.list[i], value), false)
		s.list[i] = value
		return nil
	}
	if op.Kind == Add {
		c, err := s.merge(element, object)
		s.note(i, c, object["primary"] == true)
		return err
	}
	keepReadOnly(s.ref.Attr, element, object)
	if err := checkSubs(s.ref, element, object); err != nil {
		return err
	}
	s.list[i] = object
	s.note(i, !schema.Equal(element, object), object["primary"] == true)
	return nil
}

// note records what the operation did with element i. One that is to be
// primary is the only one from then on (RFC 7644 section 3.5.2).
func (s *elements) note(i int, changed, primary bool) {
	s.changed = s.changed || changed
	if !primary || slices.Contains(s.primary, i) {
		return
	}
	s.primary = append(s.primary, i)
	for j, v := range s.list {
		if o, isObject := v.(schema.Object); isObject && j != i && o["primary"] == true {
			o["primary"] = false
			s.changed = true
		}
	}
}

// merge sets in element the sub-attributes that more names.
func (s *elements) merge(element, more schema.Object) (bool, error) {
	changed := false
	for _, sub := range s.ref.Attr.Sub {
		v, present := more[sub.Name]
		if !present {
			continue
		}
		c, err := editSub(element, schema.Ref{URN: s.ref.URN, Attr: s.ref.Attr, Sub: sub}, Add, v)
		if err != nil {
			return false, err
		}
		changed = changed || c
	}
	return changed, nil
}

// drop removes the elements at hits.
func (s *elements) drop(hits []int) {
	if len(hits) == 0 {
		return
	}
	kept := make([]any, 0, len(s.list)-len(hits))
	for i, v := range s.list {
		if _, hit := slices.BinarySearch(hits, i); !hit {
			kept = append(kept, v)
		}
	}
	s.list, s.at, s.changed = kept, nil, true
}

// removeListed removes the elements that one of the values describes.
func (s *elements) removeListed(values []any) {
	var hits []int
	for i, have := range s.list {
		if slices.ContainsFunc(values, func(v any) bool { return s.describes(v, have) }) {
			hits = append(hits, i)
		}
	}
	s.drop(hits)
}

// describes tells whether every sub-attribute of wanted has that value in
// element, under the comparison rules of the schema.
func (s *elements) describes(wanted, element any) bool {
	w, isObject := wanted.(schema.Object)
	o, both := element.(schema.Object)
	if !isObject || !both {
		return sameValue(s.ref.Attr, wanted, element)
	}
	for _, sub := range s.ref.Attr.Sub {
		if v, present := w[sub.Name]; present && !sameValue(sub, v, o[sub.Name]) {
			return false
		}
	}
	return true
}

// sameValue compares two simple values by their keys.
func sameValue(attr *schema.Attribute, a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	ka, okA := attr.Key(a)
	kb, okB := attr.Key(b)
	if okA && okB {
		return ka == kb
	}
	return schema.Equal(a, b)
}

// addAll adds copies of the values.
func (s *elements) addAll(values []any) error {
	for _, v := range values {
		if err := s.add(copied(v)); err != nil {
			return err
		}
	}
	return nil
}

// add appends one element, or merges it into the one that it is already
// (RFC 7644 section 3.5.2.1: adding what exists changes nothing).
func (s *elements) add(v any) error {
	if s.at == nil {
		s.index()
	}
	id := s.identity(v)
	o, isObject := v.(schema.Object)
	i, exists := s.at[id]
	if !exists {
		s.at[id] = len(s.list)
		s.list = append(s.list, v)
		s.note(len(s.list)-1, true, isObject && o["primary"] == true)
		return nil
	}
	have, both := s.list[i].(schema.Object)
	if !isObject || !both {
		return nil
	}
	for _, name := range []string{"value", "type"} {
		// Equal under the schema's rules; the spelling stays as it was sent first.
		delete(o, name)
	}
	c, err := s.merge(have, o)
	s.note(i, c, o["primary"] == true)
	return err
}

func (s *elements) index() {
	s.at = make(map[string]int, len(s.list))
	for i, v := range s.list {
		if id := s.identity(v); !s.has(id) {
			s.at[id] = i
		}
	}
}

func (s *elements) has(id string) bool {
	_, ok := s.at[id]
	return ok
}

// identity returns the text that tells elements apart: type and value
// (RFC 7643 section 2.4), or everything but primary where there is no value.
func (s *elements) identity(v any) string {
	o, isObject := v.(schema.Object)
	if !isObject {
		return keyText(s.ref.Attr, v)
	}
	value, typ := s.ref.Attr.SubAttribute("value"), s.ref.Attr.SubAttribute("type")
	var b strings.Builder
	if value != nil && o["value"] != nil {
		b.WriteString("v")
		b.WriteString(keyText(value, o["value"]))
		if typ != nil && o["type"] != nil {
			b.WriteByte(0)
			b.WriteString(keyText(typ, o["type"]))
		}
		return b.String()
	}
	for _, sub := range s.ref.Attr.Sub {
		if sub.Name != "primary" && o[sub.Name] != nil {
			b.WriteByte(0)
			b.WriteString(sub.Name)
			b.WriteByte(0)
			b.WriteString(exactText(sub, o[sub.Name]))
		}
	}
	return b.String()
}

// keyText returns the comparison key of a value.
func keyText(attr *schema.Attribute, v any) string {
	if key, ok := attr.Key(v); ok {
		return key
	}
	return exactText(attr, v)
}

// exactText returns a value as it stands; strings keep their case.
func exactText(attr *schema.Attribute, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, e := range v {
			b.WriteString(exactText(attr, e))
			b.WriteByte(0)
		}
		return b.String()
	default:
		key, _ := attr.Key(v)
		return key
	}
}

// compact removes elements left without content and joins those that a change
// made the same, so that no (type, value) pair stands twice (RFC 7643
// section 2.4). The first of them wins; the others fill what it lacks.
func (s *elements) compact() {
	kept := make([]any, 0, len(s.list))
	at := make(map[string]schema.Object, len(s.list))
	for _, v := range s.list {
		o, isObject := v.(schema.Object)
		if isObject && len(o) == 0 {
			continue
		}
		id := s.identity(v)
		first, exists := at[id]
		if !exists {
			at[id] = o
			kept = append(kept, v)
			continue
		}
		for name, sv := range o {
			if first[name] == nil || name == "primary" && sv == true {
				first[name] = sv
			}
		}
	}
	s.list, s.at = kept, nil
}
