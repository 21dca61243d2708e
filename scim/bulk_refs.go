package scim

import (
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// bulkPrefix marks a reference to the resource that another operation of the
// same bulk request makes (RFC 7644 section 3.7.2).
const bulkPrefix = "bulkId:"

// lookupRef returns the id that a reference stands for; false leaves the text
// as it is. key is the key that the text stands under.
type lookupRef func(key, bulkID string) (id string, ok bool)

// rewriteRefs returns v with every reference replaced. v is not changed; parts
// without references are shared. Where data may refer: a whole string, the end
// of a $ref, and a quoted value within a PATCH path.
func rewriteRefs(v any, key string, lookup lookupRef) any {
	switch v := v.(type) {
	case string:
		return rewriteText(v, key, lookup)
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = rewriteRefs(element, key, lookup)
		}
		return out
	case schema.Object:
		out := make(schema.Object, len(v))
		for k, value := range v {
			out[k] = rewriteRefs(value, k, lookup)
		}
		return out
	}
	return v
}

func rewriteText(s, key string, lookup lookupRef) string {
	if !strings.Contains(s, bulkPrefix) {
		return s
	}
	if bulkID, ok := strings.CutPrefix(s, bulkPrefix); ok {
		if id, ok := lookup(key, bulkID); ok {
			return id
		}
		return s
	}
	switch {
	case strings.EqualFold(key, "$ref"):
		head, bulkID, ok := strings.Cut(s, "/"+bulkPrefix)
		if !ok {
			return s
		}
		if id, ok := lookup(key, bulkID); ok {
			return head + "/" + id
		}
	case strings.EqualFold(key, "path"):
		return rewritePath(s, key, lookup)
	}
	return s
}

// rewritePath replaces the references among the quoted values of a PATCH path:
// members[value eq "bulkId:x"].
func rewritePath(s, key string, lookup lookupRef) string {
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(s, `"`+bulkPrefix)
		b.WriteString(head)
		if !found {
			return b.String()
		}
		bulkID, tail, closed := strings.Cut(rest, `"`)
		id, ok := lookup(key, bulkID)
		if !closed || !ok {
			b.WriteString(`"` + bulkPrefix)
			s = rest
			continue
		}
		b.WriteString(`"` + id + `"`)
		s = tail
	}
}

// refersByNature reports whether the values under a key can only be ids, so
// that a reference there to no operation is a fault and not a text.
func refersByNature(key string) bool {
	if i := strings.LastIndexAny(key, ".:"); i >= 0 {
		key = key[i+1:]
	}
	return slices.ContainsFunc([]string{"value", "$ref", "path", "members", "manager"}, func(name string) bool {
		return strings.EqualFold(name, key)
	})
}

// refsOf returns the operations that the data refers to, each once, and the
// references by nature that name no operation.
func refsOf(data schema.Object, defined map[string]int) (ops []int, unknown []string) {
	seen := make(map[int]bool)
	rewriteRefs(data, "", func(key, bulkID string) (string, bool) {
		i, ok := defined[bulkID]
		switch {
		case ok && !seen[i]:
			seen[i] = true
			ops = append(ops, i)
		case !ok && refersByNature(key):
			unknown = append(unknown, bulkID)
		}
		return "", false
	})
	return ops, unknown
}

// mentions reports whether v refers to one of the bulkIds.
func mentions(v any, key string, bulkIDs map[string]bool) bool {
	found := false
	rewriteRefs(v, key, func(_, bulkID string) (string, bool) {
		found = found || bulkIDs[bulkID]
		return "", false
	})
	return found
}

// late is one attribute, or some elements of one, that must wait until the
// resources that it refers to exist.
type late struct {
	path  string
	value any
}

// postpone splits the data of a POST: what can be created now, and what refers
// to resources that do not exist yet. Whole attributes wait, and of arrays the
// elements that refer.
func postpone(rt *schema.ResourceType, data schema.Object, missing map[string]bool) (now schema.Object, rest []late) {
	now = make(schema.Object, len(data))
	for key, value := range data {
		container, ok := value.(schema.Object)
		if ok && isContainer(rt, key) {
			inner, innerRest := postponeMembers(container, key+":", missing)
			rest = append(rest, innerRest...)
			if len(inner) > 0 {
				now[key] = inner
			}
			continue
		}
		kept, waiting := postponeValue(key, value, missing)
		if kept != nil {
			now[key] = kept
		}
		if waiting != nil {
			rest = append(rest, late{path: key, value: waiting})
		}
	}
	slices.SortFunc(rest, func(a, b late) int { return strings.Compare(a.path, b.path) })
	return now, rest
}

// isContainer reports whether a key of a resource holds an extension, or the
// core schema, as an object of attributes.
func isContainer(rt *schema.ResourceType, key string) bool {
	return strings.EqualFold(key, rt.Schema.ID) || rt.Extension(key) != nil
}

func postponeMembers(o schema.Object, prefix string, missing map[string]bool) (schema.Object, []late) {
	now := make(schema.Object, len(o))
	var rest []late
	for key, value := range o {
		kept, waiting := postponeValue(key, value, missing)
		if kept != nil {
			now[key] = kept
		}
		if waiting != nil {
			rest = append(rest, late{path: prefix + key, value: waiting})
		}
	}
	return now, rest
}

// postponeValue splits one value; nil for a part that has nothing.
func postponeValue(key string, value any, missing map[string]bool) (kept, waiting any) {
	if !mentions(value, key, missing) {
		return value, nil
	}
	elements, ok := value.([]any)
	if !ok {
		return nil, value
	}
	var now, later []any
	for _, element := range elements {
		if mentions(element, key, missing) {
			later = append(later, element)
		} else {
			now = append(now, element)
		}
	}
	if now == nil {
		return nil, later
	}
	return now, later
}

// patchOf is the PATCH that adds what had to wait, with references resolved.
func patchOf(rest []late, lookup lookupRef) schema.Object {
	operations := make([]any, len(rest))
	for i, l := range rest {
		operations[i] = schema.Object{
			"op":    "add",
			"path":  l.path,
			"value": rewriteRefs(l.value, l.path, lookup),
		}
	}
	return schema.Object{"schemas": []any{patch.MessageURN}, "Operations": operations}
}
