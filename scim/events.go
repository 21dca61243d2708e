package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// eventNames are the audit events of one resource type.
type eventNames struct{ created, updated, deleted audit.Name }

func eventsOf(resourceType string) eventNames {
	switch resourceType {
	case userType:
		return eventNames{audit.UserCreated, audit.UserUpdated, audit.UserDeleted}
	case groupType:
		return eventNames{audit.GroupCreated, audit.GroupUpdated, audit.GroupDeleted}
	}
	return eventNames{audit.ResourceCreated, audit.ResourceUpdated, audit.ResourceDeleted}
}

// Details of the events of this package. They hold documents and values of
// attributes, in which no secret ever stands.
type (
	// createdDetail is what a resource was created as.
	createdDetail struct {
		After json.RawMessage `json:"after"`
	}
	// memberDetail is a change of members. Members are the ids that the request
	// named; with Replaced they are all that is left, none included. Without
	// both, the request named them by a filter. Changed counts those that
	// really came or went.
	memberDetail struct {
		Members  []string `json:"members,omitempty"`
		Replaced bool     `json:"replaced,omitempty"`
		Changed  int64    `json:"changed"`
	}
	// DeletedDetail is all that Restore needs of a deleted resource. The
	// password hash is not kept: a restored user has no password.
	DeletedDetail struct {
		Document     json.RawMessage `json:"document"`
		Groups       []string        `json:"groups,omitempty"` // of which it was a direct member
		Domain       string          `json:"domain,omitempty"`
		Version      int64           `json:"version"`
		Created      time.Time       `json:"created"`
		LastModified time.Time       `json:"last_modified"`
	}
)

// event is an event by the caller on a resource.
func event(caller Caller, name audit.Name, rt *schema.ResourceType, id string) audit.Event {
	return eventOn(caller, name, audit.Party{Type: rt.Name, ID: id})
}

func eventOn(caller Caller, name audit.Name, target audit.Party) audit.Event {
	actor := audit.Party{Type: caller.ActorType, ID: caller.TokenID, Name: caller.Name}
	if caller.UserID != "" {
		actor.ID, actor.Client = caller.UserID, caller.Client()
	}
	return audit.Event{
		Name:      name,
		Outcome:   audit.OK,
		Actor:     actor,
		Target:    target,
		Session:   caller.SessionID,
		RequestID: caller.RequestID,
		IP:        caller.IP,
		UserAgent: cut(caller.UserAgent, maxUserAgent),
	}
}

// detailed adds the typed detail to an event.
func detailed(e audit.Event, detail any) (audit.Event, error) {
	raw, err := json.Marshal(detail)
	if err != nil {
		return e, fmt.Errorf("encode audit detail: %w", err)
	}
	e.Detail = raw
	return e, nil
}

// auditable is an error that wants an event of its own, such as a refusal by
// the mass-removal brake. The event is written after the rollback of the
// change that was refused.
type auditable interface {
	error
	Audit() audit.Event
}

// transact runs fn in one transaction and records a refusal after it has been
// rolled back.
func (s *Service) transact(ctx context.Context, fn func(ctx context.Context) error) error {
	err := s.cfg.Resources.InTx(ctx, fn)
	refusal, ok := errors.AsType[auditable](err)
	if !ok {
		return err
	}
	if aerr := s.cfg.Audit.Append(ctx, refusal.Audit()); aerr != nil {
		return fmt.Errorf("record refusal: %w", aerr)
	}
	return err
}
