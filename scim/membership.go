package scim

import (
	"context"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// applyMembers carries out one change of the relation attribute as rows and
// counts the rows that really changed.
func (s *Service) applyMembers(ctx context.Context, c *change, op patch.MemberOp) error {
	group, domain := c.old.ID, c.caller.Domain
	members := make([]Member, len(op.Members))
	for i, m := range op.Members {
		members[i] = Member{Value: m.Value, Type: m.Type}
	}
	switch op.Kind {
	case patch.AddMembers:
		n, err := s.cfg.Members.AddMembers(ctx, group, domain, members)
		return c.membersChanged(n, err, audit.GroupMemberAdded, memberDetail{Members: idsOf(members)})
	case patch.RemoveMembers:
		ids := idsOf(members)
		n, err := s.cfg.Members.RemoveMembers(ctx, group, domain, ids)
		return c.membersChanged(n, err, audit.GroupMemberRemoved, memberDetail{Members: ids})
	case patch.RemoveMembersWhere:
		if ids, ok := namedIDs(op.Where); ok {
			n, err := s.cfg.Members.RemoveMembers(ctx, group, domain, ids)
			return c.membersChanged(n, err, audit.GroupMemberRemoved, memberDetail{Members: ids})
		}
		n, err := s.cfg.Members.RemoveMembersWhere(ctx, group, domain, op.Where)
		return c.membersChanged(n, err, audit.GroupMemberRemoved, memberDetail{})
	case patch.ReplaceMembers:
		return s.setMembers(ctx, c, members)
	case patch.ClearMembers:
		return s.setMembers(ctx, c, nil)
	}
	panic("scim: unknown kind of member operation " + string(op.Kind))
}

// setMembers makes the members exactly these.
func (s *Service) setMembers(ctx context.Context, c *change, members []Member) error {
	n, err := s.cfg.Members.SetMembers(ctx, c.old.ID, c.caller.Domain, members)
	name := audit.GroupMemberAdded
	if len(members) == 0 {
		name = audit.GroupMemberRemoved
	}
	return c.membersChanged(n, err, name, memberDetail{Members: idsOf(members), Replaced: true})
}

// membersChanged records what a member operation did.
func (c *change) membersChanged(n int64, err error, name audit.Name, detail memberDetail) error {
	if err != nil || n == 0 {
		return err
	}
	c.rows += n
	detail.Changed = n
	e, err := memberEvent(c.caller, name, c.rt, c.old.ID, detail)
	c.events = append(c.events, e)
	return err
}

// memberEvent tells of members that came or went. A single member is the
// subject, so that the trail of a user shows it.
func memberEvent(caller Caller, name audit.Name, rt *schema.ResourceType, group string, detail memberDetail) (audit.Event, error) {
	e := event(caller, name, rt, group)
	if len(detail.Members) == 1 {
		e.Subject = audit.Party{ID: detail.Members[0]}
	}
	return detailed(e, detail)
}

func idsOf(members []Member) []string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.Value
	}
	return ids
}

// namedIDs returns the ids of a predicate that does nothing but name them
// (members[value eq "…"], or several joined by or). Those are removed by key,
// and audit can tell who went.
func namedIDs(p filter.Predicate) ([]string, bool) {
	switch p := p.(type) {
	case *filter.Test:
		target := p.Ref.Target()
		if p.Op == filter.Eq && !p.Null && target != nil && target.Name == "value" {
			return []string{p.Key}, true
		}
	case *filter.Any:
		var all []string
		for _, term := range p.Terms {
			ids, ok := namedIDs(term)
			if !ok {
				return nil, false
			}
			all = append(all, ids...)
		}
		return all, len(all) > 0
	}
	return nil, false
}
