package scim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// Sentinel errors of the stores of this package.
var (
	// ErrNotFound: no such resource, or one outside the caller's domain.
	ErrNotFound = errors.New("resource not found")
	// ErrVersion: the resource changed between reading and writing.
	ErrVersion = errors.New("resource version changed")
	// ErrTooMany: the query took longer than the configured limit.
	ErrTooMany = errors.New("query exceeds the time limit")
	// ErrBusy: the database cannot be reached or has no time now; try again.
	ErrBusy = errors.New("database is busy")
)

// ConflictError reports a uniqueness violation, found by the database's index.
type ConflictError struct{ Attribute string } // canonical path, such as "userName"

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("value of %s is already taken", e.Attribute)
}

// UnknownMemberError reports member ids that no visible User or Group has.
type UnknownMemberError struct{ IDs []string }

// Error implements error.
func (e *UnknownMemberError) Error() string { return fmt.Sprintf("unknown members: %v", e.IDs) }

// Record is a stored resource. Times are UTC with microseconds.
type Record struct {
	ID           string // UUIDv7, lower case
	Type         string // schema.ResourceType.Name
	Domain       string // provisioning domain; "" is the default domain
	Version      int64  // starts at 1; ETag W/"<version>"
	Created      time.Time
	LastModified time.Time
	// Doc is the canonical JSON (schema.ResourceType.Encode): without meta,
	// members, groups and secrets. Never modified after reading.
	Doc []byte
	// Object is what Doc encodes. Writers must set it; readers leave it nil.
	Object schema.Object
	// Previous may be set for Update by a writer that has read the resource in
	// the same transaction: what the stored document held. Update then need not
	// read it again.
	Previous schema.Object
	// HasGroups is set by Get and Query when a User is a direct member of a
	// group, so that a user without groups costs no second query; a Query may
	// set it for the others of the page too. False for other types, which show no groups: reading a
	// Group never touches its membership. Writers ignore it.
	HasGroups bool
}

// ResourceStore keeps resources. All methods join the transaction of InTx that
// ctx carries, if any.
type ResourceStore interface {
	// InTx runs fn in one transaction that is durable when InTx returns nil;
	// any error rolls back all of it. Nested calls join. fn may run again
	// after a serialization failure, so it must only touch what it owns. On
	// SQLite concurrent transactions share one commit (group commit); fn runs
	// on the writer, so work that needs no database belongs before it.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// InRead runs fn with one view of the database: what fn reads belongs to
	// one moment. It joins a transaction of ctx, and fn must not write.
	InRead(ctx context.Context, fn func(ctx context.Context) error) error
	// Insert stores a new resource. *ConflictError on a taken unique value.
	Insert(ctx context.Context, rt *schema.ResourceType, r *Record) error
	// Get returns the resource, or ErrNotFound. domain "" sees every domain.
	// Inside InTx the row is locked until the transaction ends.
	Get(ctx context.Context, rt *schema.ResourceType, id, domain string) (*Record, error)
	// Update writes r where the stored version is r.Version-1, else ErrVersion.
	// *ConflictError on a taken unique value.
	Update(ctx context.Context, rt *schema.ResourceType, r *Record) error
	// Delete removes the row, its unique keys and its memberships at once.
	// ErrNotFound if it is not there.
	Delete(ctx context.Context, rt *schema.ResourceType, id string) error
	// Query answers one page of a list. ErrTooMany past the time limit, ErrBusy
	// when too many long ones are running.
	Query(ctx context.Context, q Query) (*Page, error)
	// Count returns the number of resources of a type in all domains, cheaply.
	Count(ctx context.Context, rt *schema.ResourceType) (int64, error)
}

// Source is one resource type of a query with its bound filter.
type Source struct {
	Type  *schema.ResourceType
	Where filter.Predicate // nil: all
	Sort  *schema.Ref      // nil: in the order of ids, or of names where the filter is a range of names
}

// Query asks for one page in a total order: by the sort key (missing last when
// ascending, first when descending) and then by id.
type Query struct {
	Sources    []Source // one for a resource endpoint, several at the root
	Domain     string   // "" sees every domain
	Descending bool
	Offset     int       // rows to skip (index paging); ignored with After or Before
	Limit      int       // 0: only the total
	After      *Position // keyset paging: rows behind this position
	Before     *Position // keyset paging backwards: the Limit rows before it, in forward order
	Total      bool      // compute Page.Total
	BaseURL    string    // for filters and sorting on meta.location
	// Then, unless nil, gets the page while the view of the database that it
	// was read from still holds, for what must belong to the same moment.
	Then func(ctx context.Context, page *Page) error
}

// Position is a place in the total order of a query.
type Position struct {
	Key     string // comparison key of the sort attribute; unused without one
	Missing bool   // the resource has no value for the sort attribute
	ID      string
}

// Page is the answer to a Query.
type Page struct {
	Records []Record
	Keys    []Position // of each record, for cursors
	Total   int64      // -1 when not asked for
	More    bool       // rows follow the last one
}

// Member is one direct member of a group.
type Member struct {
	Value   string // id of the member
	Type    string // "User" or "Group"
	Display string // current displayName (User: else userName), joined on reading
}

// Membership is one group of a resource, direct or through other groups
// (User.groups, RFC 7643 section 4.1.2).
type Membership struct {
	Group   string
	Display string
	Direct  bool
}

// MemberStore keeps group membership as rows (RFC 7643 section 4.2). The cost
// of a change depends on the change, never on the size of the group. Every
// changing method returns how many rows really changed and must be called
// inside InTx.
type MemberStore interface {
	// AddMembers adds those not there yet. *UnknownMemberError if an id names
	// no User or Group visible in domain, unless acceptUnknown is configured.
	AddMembers(ctx context.Context, group, domain string, members []Member) (int64, error)
	// RemoveMembers removes those that are members; others are no error.
	// Members outside domain stay.
	RemoveMembers(ctx context.Context, group, domain string, ids []string) (int64, error)
	// RemoveMembersWhere removes those that satisfy a predicate over members[…].
	// Members outside domain stay.
	RemoveMembersWhere(ctx context.Context, group, domain string, where filter.Predicate) (int64, error)
	// SetMembers makes the members visible in domain exactly these, by a set
	// difference in the database. Errors as AddMembers.
	SetMembers(ctx context.Context, group, domain string, members []Member) (int64, error)
	// Leave removes a resource from every group, in every domain, and returns
	// the ids of those groups. Until the transaction ends no other transaction
	// can add it to a group.
	Leave(ctx context.Context, id string) ([]string, error)
	// Members returns the direct members of each group that are visible in
	// domain ("" sees all), ordered by id.
	Members(ctx context.Context, groups []string, domain string) (map[string][]Member, error)
	// Groups returns the groups of each resource that are visible in domain,
	// indirect ones included, each once (direct wins), ordered by id. Cycles
	// are harmless.
	Groups(ctx context.Context, ids []string, domain string) (map[string][]Membership, error)
}

// PasswordStore keeps password hashes apart from the documents.
type PasswordStore interface {
	// SetPassword stores an encoded hash (PHC string) for a user, in the
	// transaction of ctx; "" removes it.
	SetPassword(ctx context.Context, userID, hash string, at time.Time) error
}
