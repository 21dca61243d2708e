package scim

import (
	"bytes"

	"github.com/sallyport-id/sallyport/schema"
)

// flatten rewrites the response document of a User for a profile with
// FlattenSecondFactor: the members of the second-factor container stand at the
// top level, where the container stood, and "schemas" names
// schema.PingUserURN in its place. A document without the extension is
// returned as it is. doc is JSON of our own encoder and is not changed.
func (p Profile) flatten(doc []byte) []byte {
	urn := []byte(`"` + schema.SecondFactorURN + `"`)
	if !p.FlattenSecondFactor || !bytes.Contains(doc, urn) {
		return doc
	}
	out := make([]byte, 0, len(doc))
	out = append(out, '{')
	for _, m := range splitObject(doc) {
		switch m.name {
		case schema.SecondFactorURN:
			if inner := m.value[1 : len(m.value)-1]; len(inner) > 0 {
				out = append(append(out, inner...), ',')
			}
			continue
		case "schemas":
			m.value = bytes.Replace(m.value, urn, []byte(`"`+schema.PingUserURN+`"`), 1)
		}
		out = append(append(append(out, '"'), m.name...), `":`...)
		out = append(append(out, m.value...), ',')
	}
	return append(bytes.TrimSuffix(out, []byte(",")), '}')
}
