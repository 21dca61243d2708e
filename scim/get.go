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
	rec, err := s.cfg.Resources.Get(ctx, rt, id, caller.Domain)
	if err != nil {
		return nil, err
	}
	v := s.view(caller, rt, req.Projection, req.Base)
	tag := etag(rec.Version)
	if req.IfMatch != "" && !matchesTag(req.IfMatch, tag) {
		return nil, checkPreconditions(Request{IfMatch: req.IfMatch}, rec.Version)
	}
	if req.IfNoneMatch != "" && matchesTag(req.IfNoneMatch, tag) {
		return v.notModified(rec), nil
	}
	return s.render(ctx, v, rec, http.StatusOK)
}
