package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/session"
)

// How much a browser remembers.
const (
	MostAccounts = 5  // sessions in one browser
	mostMarks    = 10 // marks of earlier successes
)

// held is a live session that the browser holds the secret of.
type held struct {
	session.Session
	secret string
	user   User
}

// browser returns the live sessions of active users that the browser holds, the
// one in use first, one per user.
func (e *Engine) browser(ctx context.Context, v Visitor) ([]held, error) {
	var out []held
	now := e.now()
	for _, secret := range v.Sessions[:min(len(v.Sessions), MostAccounts)] {
		if secret == "" {
			continue
		}
		s, err := e.cfg.Sessions.SessionBySecret(ctx, session.Hash(secret), now)
		if errors.Is(err, session.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read session of browser: %w", err)
		}
		if slices.ContainsFunc(out, func(h held) bool { return h.UserID == s.UserID }) {
			continue
		}
		u, err := e.cfg.Users.UserByID(ctx, s.UserID)
		if errors.Is(err, ErrNoUser) || err == nil && !u.Active {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read user of session: %w", err)
		}
		out = append(out, held{Session: s, secret: secret, user: u})
	}
	return out, nil
}

// secretsWith returns the cookie with one secret first, that of the account in
// use, and without the secrets that no longer count.
func secretsWith(first string, live []held, without string) []string {
	out := []string{first}
	for _, h := range live {
		if h.secret != first && h.secret != without && len(out) < MostAccounts {
			out = append(out, h.secret)
		}
	}
	return out
}

// mark is what a browser keeps of a success on an account, until the password
// changes. It is no proof and names nobody.
func (e *Engine) mark(u User) string {
	mac := hmac.New(sha256.New, e.cfg.KnownKey)
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], uint64(u.Epoch)) //nolint:gosec // an epoch only counts up from 0
	mac.Write(epoch[:])
	mac.Write([]byte(u.ID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// known reports whether the browser has a mark of the account.
func (e *Engine) known(v Visitor, u User) bool {
	if u.ID == "" {
		return false
	}
	found, want := false, []byte(e.mark(u))
	for _, m := range v.Known[:min(len(v.Known), mostMarks)] {
		if hmac.Equal([]byte(m), want) {
			found = true
		}
	}
	return found
}

// marksWith returns the marks with that of u first.
func (e *Engine) marksWith(v Visitor, u User) []string {
	out := []string{e.mark(u)}
	for _, m := range v.Known {
		if !slices.Contains(out, m) && len(out) < mostMarks {
			out = append(out, m)
		}
	}
	return out
}
