package passkey

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Registrar registers passkeys of users in their sessions. It asks for no
// permission: whoever calls it has.
type Registrar struct {
	Party *Party
	Store Store
	// NewID makes the id of a passkey, a UUIDv7.
	NewID func() (string, error)
}

// Begin returns the options for the browser of a session. The challenge counts
// in this session only, until the next one.
func (r Registrar) Begin(ctx context.Context, o Owner, sessionID string) (json.RawMessage, error) {
	has, err := r.Store.Passkeys(ctx, o.ID)
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	options, c, err := r.Party.BeginRegistration(o, has)
	if err != nil {
		return nil, err
	}
	if err := r.Store.HoldCeremony(ctx, sessionID, o.ID, c); err != nil {
		return nil, fmt.Errorf("keep registration: %w", err)
	}
	return options, nil
}

// Judge judges the answer of a session, which uses the challenge up, whatever
// becomes of it: call it outside of a transaction. A *Refusal says that the
// answer is not accepted.
func (r Registrar) Judge(ctx context.Context, userID, sessionID string, answer json.RawMessage) (Passkey, error) {
	c, err := r.Store.TakeCeremony(ctx, sessionID, userID)
	if err != nil {
		return Passkey{}, err
	}
	return r.Party.Register(c, userID, answer)
}

// Add stores a passkey that Judge returned, in the transaction of ctx.
func (r Registrar) Add(ctx context.Context, p Passkey, name string, now time.Time) (Passkey, error) {
	id, err := r.NewID()
	if err != nil {
		return Passkey{}, fmt.Errorf("make id of a passkey: %w", err)
	}
	p.ID, p.Name, p.CreatedAt = id, name, now
	return p, r.Store.AddPasskey(ctx, p)
}
