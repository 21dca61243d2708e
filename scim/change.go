package scim

import (
	"bytes"
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// change is one PUT or PATCH of an existing resource within its transaction.
type change struct {
	caller Caller
	rt     *schema.ResourceType
	old    *Record
	before schema.Object // what old.Doc holds
	after  schema.Object // the result, finished
	doc    []byte        // after, encoded
	rows   int64         // member rows that came or went
	hash   *string       // of a new password; "" takes the password away
	events []audit.Event // of the member changes
	proved bool          // see Request.Proved
}

// begin reads and locks the resource and checks the preconditions.
func (s *Service) begin(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, req Request) (*change, error) {
	old, err := s.cfg.Resources.Get(ctx, rt, id, caller.Domain)
	if err != nil {
		return nil, err
	}
	if err := checkPreconditions(req, old.Version); err != nil {
		return nil, err
	}
	before, err := rt.Parse(old.Doc)
	if err != nil {
		return nil, err
	}
	return &change{caller: caller, rt: rt, old: old, before: before, proved: req.Proved}, nil
}

// empty reports whether nothing would change: same canonical document, no
// member row, no password. Then nothing is written, and version, lastModified
// and audit stay as they are (RFC 7644 section 3.5.2.1).
func (c *change) empty() bool {
	return c.rows == 0 && c.hash == nil && bytes.Equal(c.doc, c.old.Doc)
}

// save writes the change with its audit events and returns the new record, or
// the old one when nothing changed.
func (s *Service) save(ctx context.Context, c *change) (*Record, error) {
	if c.empty() {
		return c.old, nil
	}
	if err := s.guard(ctx, c); err != nil {
		return nil, err
	}
	ended := s.types[c.rt].user && isActive(c.before) && !isActive(c.after)
	if ended {
		if err := s.endLogins(ctx, c.caller, c.rt, c.old.ID); err != nil {
			return nil, err
		}
	}
	rec := c.old.next(s.now())
	rec.Doc, rec.Object, rec.Previous = c.doc, c.after, c.before
	if err := s.cfg.Resources.Update(ctx, c.rt, rec); err != nil {
		return nil, err
	}
	// The password before the hook, while what the hook ends is still there.
	if c.hash != nil {
		if err := s.setPassword(ctx, c.caller, rec, *c.hash); err != nil {
			return nil, err
		}
	}
	if err := s.userChanged(ctx, c.caller, c.rt, rec.ID, c.before, c.after); err != nil {
		return nil, err
	}
	events, err := s.changeEvents(c)
	if err != nil {
		return nil, err
	}
	return rec, s.cfg.Audit.Append(ctx, events...)
}

// userChanged tells the hook what became of a user.
func (s *Service) userChanged(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, before, after schema.Object) error {
	if s.cfg.OnUserChange == nil || !s.types[rt].user {
		return nil
	}
	return s.cfg.OnUserChange(ctx, caller, id, before, after)
}

// setPassword stores the hash of a password that was set from outside and ends
// the logins that were made with the one before.
func (s *Service) setPassword(ctx context.Context, caller Caller, rec *Record, hash string) error {
	if err := s.cfg.Passwords.SetPassword(ctx, rec.ID, hash, rec.LastModified); err != nil {
		return err
	}
	if s.cfg.OnPassword == nil {
		return nil
	}
	return s.cfg.OnPassword(ctx, caller, rec.ID, rec.Previous)
}

// next is a copy with the next version. lastModified never goes back, though
// the clocks of two nodes may differ.
func (r *Record) next(now time.Time) *Record {
	n := *r
	n.Version++
	if now.After(n.LastModified) {
		n.LastModified = now
	}
	return &n
}

// endLogins asks the brake whether the caller may deactivate or delete one
// more user, and ends what the user is logged in to.
func (s *Service) endLogins(ctx context.Context, caller Caller, rt *schema.ResourceType, id string) error {
	if err := s.brake(ctx, caller, rt, 1); err != nil {
		return err
	}
	if s.cfg.OnDeactivate == nil {
		return nil
	}
	return s.cfg.OnDeactivate(ctx, id)
}

// changeEvents are the audit events of a change, without secrets.
func (s *Service) changeEvents(c *change) ([]audit.Event, error) {
	var events []audit.Event
	if !bytes.Equal(c.doc, c.old.Doc) {
		updated, err := detailed(event(c.caller, s.types[c.rt].events.updated, c.rt, c.old.ID), diff(c.old.Doc, c.doc))
		if err != nil {
			return nil, err
		}
		events = append(events, updated)
	}
	if s.types[c.rt].user {
		switch was, is := isActive(c.before), isActive(c.after); {
		case was && !is:
			events = append(events, event(c.caller, audit.UserDeactivated, c.rt, c.old.ID))
		case !was && is:
			events = append(events, event(c.caller, audit.UserActivated, c.rt, c.old.ID))
		}
	}
	if c.hash != nil {
		events = append(events, event(c.caller, audit.PasswordChanged, c.rt, c.old.ID))
	}
	return append(events, c.events...), nil
}
