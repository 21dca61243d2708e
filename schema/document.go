package schema

// Document is a schema in the form of /Schemas (RFC 7643 section 7). Marshal it
// with encoding/json; Meta is for the caller to fill.
type Document struct {
	Schemas     []string            `json:"schemas"`
	ID          string              `json:"id"`
	Name        string              `json:"name,omitempty"`
	Description string              `json:"description,omitempty"`
	Attributes  []AttributeDocument `json:"attributes"`
	Meta        any                 `json:"meta,omitempty"`
}

// AttributeDocument is one attribute of a Document with every characteristic of
// RFC 7643 section 7, never null.
type AttributeDocument struct {
	Name            string              `json:"name"`
	Type            Type                `json:"type"`
	MultiValued     bool                `json:"multiValued"`
	Description     string              `json:"description,omitempty"`
	Required        bool                `json:"required"`
	CaseExact       bool                `json:"caseExact"`
	CanonicalValues []string            `json:"canonicalValues,omitempty"`
	Mutability      Mutability          `json:"mutability"`
	Returned        Returned            `json:"returned"`
	Uniqueness      Uniqueness          `json:"uniqueness"`
	ReferenceTypes  []string            `json:"referenceTypes,omitempty"`
	SubAttributes   []AttributeDocument `json:"subAttributes,omitempty"`
}

// Document returns the schema as /Schemas shows it, without the attributes that
// hide reports; hide may be nil.
func (s *Schema) Document(hide func(*Attribute) bool) Document {
	return Document{
		Schemas:     []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"},
		ID:          s.ID,
		Name:        s.Name,
		Description: s.Description,
		Attributes:  describe(s.Attributes, hide),
	}
}

func describe(attrs []*Attribute, hide func(*Attribute) bool) []AttributeDocument {
	out := make([]AttributeDocument, 0, len(attrs))
	for _, a := range attrs {
		if hide != nil && hide(a) {
			continue
		}
		out = append(out, AttributeDocument{
			Name:            a.Name,
			Type:            a.Type,
			MultiValued:     a.MultiValued,
			Description:     a.Description,
			Required:        a.Required,
			CaseExact:       a.CaseExact,
			CanonicalValues: a.CanonicalValues,
			Mutability:      a.Mutability,
			Returned:        a.Returned,
			Uniqueness:      a.Uniqueness,
			ReferenceTypes:  a.ReferenceTypes,
			SubAttributes:   describe(a.Sub, hide),
		})
	}
	return out
}
