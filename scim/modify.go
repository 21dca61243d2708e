package scim

import (
	"context"
	"net/http"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// Patch is PATCH (RFC 7644 section 3.5.2): all operations of the body or none.
// The answer is 200 with the resource or 204, by projection, preference and
// profile, in this order.
func (s *Service) Patch(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, body schema.Object, req Request) (*Resource, error) {
	if !plausibleID(id) {
		return nil, ErrNotFound
	}
	plan, err := patch.Parse(body, rt, s.profileOf(caller).Policy, patch.Limits{
		Operations:   s.limits.PatchOperations,
		MemberValues: s.limits.MemberValues,
		Elements:     s.limits.Elements,
		Filter:       s.limits.Filter,
	})
	if err != nil {
		return nil, err
	}
	hash, err := s.plannedHash(ctx, caller, rt, id, plan)
	if err != nil {
		return nil, err
	}
	var res *Resource
	err = s.transact(ctx, func(ctx context.Context) error {
		var err error
		res, err = s.modify(ctx, caller, rt, id, plan, hash, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	res.Dropped = len(plan.Ignored)
	return res, nil
}

// plannedHash hashes the password of a plan before the transaction; "" takes
// the password away and nil leaves it.
func (s *Service) plannedHash(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, plan *patch.Plan) (*string, error) {
	if plan.ClearPassword && !caller.IgnorePasswords {
		return new(string), nil
	}
	return s.hash(ctx, caller, plan.Password, func() (schema.Object, error) {
		after, err := s.present(ctx, caller, rt, id)
		if err != nil {
			return nil, err
		}
		_, err = plan.Apply(after, rt, s.profileOf(caller).Policy)
		return after, err
	})
}

// present is the document of a resource as it is now.
func (s *Service) present(ctx context.Context, caller Caller, rt *schema.ResourceType, id string) (schema.Object, error) {
	rec, err := s.cfg.Resources.Get(ctx, rt, id, caller.Domain)
	if err != nil {
		return nil, err
	}
	return rt.Parse(rec.Doc)
}

func (s *Service) modify(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, plan *patch.Plan, hash *string, req Request) (*Resource, error) {
	c, err := s.begin(ctx, caller, rt, id, req)
	if err != nil {
		return nil, err
	}
	p := s.profileOf(caller)
	c.after, c.hash = c.before.Clone(), hash
	if _, err := plan.Apply(c.after, rt, p.Policy); err != nil {
		return nil, err
	}
	if c.doc, err = s.finish(rt, c.after, id, p); err != nil {
		return nil, err
	}
	for _, op := range plan.Members {
		if err := s.applyMembers(ctx, c, op); err != nil {
			return nil, err
		}
	}
	rec, err := s.save(ctx, c)
	if err != nil {
		return nil, err
	}
	v := s.view(caller, rt, req.Projection, req.Base)
	res := v.bare(rec, http.StatusNoContent)
	if wantsBody(p, rt, req) {
		if res, err = s.render(ctx, v, rec, http.StatusOK); err != nil {
			return nil, err
		}
	}
	res.Changed = rec != c.old
	return res, nil
}

// wantsBody decides between 200 and 204 (RFC 7644 section 3.5.2, RFC 7240).
func wantsBody(p *Profile, rt *schema.ResourceType, req Request) bool {
	switch {
	case req.Projection != nil:
		return true
	case req.Prefer == PreferMinimal:
		return p.PatchAlwaysBody
	case req.Prefer == PreferRepresentation:
		return true
	}
	return p.PatchBody(rt.Name)
}
