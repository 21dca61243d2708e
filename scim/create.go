package scim

import (
	"context"
	"net/http"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// Create makes a resource (RFC 7644 section 3.3) in the caller's domain. body
// is a decoded request body with keys as sent. *ConflictError when a unique
// value is taken, *UnknownMemberError when a member does not exist.
func (s *Service) Create(ctx context.Context, caller Caller, rt *schema.ResourceType, body schema.Object, req Request) (*Resource, error) {
	n, err := s.prepare(ctx, caller, rt, body, req)
	if err != nil {
		return nil, err
	}
	var res *Resource
	err = s.transact(ctx, func(ctx context.Context) error {
		var err error
		res, err = s.insert(ctx, caller, n, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// newcomer is a resource that is ready to be inserted.
type newcomer struct {
	rt     *schema.ResourceType
	rec    *Record
	draft  *draft
	hash   *string // of the password; nil: none
	events []audit.Event
}

// prepare does all of Create that needs no database, the slow hash of a
// password above all, so that it happens before the transaction.
func (s *Service) prepare(ctx context.Context, caller Caller, rt *schema.ResourceType, body schema.Object, req Request) (*newcomer, error) {
	d, err := s.draft(caller, rt, body)
	if err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, caller, d.password, func() (schema.Object, error) { return d.object, nil })
	if err != nil {
		return nil, err
	}
	id, err := idFor(caller, req)
	if err != nil {
		return nil, err
	}
	doc, err := s.finish(rt, d.object, id, s.profileOf(caller))
	if err != nil {
		return nil, err
	}
	now := s.now()
	rec := &Record{
		ID: id, Type: rt.Name, Domain: caller.Domain, Version: 1,
		Created: now, LastModified: now, Doc: doc, Object: d.object,
	}
	events, err := s.createdEvents(caller, rt, rec, d, hash != nil)
	if err != nil {
		return nil, err
	}
	return &newcomer{rt: rt, rec: rec, draft: d, hash: hash, events: events}, nil
}

// insert writes a new resource with all that belongs to it, in the
// transaction of ctx.
func (s *Service) insert(ctx context.Context, caller Caller, n *newcomer, req Request) (*Resource, error) {
	rt, rec, d := n.rt, n.rec, n.draft
	if err := s.cfg.Resources.Insert(ctx, rt, rec); err != nil {
		return nil, err
	}
	if err := s.userChanged(ctx, caller, rt, rec.ID, nil, rec.Object); err != nil {
		return nil, err
	}
	if len(d.members) > 0 {
		if _, err := s.cfg.Members.AddMembers(ctx, rec.ID, caller.Domain, d.members); err != nil {
			return nil, err
		}
	}
	if n.hash != nil {
		if err := s.cfg.Passwords.SetPassword(ctx, rec.ID, *n.hash, rec.Created); err != nil {
			return nil, err
		}
	}
	if err := s.cfg.Audit.Append(ctx, n.events...); err != nil {
		return nil, err
	}
	v := s.view(caller, rt, req.Projection, req.Base)
	v.members = v.members && len(d.members) > 0
	res, err := s.render(ctx, v, rec, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	res.Changed, res.Dropped = true, d.dropped
	return res, nil
}

func (s *Service) createdEvents(caller Caller, rt *schema.ResourceType, rec *Record, d *draft, password bool) ([]audit.Event, error) {
	created, err := detailed(event(caller, s.types[rt].events.created, rt, rec.ID), createdDetail{rec.Doc})
	if err != nil {
		return nil, err
	}
	events := []audit.Event{created}
	if len(d.members) > 0 {
		added, err := memberEvent(caller, audit.GroupMemberAdded, rt, rec.ID,
			memberDetail{Members: idsOf(d.members), Changed: int64(len(d.members))})
		if err != nil {
			return nil, err
		}
		events = append(events, added)
	}
	if password {
		events = append(events, event(caller, audit.PasswordChanged, rt, rec.ID))
	}
	return events, nil
}
