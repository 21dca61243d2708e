// Package audit defines the audit events of Sallyport (who did what to what,
// from where, with which outcome) and the interfaces to append and read them.
// It imports nothing of ours, so every floor may use it. Names and fields are
// an interface for operators: additions only; docs/audit.md lists them.
package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Outcome of an event.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Failed  Outcome = "error"
)

// Name of an event, such as "user.created".
type Name string

// Events of the directory and its administration.
const (
	UserCreated        Name = "user.created"
	UserUpdated        Name = "user.updated"
	UserActivated      Name = "user.activated"
	UserDeactivated    Name = "user.deactivated"
	UserDeleted        Name = "user.deleted"
	UserRestored       Name = "user.restored"
	GroupCreated       Name = "group.created"
	GroupUpdated       Name = "group.updated"
	GroupDeleted       Name = "group.deleted"
	GroupMemberAdded   Name = "group.member_added"
	GroupMemberRemoved Name = "group.member_removed"
	ResourceCreated    Name = "resource.created" // custom resource types
	ResourceUpdated    Name = "resource.updated"
	ResourceDeleted    Name = "resource.deleted"
	PasswordChanged    Name = "password.changed"
	RemovalRefused     Name = "removal.refused" // the mass-removal brake
	RemovalConfirmed   Name = "removal.confirmed"
	TokenIssued        Name = "token.issued"
	TokenRevoked       Name = "token.revoked"
	KeyCreated         Name = "key.created"
	KeyActivated       Name = "key.activated"
	KeyRetired         Name = "key.retired"
	SealReencrypted    Name = "seal.reencrypted"
	SealOpenFailed     Name = "seal.open_failed"
	AuditExported      Name = "audit.exported"
	AuditPruned        Name = "audit.pruned"
)

// Party is an actor, a subject or a target.
type Party struct {
	Type   string `json:"type,omitempty"` // "token", "command", "user", "User", "Group" …
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Client string `json:"client,omitempty"`
}

// Event is one audit row. ID and Time are set by Append when empty.
type Event struct {
	ID        string          `json:"id"` // UUIDv7
	Time      time.Time       `json:"time"`
	Name      Name            `json:"event"`
	Outcome   Outcome         `json:"outcome"`
	Reason    string          `json:"reason,omitempty"` // from a fixed word list
	Actor     Party           `json:"actor"`
	Subject   Party           `json:"subject,omitzero"`
	Target    Party           `json:"target,omitzero"`
	Session   string          `json:"session,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	IP        string          `json:"ip,omitempty"`
	UserAgent string          `json:"user_agent,omitempty"` // cut at 256
	Detail    json.RawMessage `json:"detail,omitempty"`     // typed per event, as json.Marshal writes it; {"before":…,"after":…} of changed attributes; never a secret
}

// Log appends events. In a transaction of ctx the event is written with it:
// both or neither; if it cannot be written, the action fails.
type Log interface {
	Append(ctx context.Context, events ...Event) error
}

// Filter selects events. Zero fields do not restrict.
type Filter struct {
	Target string // id of target or subject
	Name   Name   // exact, or a group such as "user."
	Since  time.Time
	Until  time.Time
	After  string // id: only later events (for following)
	Limit  int    // default 100
	Newest bool   // newest first
}

// Reader reads events in id order.
type Reader interface {
	Events(ctx context.Context, f Filter) ([]Event, error)
}
