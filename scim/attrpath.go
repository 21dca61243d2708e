package scim

import (
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// attributePath names an attribute or one value in a user's document, in the
// form of a PATCH path (RFC 7644 section 3.5.2): "secondFactorEmail",
// "name.givenName", "phoneNumbers" or `emails[type eq "home"].value`.
type attributePath struct {
	ref   schema.Ref       // Sub is set for the second and third form
	where filter.Predicate // nil without brackets
}

// parseAttributePath resolves a configured path. Names without a URN are taken
// where they are unambiguous.
func parseAttributePath(rt *schema.ResourceType, text string) (attributePath, error) {
	p, ok := ProfileByName(ProfileCompat)
	if !ok {
		return attributePath{}, fmt.Errorf("no profile %s", ProfileCompat)
	}
	path, err := filter.ParsePath(text, filter.Limits{})
	if err != nil {
		return attributePath{}, fmt.Errorf("attribute path %q: %w", text, err)
	}
	sub := path.Sub
	if path.Filter == nil {
		sub = path.Attr.Sub
	}
	var out attributePath
	if out.ref, err = rt.Lookup(path.Attr.URN, path.Attr.Name, sub, p.Policy); err != nil {
		return attributePath{}, fmt.Errorf("attribute path %q: %w", text, err)
	}
	// A part of every element, or whole elements, would be neither one value
	// nor the whole attribute.
	filtered := path.Filter != nil
	if out.ref.Attr == nil || out.ref.Attr.MultiValued && filtered != (sub != "") {
		return attributePath{}, fmt.Errorf("attribute path %q names neither an attribute nor one value", text)
	}
	if path.Filter == nil {
		return out, nil
	}
	whole := out.ref
	whole.Sub = nil
	if out.where, err = filter.BindElement(path.Filter, whole, rt, p.Policy); err != nil {
		return attributePath{}, fmt.Errorf("attribute path %q: %w", text, err)
	}
	return out, nil
}

// holder is the object in which the attribute stands, nil without one.
func (p attributePath) holder(o schema.Object) schema.Object {
	if p.ref.URN == "" {
		return o
	}
	return asObject(o[p.ref.URN])
}

// strip takes the value at the path out of a document, and what is empty
// without it, so that two documents can be compared for everything else.
func (p attributePath) strip(o schema.Object) {
	holder, name := p.holder(o), p.ref.Attr.Name
	value, ok := holder[name]
	if !ok {
		return
	}
	switch {
	case p.ref.Sub == nil:
		delete(holder, name)
	case p.where == nil:
		if inner := asObject(value); inner != nil {
			delete(inner, p.ref.Sub.Name)
			if len(inner) == 0 {
				delete(holder, name)
			}
		}
	default:
		p.stripElements(holder, name, value)
	}
	if p.ref.URN != "" && len(holder) == 0 {
		delete(o, p.ref.URN)
	}
}

// stripElements is strip for a path with a filter. An element that holds
// nothing but its type was made for the value.
func (p attributePath) stripElements(holder schema.Object, name string, value any) {
	elements, _ := value.([]any)
	kept := make([]any, 0, len(elements))
	for _, e := range elements {
		inner := asObject(e)
		if inner == nil || !filter.MatchElement(p.where, p.ref, e) {
			kept = append(kept, e)
			continue
		}
		delete(inner, p.ref.Sub.Name)
		if _, typed := inner["type"]; len(inner) == 0 || typed && len(inner) == 1 {
			continue
		}
		kept = append(kept, e)
	}
	if len(kept) == 0 {
		delete(holder, name)
		return
	}
	holder[name] = kept
}

func asObject(v any) schema.Object {
	o, _ := v.(schema.Object)
	return o
}

// parsePaths resolves a list of configured paths.
func parsePaths(rt *schema.ResourceType, texts []string) ([]attributePath, error) {
	out := make([]attributePath, 0, len(texts))
	for _, text := range texts {
		p, err := parseAttributePath(rt, strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
