package scim

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-id/sallyport/schema"
)

// Delete removes a resource (RFC 7644 section 3.6): its row, its unique values
// and its memberships. The audit trail keeps the document. The groups that it
// was a direct member of get a new version, since their members changed.
func (s *Service) Delete(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, req Request) error {
	if !plausibleID(id) {
		return ErrNotFound
	}
	return s.transact(ctx, func(ctx context.Context) error {
		return s.remove(ctx, caller, rt, id, req)
	})
}

func (s *Service) remove(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, req Request) error {
	old, err := s.cfg.Resources.Get(ctx, rt, id, caller.Domain)
	if err != nil {
		return err
	}
	if err := checkPreconditions(req, old.Version); err != nil {
		return err
	}
	if s.types[rt].user {
		if err := s.endLogins(ctx, caller, rt, id); err != nil {
			return err
		}
	}
	groups, err := s.leaveGroups(ctx, old)
	if err != nil {
		return err
	}
	if err := s.cfg.Resources.Delete(ctx, rt, id); err != nil {
		return err
	}
	if s.cfg.OnUserChange != nil && s.types[rt].user {
		before, err := rt.Parse(old.Doc)
		if err != nil {
			return err
		}
		if err := s.userChanged(ctx, caller, rt, id, before, nil); err != nil {
			return err
		}
	}
	deleted, err := detailed(event(caller, s.types[rt].events.deleted, rt, id), DeletedDetail{
		Document: old.Doc, Groups: groups, Domain: old.Domain,
		Version: old.Version, Created: old.Created, LastModified: old.LastModified,
	})
	if err != nil {
		return err
	}
	return s.cfg.Audit.Append(ctx, deleted)
}

// leaveGroups takes the resource out of its groups and gives those a new
// version. The groups that it is known to be in are locked first, as every
// change of a group does, so that two of them cannot wait for each other; those
// that it joined in between follow.
func (s *Service) leaveGroups(ctx context.Context, rec *Record) ([]string, error) {
	known, err := s.directGroups(ctx, rec)
	if err != nil {
		return nil, err
	}
	for _, group := range known {
		if err := s.touch(ctx, group); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	left, err := s.cfg.Members.Leave(ctx, rec.ID)
	if err != nil {
		return nil, err
	}
	slices.Sort(left)
	for _, group := range left {
		if slices.Contains(known, group) {
			continue
		}
		if err := s.touch(ctx, group); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// directGroups returns the groups of which the resource is a direct member, in
// every domain: what is lost with it is lost everywhere.
func (s *Service) directGroups(ctx context.Context, rec *Record) ([]string, error) {
	if rec.Type == userType && !rec.HasGroups {
		return nil, nil
	}
	all, err := s.cfg.Members.Groups(ctx, []string{rec.ID}, "")
	if err != nil {
		return nil, err
	}
	var direct []string
	for _, g := range all[rec.ID] {
		if g.Direct {
			direct = append(direct, g.Group)
		}
	}
	return direct, nil
}

// touch gives a group a new version because its members changed from outside.
func (s *Service) touch(ctx context.Context, group string) error {
	rt := s.cfg.Registry.ByName(groupType)
	rec, err := s.cfg.Resources.Get(ctx, rt, group, "")
	if err != nil {
		return err
	}
	next := rec.next(s.now())
	if next.Object, err = rt.Parse(rec.Doc); err != nil {
		return err
	}
	next.Previous = next.Object
	return s.cfg.Resources.Update(ctx, rt, next)
}
