package validation

import (
	"net/http"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// members reads a request body: names without case (RFC 7643 section 2.1), null
// as absent. The first fault is kept, so that a decoder reads all members and
// asks once. Members that it does not read are ignored, for clients send their
// whole record back.
type members struct {
	values map[string]any
	prefix string // of names in errors
	fault  error
}

func newMembers(o schema.Object) *members {
	m := &members{values: make(map[string]any, len(o))}
	for name, v := range o {
		m.values[strings.ToLower(name)] = v
	}
	return m
}

// get returns a member; false for absent, null, and for no body at all.
func (m *members) get(name string) (any, bool) {
	if m == nil {
		return nil, false
	}
	v, ok := m.values[strings.ToLower(name)]
	return v, ok && v != nil
}

// text returns a string member, "" if it is absent.
func (m *members) text(name string) string {
	v, ok := m.get(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		m.wrong(name, "a JSON string")
	}
	return s
}

// object returns a complex member, with no members if it is absent. done takes
// its faults over.
func (m *members) object(name string) *members {
	v, ok := m.get(name)
	if !ok {
		return nil
	}
	o, ok := v.(schema.Object)
	if !ok {
		m.wrong(name, "a JSON object")
		return nil
	}
	inner := newMembers(o)
	inner.prefix = m.prefix + name + "."
	return inner
}

func (m *members) wrong(name, want string) {
	if m.fault == nil {
		m.fault = invalidValue(m.prefix + name + " must be " + want + ".")
	}
}

// done returns the first fault of the members and of inner ones.
func (m *members) done(inner ...*members) error {
	for _, one := range append([]*members{m}, inner...) {
		if one != nil && one.fault != nil {
			return one.fault
		}
	}
	return nil
}

// message checks "schemas", which may be absent but must name the schema of the
// message if it is there.
func (m *members) message(urn string) {
	v, ok := m.get("schemas")
	if !ok {
		return
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, one := range list {
		if s, ok := one.(string); ok && strings.EqualFold(s, urn) {
			return
		}
	}
	m.fault = scim.NewError(http.StatusBadRequest, scim.TypeInvalidSyntax, "schemas must name "+urn+".")
}
