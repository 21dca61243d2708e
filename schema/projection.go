package schema

import (
	"slices"
	"strings"
)

// Projection says which attributes a response carries: the defaults of
// "returned" (RFC 7643 section 7) changed by the request parameters
// "attributes" or "excludedAttributes" (RFC 7644 section 3.9). A nil
// *Projection is the default. Safe for concurrent use.
type Projection struct {
	rt   *ResourceType
	mode projectionMode
	// keep says of each field of rt, by index, what becomes of it.
	keep []verdict
	// subs says of the sub-attributes of a partial field, by slot, which stay.
	subs [][]bool
	// names is the parameter in canonical form.
	names string
	// untouched: every attribute that a document may have stays.
	untouched bool
}

type projectionMode int

const (
	modeDefault projectionMode = iota
	modeAttributes
	modeExcluded
)

type verdict uint8

const (
	drop verdict = iota
	whole
	partial
)

// selection is the attributes that a parameter names.
type selection struct {
	fields map[int]bool
	subs   map[int]map[int]bool
	names  []string
}

// NewProjection reads the values of the parameters "attributes" and
// "excludedAttributes"; names may be sub-attributes, URN-qualified, or the URN
// of an extension. With neither it returns nil. Both together are an *Error
// with InvalidValue (RFC 7644 section 3.9). Names that the resource type does
// not have select nothing, since a query may span several types; a name that
// several extensions have is an *Error with InvalidPath.
func (rt *ResourceType) NewProjection(attributes, excluded []string, p Policy) (*Projection, error) {
	mode, names := modeAttributes, attributes
	switch {
	case len(attributes) == 0 && len(excluded) == 0:
		return nil, nil
	case len(attributes) > 0 && len(excluded) > 0:
		return nil, &Error{
			Code:   InvalidValue,
			Path:   "attributes",
			Detail: "attributes and excludedAttributes exclude each other; send one of them.",
		}
	case len(excluded) > 0:
		mode, names = modeExcluded, excluded
	}
	sel, err := rt.selectNames(names, p)
	if err != nil {
		return nil, err
	}
	return rt.project(mode, sel), nil
}

func (rt *ResourceType) defaultProjection() *Projection {
	return rt.project(modeDefault, selection{})
}

func (rt *ResourceType) selectNames(names []string, p Policy) (selection, error) {
	sel := selection{fields: map[int]bool{}, subs: map[int]map[int]bool{}}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if strings.EqualFold(name, rt.Schema.ID) {
			for _, f := range rt.core {
				sel.fields[f.index] = true
			}
			sel.names = append(sel.names, rt.Schema.ID)
			continue
		}
		ref, err := rt.LookupPath(name, p)
		if err != nil && rt.isAmbiguous(name, p) {
			return sel, err
		}
		if err != nil {
			continue
		}
		sel.names = append(sel.names, ref.String())
		rt.selectRef(sel, ref)
	}
	slices.Sort(sel.names)
	sel.names = slices.Compact(sel.names)
	return sel, nil
}

func (rt *ResourceType) selectRef(sel selection, ref Ref) {
	switch {
	case ref.Attr == nil:
		for _, f := range rt.containers[ref.URN].fields {
			sel.fields[f.index] = true
		}
	case ref.Sub == nil:
		sel.fields[rt.byAttr[ref.Attr].index] = true
	default:
		i := rt.byAttr[ref.Attr].index
		if sel.subs[i] == nil {
			sel.subs[i] = map[int]bool{}
		}
		sel.subs[i][ref.Sub.slot] = true
	}
}

// project judges every attribute once, so that a document is only looked up.
func (rt *ResourceType) project(mode projectionMode, sel selection) *Projection {
	pr := &Projection{
		rt:        rt,
		mode:      mode,
		keep:      make([]verdict, len(rt.fields)),
		subs:      make([][]bool, len(rt.fields)),
		names:     strings.Join(sel.names, ","),
		untouched: true,
	}
	for _, f := range rt.fields {
		i := f.index
		pr.keep[i], pr.subs[i] = judge(f.attr, mode, sel.fields[i], sel.subs[i])
		if pr.keep[i] != whole && f.attr.Returned != ReturnedNever {
			pr.untouched = false
		}
	}
	return pr
}

