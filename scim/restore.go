package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// restorePeriod is how long a deleted user can be brought back.
const restorePeriod = 30 * 24 * time.Hour

// restoreDetail is the detail of a restoring.
type restoreDetail struct {
	Groups  []string `json:"groups,omitempty"`  // joined again
	Missing []string `json:"missing,omitempty"` // no longer there
}

// Restore brings back a user deleted within the last 30 days, from the audit
// trail: the same id, document and domain, and direct membership of the groups
// that still exist. It has no password. The version goes on from where it was.
// ErrNotFound when no such deletion is on record, *ConflictError when the id
// or a unique value is in use again.
func (s *Service) Restore(ctx context.Context, caller Caller, userID string) (*Resource, error) {
	if s.cfg.History == nil {
		return nil, NewError(http.StatusNotImplemented, "", "This server keeps no record to restore users from.")
	}
	if !plausibleID(userID) {
		return nil, ErrNotFound
	}
	rt := s.cfg.Registry.ByName(userType)
	deleted, err := s.deletion(ctx, caller, userID)
	if err != nil {
		return nil, err
	}
	object, err := rt.Parse(deleted.Document)
	if err != nil {
		return nil, fmt.Errorf("restore user: %w", err)
	}
	rec := &Record{
		ID: userID, Type: rt.Name, Domain: deleted.Domain, Version: deleted.Version + 1,
		Created: deleted.Created, LastModified: s.now(), Doc: deleted.Document, Object: object,
	}
	var res *Resource
	err = s.transact(ctx, func(ctx context.Context) error {
		var err error
		res, err = s.revive(ctx, caller, rt, rec, deleted.Groups)
		return err
	})
	return res, err
}

// deletion finds the last record of the user's deletion.
func (s *Service) deletion(ctx context.Context, caller Caller, userID string) (*DeletedDetail, error) {
	events, err := s.cfg.History.Events(ctx, audit.Filter{
		Target: userID, Name: audit.UserDeleted, Since: s.now().Add(-restorePeriod), Newest: true, Limit: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("read the deletion of a user: %w", err)
	}
	if len(events) == 0 {
		return nil, ErrNotFound
	}
	var d DeletedDetail
	if err := json.Unmarshal(events[0].Detail, &d); err != nil {
		return nil, fmt.Errorf("read the deletion of a user: %w", err)
	}
	if caller.Domain != "" && caller.Domain != d.Domain {
		return nil, ErrNotFound
	}
	return &d, nil
}

// revive inserts the user again and joins the groups that still exist.
func (s *Service) revive(ctx context.Context, caller Caller, rt *schema.ResourceType, rec *Record, groups []string) (*Resource, error) {
	if err := s.cfg.Resources.Insert(ctx, rt, rec); err != nil {
		return nil, err
	}
	if err := s.userChanged(ctx, caller, rt, rec.ID, nil, rec.Object); err != nil {
		return nil, err
	}
	var detail restoreDetail
	for _, group := range groups {
		err := s.touch(ctx, group)
		if errors.Is(err, ErrNotFound) {
			detail.Missing = append(detail.Missing, group)
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := s.cfg.Members.AddMembers(ctx, group, "", []Member{{Value: rec.ID, Type: rt.Name}}); err != nil {
			return nil, err
		}
		detail.Groups = append(detail.Groups, group)
	}
	restored, err := detailed(event(caller, audit.UserRestored, rt, rec.ID), detail)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Audit.Append(ctx, restored); err != nil {
		return nil, err
	}
	shown := *rec
	shown.HasGroups = len(detail.Groups) > 0
	res, err := s.render(ctx, s.view(caller, rt, nil, ""), &shown, http.StatusOK)
	if err != nil {
		return nil, err
	}
	res.Changed = true
	return res, nil
}
