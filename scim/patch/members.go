package patch

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// relation adds a change of an attribute that lives as rows. It must not
// depend on the rows: they are never read.
func (b *builder) relation(t target, v any) error {
	if t.ref.Sub != nil || t.sub != "" {
		return fixedMember(t.ref)
	}
	if t.where != nil {
		return b.relationWhere(t, v)
	}
	if t.kind == Remove && !t.given {
		b.pushMembers(MemberOp{Kind: ClearMembers})
		return nil
	}
	members, err := b.memberList(t.ref, v)
	if err != nil {
		return err
	}
	switch {
	case t.kind == Replace && len(members) == 0:
		b.pushMembers(MemberOp{Kind: ClearMembers})
	case len(members) == 0:
		// Neither adding none nor removing none changes anything. A remove
		// with an empty list must not clear the group.
	case t.kind == Replace:
		b.pushMembers(MemberOp{Kind: ReplaceMembers, Members: members})
	case t.kind == Add:
		b.pushMembers(MemberOp{Kind: AddMembers, Members: members})
	case !b.policy.RemoveMemberList:
		return removalWithList(t.ref)
	default:
		b.pushMembers(MemberOp{Kind: RemoveMembers, Members: members})
	}
	return nil
}

// relationWhere adds an operation on `members[filter]`.
func (b *builder) relationWhere(t target, v any) error {
	where, err := b.bind(t)
	if err != nil {
		return err
	}
	if t.kind != Remove {
		return b.addSelected(t, where, v)
	}
	if id, ok := b.soleID(t.where, t.ref); ok {
		if err := b.countMembers(t.ref, 1); err != nil {
			return err
		}
		b.pushMembers(MemberOp{Kind: RemoveMembers, Members: []Member{{Value: id}}})
		return nil
	}
	b.pushMembers(MemberOp{Kind: RemoveMembersWhere, Where: where})
	return nil
}

// addSelected handles add and replace on `members[value eq "id"]`. The
// sub-attributes of a member are immutable, so all that can come of it is the
// member itself, and only where a value path may create what it describes.
func (b *builder) addSelected(t target, where filter.Predicate, v any) error {
	if b.policy.RefuseValuePathWithoutSub {
		return fault(schema.InvalidPath, t.ref.String(), "the path selects whole values of %s; use the path %s with a list of values", t.ref, t.ref)
	}
	if !b.policy.CreateOnMiss {
		return fixedMember(t.ref)
	}
	seed := b.seed(t.where, t.ref, where)
	if _, named := seed["value"]; !named {
		return fixedMember(t.ref)
	}
	wanted, err := b.memberList(t.ref, []any{seed})
	if err != nil {
		return err
	}
	sent, err := b.memberList(t.ref, v)
	if err != nil {
		return err
	}
	if len(sent) > 1 || len(sent) == 1 && sent[0].Value != wanted[0].Value {
		return fixedMember(t.ref)
	}
	b.pushMembers(MemberOp{Kind: AddMembers, Members: wanted})
	return nil
}

func fixedMember(ref schema.Ref) error {
	attr := schema.Ref{URN: ref.URN, Attr: ref.Attr}
	return fault(schema.MutabilityErr, attr.String(), "values of %s cannot be changed; remove the value and add another", attr)
}

// soleID returns the id of a filter that is one `value eq "id"`.
func (b *builder) soleID(e filter.Expr, ref schema.Ref) (string, bool) {
	c, isCompare := e.(*filter.Compare)
	if !isCompare || c.Op != filter.Eq || c.Value.Kind != filter.String ||
		c.Path.Sub != "" || !strings.EqualFold(c.Path.Name, "value") {
		return "", false
	}
	return memberID(ref, c.Value.Text), true
}

// memberList reads a list of members.
func (b *builder) memberList(ref schema.Ref, v any) ([]Member, error) {
	list, isList := v.([]any)
	switch {
	case isList:
	case v == nil, v == "" && b.policy.EmptyStringUnassigns:
		return nil, nil
	case b.policy.LooseShapes:
		list = []any{v}
	default:
		return nil, fault(schema.InvalidValue, ref.String(), "%s must be an array of objects with value", ref)
	}
	if err := b.countMembers(ref, len(list)); err != nil {
		return nil, err
	}
	out := make([]Member, 0, len(list))
	for _, e := range list {
		if e == nil {
			continue
		}
		m, err := b.member(ref, e)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// countMembers bounds the members that one request names.
func (b *builder) countMembers(ref schema.Ref, n int) error {
	b.members += n
	if limit := b.limits.MemberValues; b.members > limit {
		return fault(schema.TooLarge, ref.String(), "the request names more than %d values of %s; send them in several requests", limit, ref)
	}
	return nil
}

// member reads one member: an object, or its id where the policy allows it.
func (b *builder) member(ref schema.Ref, e any) (Member, error) {
	v, err := b.rt.AcceptElement(ref, e, b.policy)
	if err != nil {
		return Member{}, err
	}
	o, _ := v.(schema.Object)
	id, _ := o["value"].(string)
	if id == "" {
		return Member{}, fault(schema.InvalidValue, ref.String()+".value", "each value of %s needs the id of a resource in its value", ref)
	}
	display, _ := o["display"].(string)
	return Member{Value: memberID(ref, id), Type: memberType(ref, o["type"]), Display: display}, nil
}

// memberType returns the canonical spelling of the type of a member, "" if
// there is none.
func memberType(ref schema.Ref, v any) string {
	name, _ := v.(string)
	if sub := ref.Attr.SubAttribute("type"); sub != nil {
		for _, canonical := range sub.CanonicalValues {
			if strings.EqualFold(canonical, name) {
				return canonical
			}
		}
	}
	return name
}

// memberID returns the form in which ids compare: members.value is not
// caseExact (RFC 7643 section 8.7.1), so the id is folded.
func memberID(ref schema.Ref, id string) string {
	if sub := ref.Attr.SubAttribute("value"); sub != nil {
		if key, ok := sub.Key(id); ok {
			return key
		}
	}
	return id
}

// pushMembers adds a change, each id once. Clients that send one operation for
// each member (JumpCloud, Entra ID) would cost one statement each, so
// neighbours that do the same become one, and adding to a list just set
// becomes that list.
func (b *builder) pushMembers(op MemberOp) {
	if n := len(b.plan.Members); n > 0 {
		last := &b.plan.Members[n-1]
		same := op.Kind == last.Kind && op.Kind != RemoveMembersWhere && op.Kind != ReplaceMembers
		if op.Kind == AddMembers && last.Kind == ClearMembers {
			last.Kind = ReplaceMembers
		}
		if same || op.Kind == AddMembers && last.Kind == ReplaceMembers {
			b.addDistinct(last, op.Members)
			return
		}
	}
	members := op.Members
	op.Members = nil
	b.seen = make(map[string]struct{}, len(members))
	b.addDistinct(&op, members)
	b.plan.Members = append(b.plan.Members, op)
}

// addDistinct appends the members that op, the newest change, lacks.
func (b *builder) addDistinct(op *MemberOp, members []Member) {
	for _, m := range members {
		if _, known := b.seen[m.Value]; known {
			continue
		}
		b.seen[m.Value] = struct{}{}
		op.Members = append(op.Members, m)
	}
}
