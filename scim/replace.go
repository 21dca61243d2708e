package scim

import (
	"context"
	"net/http"
	"slices"

	"github.com/sallyport-id/sallyport/schema"
)

// Replace is PUT (RFC 7644 section 3.5.1): the body becomes the resource. It
// never creates. Read-only attributes keep their value, immutable ones must
// match, and what is left out is cleared, but for password, active and the
// second-factor extension, and for everything under KeepOmitted.
func (s *Service) Replace(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, body schema.Object, req Request) (*Resource, error) {
	if !plausibleID(id) {
		return nil, ErrNotFound
	}
	d, err := s.draft(caller, rt, body)
	if err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, caller, d.password, func() (schema.Object, error) {
		before, err := s.present(ctx, caller, rt, id)
		if err != nil {
			return nil, err
		}
		return s.merged(rt, before, d, s.profileOf(caller)), nil
	})
	if err != nil {
		return nil, err
	}
	var res *Resource
	err = s.transact(ctx, func(ctx context.Context) error {
		var err error
		res, err = s.replace(ctx, caller, rt, id, d, hash, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	res.Dropped = d.dropped
	return res, nil
}

func (s *Service) replace(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, d *draft, hash *string, req Request) (*Resource, error) {
	c, err := s.begin(ctx, caller, rt, id, req)
	if err != nil {
		return nil, err
	}
	p := s.profileOf(caller)
	c.after = s.merged(rt, c.before, d, p)
	if c.doc, err = s.finish(rt, c.after, id, p); err != nil {
		return nil, err
	}
	if err := rt.CheckImmutable(c.before, c.after); err != nil {
		return nil, err
	}
	c.hash = hash
	if relation := s.types[rt].relation; relation != nil && (d.named || !p.KeepOmitted || d.clears(*relation)) {
		if err := s.setMembers(ctx, c, d.members); err != nil {
			return nil, err
		}
	}
	rec, err := s.save(ctx, c)
	if err != nil {
		return nil, err
	}
	res, err := s.render(ctx, s.view(caller, rt, req.Projection, req.Base), rec, http.StatusOK)
	if err != nil {
		return nil, err
	}
	res.Changed = rec != c.old
	return res, nil
}

// merged is the document that a PUT leads to. RFC 7643 section 2.5: null and
// absent are the same, so only a profile that keeps what is left out tells
// them apart.
func (s *Service) merged(rt *schema.ResourceType, before schema.Object, d *draft, p *Profile) schema.Object {
	after := d.object.Clone()
	for _, ref := range rt.Attributes() {
		if ref.Attr == nil || ref.Attr.Relation || ref.Attr.Derived || !keeps(s.types[rt], ref, d, p) {
			continue
		}
		if !assigned(after, ref) {
			carry(before, after, ref)
		}
	}
	return after
}

// keeps reports whether a PUT that leaves ref out keeps its value.
func keeps(info *typeInfo, ref schema.Ref, d *draft, p *Profile) bool {
	switch {
	case ref.Attr.Mutability == schema.ReadOnly:
		return true
	case p.KeepOmitted || ref.Attr.Mutability == schema.Immutable:
		return !d.clears(ref)
	case info.user && ref.URN == "" && ref.Attr.Name == "active":
		return true
	case ref.URN == schema.SecondFactorURN:
		return !d.clears(ref)
	}
	return false
}

// clears reports whether the body names ref, or the extension that holds it,
// with null or an empty value.
func (d *draft) clears(ref schema.Ref) bool {
	return slices.ContainsFunc(d.cleared, func(c schema.Ref) bool {
		return c.URN == ref.URN && (c.Attr == nil || c.Attr == ref.Attr && c.Sub == nil)
	})
}

// assigned reports whether the object has a value for a top-level attribute.
func assigned(o schema.Object, ref schema.Ref) bool {
	if ref.URN != "" {
		o, _ = o[ref.URN].(schema.Object)
	}
	_, ok := o[ref.Attr.Name]
	return ok
}

// carry copies a top-level attribute from one object to another.
func carry(from, to schema.Object, ref schema.Ref) {
	if ref.URN != "" {
		from, _ = from[ref.URN].(schema.Object)
	}
	value, ok := from[ref.Attr.Name]
	if !ok {
		return
	}
	if ref.URN != "" {
		container, ok := to[ref.URN].(schema.Object)
		if !ok {
			container = schema.Object{}
			to[ref.URN] = container
		}
		to = container
	}
	to[ref.Attr.Name] = value
}
