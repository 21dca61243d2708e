package scim

import (
	"bytes"
	"encoding/json"
	"strings"
)

// member is one name and value of a stored document, as bytes.
type rawMember struct {
	name  string
	value []byte
}

// rawMembers splits a canonical JSON object (schema.ResourceType.Encode) into
// its members without decoding values. The members of extension containers
// come one by one under "URN:name", as paths name them.
func rawMembers(doc []byte) []rawMember {
	var out []rawMember
	for _, m := range splitObject(doc) {
		if !strings.HasPrefix(m.name, "urn:") || len(m.value) == 0 || m.value[0] != '{' {
			out = append(out, m)
			continue
		}
		for _, inner := range splitObject(m.value) {
			out = append(out, rawMember{m.name + ":" + inner.name, inner.value})
		}
	}
	return out
}

// splitObject returns the members of one JSON object that is known to be well
// formed, has no blanks and no escapes in its names.
func splitObject(doc []byte) []rawMember {
	var out []rawMember
	for i := 1; i < len(doc) && doc[i] == '"'; {
		end := i + 1 + bytes.IndexByte(doc[i+1:], '"')
		start := end + len(`":`)
		stop := start + valueLength(doc[start:])
		out = append(out, rawMember{string(doc[i+1 : end]), doc[start:stop]})
		i = stop + 1 // behind the comma
	}
	return out
}

// valueLength is the length of the JSON value at the start of b, which ends at
// a comma or at the end of the object around it.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLength(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		if depth < 0 {
			return i
		}
	}
	return len(b)
}

// stringLength is the length of the JSON string at the start of b, quotes included.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// changes is the detail of an update event: the attributes that differ, with
// their values before and after. An unassigned attribute stands in neither.
type changes struct {
	Before map[string]json.RawMessage `json:"before"`
	After  map[string]json.RawMessage `json:"after"`
}

// diff compares two canonical documents. Equal values have equal bytes there,
// and no secret ever stands in one.
func diff(before, after []byte) changes {
	c := changes{Before: map[string]json.RawMessage{}, After: map[string]json.RawMessage{}}
	old := map[string][]byte{}
	for _, m := range rawMembers(before) {
		old[m.name] = m.value
	}
	for _, m := range rawMembers(after) {
		was, had := old[m.name]
		delete(old, m.name)
		if had && bytes.Equal(was, m.value) {
			continue
		}
		c.After[m.name] = m.value
		if had {
			c.Before[m.name] = was
		}
	}
	for name, was := range old {
		c.Before[name] = was
	}
	return c
}
