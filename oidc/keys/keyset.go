package keys

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet is one reading of the store. It never changes.
type keySet struct {
	readAt time.Time
	keys   map[string]*signingKey
	active map[string]*signingKey // by algorithm
	next   map[string]*signingKey
	order  []*signingKey // oldest first
	jwks   []byte
	etag   string
}

// newKeySet opens the keys, or takes them over from the reading before, and
// renders the public ones.
func newKeySet(stored []Stored, old *keySet) (*keySet, error) {
	set := &keySet{
		keys:   make(map[string]*signingKey, len(stored)),
		active: make(map[string]*signingKey),
		next:   make(map[string]*signingKey),
	}
	for _, s := range stored {
		k, err := old.take(s)
		if err != nil {
			return nil, err
		}
		set.keys[s.ID] = k
		set.order = append(set.order, k)
		switch s.State {
		case Active:
			set.active[s.Alg] = k
		case Next:
			set.next[s.Alg] = k
		case Retired:
		}
	}
	return set, set.render()
}

// take returns a key in its present state, opened before if it was.
func (s *keySet) take(stored Stored) (*signingKey, error) {
	if s != nil {
		if k := s.keys[stored.ID]; k != nil && k.Alg == stored.Alg {
			moved := *k
			moved.State, moved.ChangedAt = stored.State, stored.ChangedAt
			return &moved, nil
		}
	}
	return open(stored)
}

// render writes the JWK set (RFC 7517 section 5): public members only.
func (s *keySet) render() error {
	doc := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(s.order))}
	for _, k := range s.order {
		doc.Keys = append(doc.Keys, k.public)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode key set: %w", err)
	}
	sum := sha256.Sum256(body)
	s.jwks = body
	s.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return nil
}

// JWKS returns the public keys of all states as a JWK set (RFC 7517 section 5)
// with the entity tag of these bytes. Do not change them.
func (r *Ring) JWKS(ctx context.Context) (body []byte, etag string, err error) {
	set, err := r.fresh(ctx, reloadPause)
	if err != nil {
		return nil, "", err
	}
	return set.jwks, set.etag, nil
}

// Info is what may be shown of a key.
type Info struct {
	ID        string    `json:"kid"`
	Alg       string    `json:"alg"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"` // when it came into this state
	// Until is when it leaves its state at the earliest; zero for a key that
	// waits for its turn.
	Until time.Time `json:"until,omitzero"`
}

// List reads all keys anew, oldest first.
func (r *Ring) List(ctx context.Context) ([]Info, error) {
	set, err := r.fresh(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := make([]Info, 0, len(set.order))
	for _, k := range set.order {
		i := Info{ID: k.ID, Alg: k.Alg, State: k.State, CreatedAt: k.CreatedAt, ChangedAt: k.ChangedAt}
		switch k.State {
		case Active:
			i.Until = k.ChangedAt.Add(ActiveFor)
		case Retired:
			i.Until = k.ChangedAt.Add(r.retired)
		case Next:
		}
		out = append(out, i)
	}
	return out, nil
}