// judge decides on one attribute: named says that the parameter names it,
// namedSubs which of its sub-attributes.
func judge(a *Attribute, mode projectionMode, named bool, namedSubs map[int]bool) (verdict, []bool) {
	if !wanted(a.Returned, mode, named, len(namedSubs) > 0) {
		return drop, nil
	}
	if a.Type != Complex {
		return whole, nil
	}
	// The parent as a whole selects its sub-attributes as if none were named.
	subMode := mode
	if mode == modeAttributes && (named || len(namedSubs) == 0) {
		subMode = modeDefault
	}
	mask := make([]bool, len(a.Sub))
	all, some := true, false
	for i, s := range a.Sub {
		mask[i] = wanted(s.Returned, subMode, namedSubs[i], false)
		if subMode == modeDefault && namedSubs[i] && s.Returned != ReturnedNever && mode == modeAttributes {
			mask[i] = true
		}
		all = all && (mask[i] || s.hidden())
		some = some || mask[i]
	}
	switch {
	case all:
		return whole, nil
	case some:
		return partial, mask
	}
	return drop, nil
}

func wanted(r Returned, mode projectionMode, named, inside bool) bool {
	switch {
	case r == ReturnedNever:
		return false
	case r == ReturnedAlways:
		return true
	case mode == modeAttributes:
		return named || inside
	case r == ReturnedRequest:
		return false
	case mode == modeExcluded:
		return !named
	}
	return true
}

// Wants reports whether the attribute, the sub-attribute, or any attribute of
// the extension container can be part of the response. Callers ask before they
// read what is costly, such as members.
func (pr *Projection) Wants(ref Ref) bool {
	if pr == nil {
		return wantsByDefault(ref)
	}
	if ref.Attr == nil {
		c := get(pr.rt.containers, ref.URN)
		return c != nil && pr.wantsContainer(c)
	}
	f := pr.rt.byAttr[ref.Attr]
	if f == nil {
		// A Ref of another resource type names the attribute all the same.
		f, _, _ = pr.rt.lookupField(ref.URN, ref.Attr.Name, "", Policy{})
	}
	if f == nil {
		return false
	}
	switch {
	case pr.keep[f.index] == drop:
		return false
	case ref.Sub == nil || pr.keep[f.index] == whole:
		return ref.Sub == nil || ref.Sub.Returned != ReturnedNever
	}
	return pr.subs[f.index][ref.Sub.slot]
}

func wantsByDefault(ref Ref) bool {
	if ref.Attr == nil {
		return true
	}
	if !wanted(ref.Attr.Returned, modeDefault, false, false) {
		return false
	}
	return ref.Sub == nil || wanted(ref.Sub.Returned, modeDefault, false, false)
}

func (pr *Projection) wantsContainer(c *container) bool {
	for _, f := range c.fields {
		if pr.keep[f.index] != drop {
			return true
		}
	}
	return false
}

// Canonical returns a stable text of what was asked for, "" by default. Equal
// texts select the same attributes, so a cursor can be bound to it (RFC 9865
// section 2).
func (pr *Projection) Canonical() string {
	if pr == nil {
		return ""
	}
	switch pr.mode {
	case modeAttributes:
		return "attributes=" + pr.names
	case modeExcluded:
		return "excludedAttributes=" + pr.names
	default:
		return ""
	}
}

// Verbatim reports whether Project would leave every document of the type as it
// is, so that a stored document can be sent untouched.
func (rt *ResourceType) Verbatim(pr *Projection) bool {
	if pr == nil {
		pr = rt.plain
	}
	return pr.untouched
}
