package patch

import (
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// MessageURN is the schema URN of a PATCH request (RFC 7644 section 3.5.2).
const MessageURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// Kind is what an operation does (RFC 7644 section 3.5.2), in lower case.
type Kind string

// The operations of RFC 7644 section 3.5.2.
const (
	Add     Kind = "add"
	Remove  Kind = "remove"
	Replace Kind = "replace"
)

// Op is one canonical operation on one attribute, sub-attribute or extension
// container.
type Op struct {
	Kind Kind
	// Ref names the target. Ref.Attr is nil for an extension container, which
	// only Remove has: other kinds name the attributes in it one by one.
	Ref schema.Ref
	// Where selects elements of the multi-valued attribute Ref; nil without a
	// value path.
	Where filter.Predicate
	// Seed is what an element is created from when Where matches none. Nil
	// answers noTarget instead.
	Seed schema.Object
	// Sub is the sub-attribute of the elements that Where selects; nil for
	// whole elements.
	Sub *schema.Attribute
	// Value is a canonical value (schema.ResourceType.AcceptValue). It is nil
	// for Remove, except for a remove that lists elements: that one carries
	// them and removes no others.
	Value any
}

// MemberKind is what a MemberOp does.
type MemberKind string

// The changes of a relation, as scim.MemberStore offers them.
const (
	AddMembers         MemberKind = "add"
	RemoveMembers      MemberKind = "remove"
	RemoveMembersWhere MemberKind = "removeWhere"
	ReplaceMembers     MemberKind = "replace"
	ClearMembers       MemberKind = "clear"
)

// Member is one element of a relation attribute.
type Member struct {
	Value   string // id, folded unless the schema makes it caseExact
	Type    string // canonical ("User", "Group"); "" when the client left it out
	Display string // as sent; the store joins the current name instead
}

// MemberOp is one change of a relation attribute (Group.members).
type MemberOp struct {
	Kind MemberKind
	// Members of AddMembers, RemoveMembers and ReplaceMembers, each id once.
	Members []Member
	// Where of RemoveMembersWhere, from filter.BindElement.
	Where filter.Predicate
}

// Plan is a PATCH request in canonical form.
type Plan struct {
	// Ops change the document, in order.
	Ops []Op
	// Members change the relation attribute, in order. No path reaches both,
	// so Ops and Members are independent of each other.
	Members []MemberOp
	// Password is the new password, which never stands in a document
	// (RFC 7643 section 4.1.1); nil when the request sets none.
	Password *string
	// ClearPassword is true when the last operation on the password removes it.
	ClearPassword bool
	// Ignored lists the attributes that no schema defines and that the policy
	// lets pass, as sent.
	Ignored []string

	elements int // Limits.Elements
}

// Limits bound one request, so that its cost is bounded too. A field that is
// not positive means its default.
type Limits struct {
	Operations   int // default 1,000
	MemberValues int // members named by all operations together; default 10,000
	Elements     int // of a multi-valued attribute other than members; default 1,000
	Comparisons  int // in the value paths of all operations together; default 5,000
	Filter       filter.Limits
}

// The defaults of Limits.
const (
	DefaultOperations   = 1_000
	DefaultMemberValues = 10_000
	DefaultElements     = 1_000
	DefaultComparisons  = 5_000
)

// textDepth is how deep JSON text in a value may be nested.
const textDepth = 32

func (l Limits) withDefaults() Limits {
	set := func(limit *int, value int) {
		if *limit <= 0 {
			*limit = value
		}
	}
	set(&l.Operations, DefaultOperations)
	set(&l.MemberValues, DefaultMemberValues)
	set(&l.Elements, DefaultElements)
	set(&l.Comparisons, DefaultComparisons)
	return l
}
