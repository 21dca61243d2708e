package recovery

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"
)

// Number of codes in a set, and bounds of what can be configured (security.md
// section 1).
const (
	DefaultCount = 10
	LeastCount   = 8
	MostCount    = 20
	// Few is how many codes are left when the user is warned.
	Few = 3
)

// Codes makes and judges recovery codes. It is safe for concurrent use. Every
// field but Count is required.
type Codes struct {
	Store   Store
	Deriver Deriver
	Count   int // of a new set; 0: 10
	Rand    io.Reader
	Now     func() time.Time
}

// Prepare makes a new set, which costs one slow computation a code and must not
// run in a transaction. The codes are as they are shown; put stores their
// hashes, in place of the former set, in the transaction of its context, and
// returns the id of the set.
func (c *Codes) Prepare(ctx context.Context) (codes []string, put func(ctx context.Context, userID string) (string, error), err error) {
	count := c.Count
	if count == 0 {
		count = DefaultCount
	}
	set := Set{Left: make([]Hashed, 0, count)}
	if set.Salt, err = c.Deriver.NewSalt(); err != nil {
		return nil, nil, fmt.Errorf("make recovery codes: %w", err)
	}
	for n := 1; n <= count; n++ {
		code, err := newCode(c.Rand)
		if err != nil {
			return nil, nil, err
		}
		hash, err := c.Deriver.Derive(ctx, set.Salt, code.text)
		if err != nil {
			return nil, nil, fmt.Errorf("hash recovery code: %w", err)
		}
		set.Left = append(set.Left, Hashed{N: n, Hash: hash})
		codes = append(codes, code.Reveal())
	}
	put = func(ctx context.Context, userID string) (string, error) {
		set := set
		set.UserID, set.CreatedAt = userID, c.Now().UTC().Truncate(time.Microsecond)
		return c.Store.PutRecoverySet(ctx, set)
	}
	return codes, put, nil
}

// Remove removes the set of a user in the transaction of ctx and reports whether
// there was one.
func (c *Codes) Remove(ctx context.Context, userID string) (bool, error) {
	return c.Store.DeleteRecoverySet(ctx, userID)
}

// Match is a right code, not consumed yet.
type Match struct {
	SetID string
	N     int
}

// Check judges an answer by the set of a user with that id. It does one slow
// computation whatever the answer is, and compares it with every code that is
// left. False for a wrong one, for a set that is gone, and for a user without
// any.
func (c *Codes) Check(ctx context.Context, userID, setID, answer string) (Match, bool, error) {
	set, err := c.Store.RecoverySet(ctx, userID)
	if errors.Is(err, ErrNoSet) {
		set = Set{}
		set.Salt, err = c.Deriver.NewSalt()
	}
	if err != nil {
		return Match{}, false, fmt.Errorf("read recovery codes: %w", err)
	}
	code, formed := Parse(answer)
	hash, err := c.Deriver.Derive(ctx, set.Salt, code.text)
	if err != nil {
		return Match{}, false, fmt.Errorf("compare recovery code: %w", err)
	}
	found := 0
	for _, h := range set.Left {
		// Neither the time nor the order tells which one it was.
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(h.Hash, hash), h.N, found)
	}
	return Match{SetID: set.ID, N: found}, formed && found > 0 && set.ID == setID, nil
}

// Use consumes a code that Check has found, in the transaction of ctx, and
// returns how many are left; ErrUsed if somebody was faster or the set is gone.
func (c *Codes) Use(ctx context.Context, userID string, m Match) (left int, err error) {
	return c.Store.UseRecoveryCode(ctx, userID, m.SetID, m.N, c.Now().UTC().Truncate(time.Microsecond))
}
