package schema

import (
	"encoding/json"
)

// writer appends a canonical Object as JSON: as the stored document, or (with
// keys) as the document of comparison keys.
type writer struct {
	buf  []byte
	keys bool
}

// Encode returns the canonical JSON of a resource: attributes in fixed order
// (schemas, id, externalId, core, extensions), "schemas" set by content. It
// leaves out meta, relations, derived values and secrets, and makes
// manager.$ref follow from manager.value. Equal objects give equal bytes as far
// as their numbers are written alike.
func (rt *ResourceType) Encode(o Object) []byte { return rt.write(o, false) }

// Parse reads what Encode wrote. It trusts the text: it is not for input.
func (rt *ResourceType) Parse(doc []byte) (Object, error) {
	d := decoder{text: string(doc), depth: defaultDepth}
	return d.document()
}

// SchemaURNs returns the schemas that a resource uses: the core schema, and each
// extension that has a value (RFC 7643 section 3.3).
func (rt *ResourceType) SchemaURNs(o Object) []string {
	out := make([]string, 1, 1+len(rt.exts))
	out[0] = rt.Schema.ID
	for _, c := range rt.exts {
		if c.present(o) {
			out = append(out, c.urn)
		}
	}
	return out
}

// SetSchemas sets "schemas" of o to SchemaURNs. Encode writes them anyway; it is
// for an Object that is evaluated before it is stored.
func (rt *ResourceType) SetSchemas(o Object) {
	list := make([]any, 1, 1+len(rt.exts))
	list[0] = rt.coreURN
	for _, c := range rt.exts {
		if c.present(o) {
			list = append(list, c.boxed)
		}
	}
	o["schemas"] = list
}

// present reports whether a resource has a value in this extension that is
// kept.
func (c *container) present(o Object) bool {
	inner, ok := o[c.urn].(Object)
	if !ok {
		return false
	}
	for name, v := range inner {
		if f := c.names[name]; f != nil && f.attr.stored() && !isEmpty(v) {
			return true
		}
	}
	return false
}

// isEmpty reports a value that would leave nothing in the document.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		for _, e := range v {
			if !isEmpty(e) {
				return false
			}
		}
		return true
	case Object:
		for _, e := range v {
			if !isEmpty(e) {
				return false
			}
		}
		return true
	}
	return false
}

func (rt *ResourceType) write(o Object, keys bool) []byte {
	w := writer{buf: make([]byte, 0, 1536), keys: keys}
	w.buf = append(w.buf, `{"schemas":[`...)
	w.urn(rt.Schema.ID)
	for _, c := range rt.exts {
		if c.present(o) {
			w.buf = append(w.buf, ',')
			w.urn(c.urn)
		}
	}
	w.buf = append(w.buf, ']')
	for _, f := range rt.core {
		if v, ok := o[f.attr.Name]; ok {
			w.member(f.attr, v)
		}
	}
	for _, c := range rt.exts {
		if !c.present(o) {
			continue
		}
		inner, _ := o[c.urn].(Object)
		w.buf = append(w.buf, ',')
		w.buf = append(w.buf, c.quoted...)
		w.buf = append(w.buf, '{')
		for _, f := range c.fields {
			if v, ok := inner[f.attr.Name]; ok && f.attr.stored() {
				w.member(f.attr, v)
			}
		}
		w.buf = append(w.buf, '}')
	}
	return append(w.buf, '}')
}

func (w *writer) urn(urn string) {
	if w.keys {
		urn = Fold(urn)
	}
	w.buf = appendString(w.buf, urn)
}

// member appends `,"name":value`, without the comma after an opening brace, or
// nothing if the value holds nothing.
func (w *writer) member(a *Attribute, v any) {
	before := len(w.buf)
	if w.buf[before-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, a.quoted...)
	if !w.value(a, v) {
		w.buf = w.buf[:before]
	}
}

// value appends a value of a, elements or single, and reports whether there was
// anything to append.
func (w *writer) value(a *Attribute, v any) bool {
	list, ok := v.([]any)
	if !ok {
		return w.single(a, v)
	}
	w.buf = append(w.buf, '[')
	some := false
	for _, e := range list {
		before := len(w.buf)
		if some {
			w.buf = append(w.buf, ',')
		}
		if !w.single(a, e) {
			w.buf = w.buf[:before]
			continue
		}
		some = true
	}
	w.buf = append(w.buf, ']')
	return some
}

func (w *writer) single(a *Attribute, v any) bool {
	if o, ok := v.(Object); ok {
		return w.object(a, o)
	}
	if w.keys {
		// Most leaves are folded ASCII texts: they are folded where they go.
		if s, ok := v.(string); ok && a.Type == String && !a.CaseExact && isASCII(s) {
			w.buf = appendLower(w.buf, s)
			return true
		}
		key, ok := a.Key(v)
		if ok {
			w.buf = appendString(w.buf, key)
		}
		return ok
	}
	switch v := v.(type) {
	case string:
		w.buf = appendString(w.buf, v)
	case bool:
		if v {
			w.buf = append(w.buf, "true"...)
		} else {
			w.buf = append(w.buf, "false"...)
		}
	case json.Number:
		w.buf = append(w.buf, v...)
	default:
		return false
	}
	return true
}

func (w *writer) object(a *Attribute, o Object) bool {
	w.buf = append(w.buf, '{')
	start := len(w.buf)
	for _, sub := range a.Sub {
		if a.refBase != "" && sub.Name == "$ref" {
			if id, ok := o["value"].(string); ok {
				w.member(sub, a.refBase+id)
			}
			continue
		}
		if v, ok := o[sub.Name]; ok && !sub.hidden() {
			w.member(sub, v)
		}
	}
	if len(w.buf) == start {
		return false
	}
	w.buf = append(w.buf, '}')
	return true
}
