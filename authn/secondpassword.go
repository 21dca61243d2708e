package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
)

// SecondPasswords is the Authenticator of second passwords: another password on
// top of a first factor, with a hash and counters of its own. It is knowledge,
// so beside a password it makes no login one of several factors.
type SecondPasswords struct {
	Store  validation.SecondPasswordStore
	Hasher Hasher
}

var _ Authenticator = SecondPasswords{}

// Factor implements Authenticator.
func (SecondPasswords) Factor() acr.Factor { return acr.SecondPassword }

// Kind implements Authenticator.
func (SecondPasswords) Kind() Kind { return Kind{} }

// Credentials implements Authenticator.
func (SecondPasswords) Credentials(_ context.Context, _ User, has validation.Holdings) ([]Credential, error) {
	if has.SecondPassword == "" {
		return nil, nil
	}
	return []Credential{{Name: validation.SecondPasswordCredential(has.SecondPassword)}}, nil
}

// Start implements Authenticator; there is nothing to prepare.
func (SecondPasswords) Start(context.Context, Attempt) (Started, error) { return Started{}, nil }

// secondVerdict is what a right second password was compared with, and the hash
// to store in its place, "" for none.
type secondVerdict struct{ id, hash, newer string }

// Check implements Authenticator.
func (s SecondPasswords) Check(ctx context.Context, a Attempt, answer string) (Verdict, error) {
	present, err := s.Store.SecondPassword(ctx, a.User.ID)
	if err != nil && !errors.Is(err, validation.ErrNoSecondPassword) {
		return Verdict{}, fmt.Errorf("read second password: %w", err)
	}
	right, err := s.Hasher.Verify(ctx, present.Hash, answer)
	if err != nil {
		return Verdict{}, fmt.Errorf("compare second password: %w", err)
	}
	if !right || validation.SecondPasswordCredential(present.ID) != a.Credential {
		return Verdict{}, nil
	}
	use := secondVerdict{id: present.ID, hash: present.Hash}
	if s.Hasher.NeedsRehash(present.Hash) {
		// If no newer hash can be had now, the next login tries again.
		use.newer, err = s.Hasher.Rehash(ctx, answer)
		if err != nil {
			use.newer = ""
		}
	}
	return Verdict{Right: true, Use: use}, nil
}

// Consume implements Authenticator: a password that was changed meanwhile is no
// proof any more.
func (s SecondPasswords) Consume(ctx context.Context, a Attempt, v Verdict) error {
	use, ok := v.Use.(secondVerdict)
	if !ok {
		return errors.New("second passwords: the verdict is another one's")
	}
	present, err := s.Store.SecondPassword(ctx, a.User.ID)
	switch {
	case errors.Is(err, validation.ErrNoSecondPassword) || err == nil && present.ID != use.id:
		return ErrAnswerUsed
	case err != nil:
		return fmt.Errorf("read second password: %w", err)
	case use.newer == "":
		return nil
	}
	return s.Store.ReplaceSecondHash(ctx, a.User.ID, use.hash, use.newer)
}
