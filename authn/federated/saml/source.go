package saml

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// How long fetched metadata are used: what they ask for, within these bounds.
const (
	minCache     = 5 * time.Minute
	defaultCache = time.Hour
	maxCache     = 24 * time.Hour
	// retryAfter is the pause after a fetch that went wrong.
	retryAfter = time.Minute
	// maxStale is how long metadata outlive a server that does not answer.
	maxStale = 7 * 24 * time.Hour
)

// maxMetadata bounds the size of metadata: those of one provider, not of a whole
// federation.
const maxMetadata = 2 << 20

// source knows the identity provider, and fetches its metadata when they are at
// a URL.
type source struct {
	idp    IDP
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	known    *entity
	fetched  time.Time
	next     time.Time // when to fetch again
	fetching bool
	failed   error // of the last fetch
}

func newSource(cfg Config) (*source, error) {
	s := &source{idp: cfg.IDP, client: cfg.Client, now: cfg.Now}
	given := 0
	for _, set := range []bool{cfg.IDP.MetadataURL != "", len(cfg.IDP.Metadata) > 0, cfg.IDP.SSOURL != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("wants one of: a metadata URL, a metadata document, a URL for requests")
	}
	switch {
	case cfg.IDP.MetadataURL != "" && cfg.Client == nil:
		return nil, errors.New("no client to fetch metadata with")
	case cfg.IDP.MetadataURL != "":
		return s, nil
	case cfg.IDP.SSOURL != "":
		one, err := cfg.IDP.explicit(cfg.Binding)
		s.known = &one
		return s, err
	}
	one, err := cfg.IDP.parseMetadata(cfg.IDP.Metadata, cfg.Now())
	s.known = &one
	return s, err
}

// entity returns the identity provider. While metadata that are known are being
// fetched again, others go on with the old ones.
func (s *source) entity(ctx context.Context) (entity, error) {
	if s.idp.MetadataURL == "" {
		return s.fixed()
	}
	now := s.now()
	s.mu.Lock()
	usable := s.usable(now)
	if usable && (now.Before(s.next) || s.fetching) {
		defer s.mu.Unlock()
		return *s.known, nil
	}
	if !usable && s.failed != nil && now.Before(s.next) {
		defer s.mu.Unlock()
		return entity{}, federated.Refuse(federated.Unavailable, "metadata", s.failed)
	}
	s.fetching = true
	s.mu.Unlock()

	got, err := s.fetch(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching = false
	now = s.now()
	if err != nil {
		s.failed, s.next = err, now.Add(retryAfter)
		if s.usable(now) {
			return *s.known, nil
		}
		return entity{}, federated.Refuse(federated.Unavailable, "metadata", err)
	}
	s.known, s.fetched, s.failed, s.next = &got, now, nil, now.Add(cacheTime(got.cache))
	return got, nil
}

// fixed returns what does not change, while it is valid.
func (s *source) fixed() (entity, error) {
	if until := s.known.until; !until.IsZero() && !s.now().Before(until) {
		return entity{}, federated.Refuse(federated.Unavailable, "the metadata document is no longer valid", nil)
	}
	return *s.known, nil
}

// usable tells whether known metadata may still be used. The caller holds mu.
func (s *source) usable(now time.Time) bool {
	if s.known == nil || now.After(s.fetched.Add(maxStale)) {
		return false
	}
	return s.known.until.IsZero() || now.Before(s.known.until)
}

func cacheTime(asked time.Duration) time.Duration {
	if asked <= 0 {
		return defaultCache
	}
	return min(max(asked, minCache), maxCache)
}

// fetch gets the metadata anew.
func (s *source) fetch(ctx context.Context) (entity, error) {
	ctx, cancel := context.WithTimeout(ctx, federated.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.idp.MetadataURL, http.NoBody)
	if err != nil {
		return entity{}, fmt.Errorf("fetch metadata: %w", err)
	}
	req.Header.Set("Accept", "application/samlmetadata+xml, application/xml, text/xml")
	res, err := s.client.Do(req)
	if err != nil {
		return entity{}, fmt.Errorf("fetch metadata: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return entity{}, fmt.Errorf("fetch metadata: %s answers %s", s.idp.MetadataURL, res.Status)
	}
	if !isXML(res.Header.Get("Content-Type")) {
		return entity{}, fmt.Errorf("fetch metadata: %s answers %q, not XML", s.idp.MetadataURL, res.Header.Get("Content-Type"))
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata+1))
	if err != nil {
		return entity{}, fmt.Errorf("fetch metadata: %w", err)
	}
	if len(text) > maxMetadata {
		return entity{}, fmt.Errorf("fetch metadata: more than %d bytes", maxMetadata)
	}
	return s.idp.parseMetadata(text, s.now())
}

// isXML is generous: some servers know no better than a file of bytes.
func isXML(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{
		"application/samlmetadata+xml", "application/xml", "text/xml", "application/octet-stream", "text/plain",
	}, kind)
}
