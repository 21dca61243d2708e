package scim

import (
	"context"
	"net/http"

	"github.com/sallyport-id/sallyport/schema"
)

// Get returns one resource (RFC 7644 section 3.4.1): ErrNotFound if there is
// none that the caller may see, 304 if req.IfNoneMatch names its version.
func (s *Service) Get(ctx context.Context, caller Caller, rt *schema.ResourceType, id string, req Request) (*Resource, error) {
	if !plausibleID(id) {
		return nil, ErrNotFound
	}
	v := s.view(caller, rt, req.Projection, req.Base)
	var res *Resource
	err := s.oneMoment(ctx, v.members, func(ctx context.Context) error {
		var err error
		res, err = s.read(ctx, v, id, req)
		return err
	})
	return res, err
}

func (s *Service) read(ctx context.Context, v *view, id string, req Request) (*Resource, error) {
	rec, err := s.cfg.Resources.Get(ctx, v.rt, id, v.domain)
	if err != nil {
		return nil, err
	}
	tag := etag(rec.Version)
	if req.IfMatch != "" && !matchesTag(req.IfMatch, tag) {
		return nil, checkPreconditions(Request{IfMatch: req.IfMatch}, rec.Version)
	}
	if req.IfNoneMatch != "" && matchesTag(req.IfNoneMatch, tag) {
		return v.notModified(rec), nil
	}
	return s.render(ctx, v, rec, http.StatusOK)
}

// oneMoment runs fn with one view of the database when the answer shows
// members: they are part of what the entity tag stands for, so both must
// belong to the same moment.
func (s *Service) oneMoment(ctx context.Context, members bool, fn func(ctx context.Context) error) error {
	if !members {
		return fn(ctx)
	}
	return s.cfg.Resources.InRead(ctx, fn)
}
