package scim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// tokenPrefix marks our tokens, so that scanners for leaked secrets know them.
const tokenPrefix = "spt_"

// tokenBytes is the random part of a token secret: 256 bits.
const tokenBytes = 32

// maxTokenName bounds the name of a token, in characters.
const maxTokenName = 128

// redacted is what a secret shows in place of itself.
const redacted = "[redacted]"

// TokenSecret is the text of a bearer token. It prints, logs and marshals as
// "[redacted]"; Reveal gives the text, which is shown once and never stored.
type TokenSecret struct{ text string }

// Reveal returns the text of the secret.
func (s TokenSecret) Reveal() string { return s.text }

// Hash returns the SHA-256 of the secret, as Token.Hash holds it.
func (s TokenSecret) Hash() []byte {
	sum := sha256.Sum256([]byte(s.text))
	return sum[:]
}

// String implements fmt.Stringer.
func (TokenSecret) String() string { return redacted }

// Format implements fmt.Formatter for every verb.
func (TokenSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (TokenSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (TokenSecret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// NewTokenSecret returns a secret of 256 random bits from rand: "spt_" and
// unpadded base64url.
func NewTokenSecret(rand io.Reader) (TokenSecret, error) {
	raw := make([]byte, tokenBytes)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return TokenSecret{}, fmt.Errorf("read random bytes: %w", err)
	}
	return TokenSecret{text: tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)}, nil
}

// Transactor runs a function in one transaction, like ResourceStore.InTx.
type Transactor interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Tokens issues and revokes provisioning tokens. Every change is written in one
// transaction with its audit event. All fields are required; Rand is
// crypto/rand.Reader outside tests.
type Tokens struct {
	Store TokenStore
	Tx    Transactor
	Audit audit.Log
	Now   func() time.Time
	Rand  io.Reader
}

// NewToken says what a token is to be.
type NewToken struct {
	Name            string            // required, unique among live tokens
	Profile         string            // "" is compat
	Overrides       map[string]string // see Profile.With
	Scopes          []string          // empty: scim:read and scim:write
	Domain          string            // "" sees the whole directory
	IgnorePasswords bool
	// UserID makes it the user's own token, backed by the session SessionID and
	// held by the application ClientID.
	UserID, SessionID, ClientID string
	PublicClient                bool
	ExpiresAt                   time.Time   // zero: never
	By                          audit.Party // who issues it
}

// Issue makes a token and returns its secret, which cannot be had again. The
// error names the field that is wrong; *ConflictError when a live token has
// the name.
func (t Tokens) Issue(ctx context.Context, n NewToken) (TokenSecret, *Token, error) {
	now := t.Now().UTC().Truncate(time.Microsecond)
	token, err := n.token(now)
	if err != nil {
		return TokenSecret{}, nil, err
	}
	secret, err := NewTokenSecret(t.Rand)
	if err != nil {
		return TokenSecret{}, nil, err
	}
	id, err := uuid.NewV7FromReader(t.Rand)
	if err != nil {
		return TokenSecret{}, nil, fmt.Errorf("make token id: %w", err)
	}
	token.ID, token.Hash = id.String(), secret.Hash()
	event, err := tokenEvent(audit.TokenIssued, token, n.By, issuedDetail(token))
	if err != nil {
		return TokenSecret{}, nil, err
	}
	err = t.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := t.Store.InsertToken(ctx, token); err != nil {
			return fmt.Errorf("store token: %w", err)
		}
		return t.Audit.Append(ctx, event)
	})
	if err != nil {
		return TokenSecret{}, nil, err
	}
	return secret, token, nil
}

// Revoke ends the token with this id or name; every node refuses it within a
// second. ErrNotFound when there is none. Revoking it again changes nothing.
func (t Tokens) Revoke(ctx context.Context, idOrName string, by audit.Party) (*Token, error) {
	now := t.Now().UTC().Truncate(time.Microsecond)
	return t.edit(ctx, idOrName, by, audit.TokenRevoked, func(token *Token) map[string]any {
		if !token.RevokedAt.IsZero() {
			return nil
		}
		token.RevokedAt = now
		return map[string]any{}
	})
}

// AllowRemovals lifts the mass-removal brake of a token until then: the
// administrator's confirmation. ErrNotFound when there is no such token.
func (t Tokens) AllowRemovals(ctx context.Context, idOrName string, until time.Time, by audit.Party) (*Token, error) {
	until = until.UTC().Truncate(time.Microsecond)
	if !until.After(t.Now()) {
		return nil, errors.New("the time until which removals are allowed has passed")
	}
	return t.edit(ctx, idOrName, by, audit.RemovalConfirmed, func(token *Token) map[string]any {
		token.RemovalsAllowedUntil = until
		return map[string]any{"until": until.Format(time.RFC3339Nano)}
	})
}

// edit changes one token and writes the event. change returns the event's
// detail, or nil when nothing is to be done.
func (t Tokens) edit(ctx context.Context, idOrName string, by audit.Party, name audit.Name, change func(*Token) map[string]any) (*Token, error) {
	var token *Token
	err := t.Tx.InTx(ctx, func(ctx context.Context) error {
		var detail map[string]any
		var err error
		token, err = t.Store.UpdateToken(ctx, idOrName, func(token *Token) error {
			detail = change(token)
			return nil
		})
		if err != nil {
			return fmt.Errorf("update token: %w", err)
		}
		if detail == nil {
			return nil
		}
		event, err := tokenEvent(name, token, by, detail)
		if err != nil {
			return err
		}
		return t.Audit.Append(ctx, event)
	})
	if err != nil {
		return nil, err
	}
	return token, nil
}

// token checks n and returns the token without id and hash.
func (n NewToken) token(now time.Time) (*Token, error) {
	t := &Token{
		Name:            n.Name,
		Scopes:          n.Scopes,
		Profile:         n.Profile,
		Overrides:       n.Overrides,
		Domain:          n.Domain,
		IgnorePasswords: n.IgnorePasswords,
		UserID:          n.UserID,
		SessionID:       n.SessionID,
		ClientID:        n.ClientID,
		PublicClient:    n.PublicClient,
		CreatedAt:       now,
		ExpiresAt:       n.ExpiresAt.UTC().Truncate(time.Microsecond),
	}
	if n.ExpiresAt.IsZero() {
		t.ExpiresAt = time.Time{}
	}
	if len(t.Scopes) == 0 {
		t.Scopes = []string{ScopeRead, ScopeWrite}
	}
	if t.Profile == "" {
		t.Profile = ProfileCompat
	}
	return t, t.check(now)
}

// check reports everything that is wrong with a new token at once.
func (t *Token) check(now time.Time) error {
	var errs []error
	if t.Name == "" || utf8.RuneCountInString(t.Name) > maxTokenName || strings.IndexFunc(t.Name, unicode.IsControl) >= 0 {
		errs = append(errs, fmt.Errorf("token name must have 1 to %d printable characters", maxTokenName))
	}
	// Sealed states carry it, and they have a greatest size.
	if utf8.RuneCountInString(t.ClientID) > maxTokenName || strings.IndexFunc(t.ClientID, unicode.IsControl) >= 0 {
		errs = append(errs, fmt.Errorf("the name of the client must have at most %d printable characters", maxTokenName))
	}
	known := knownScopes(t.UserID != "")
	for _, scope := range t.Scopes {
		if !slices.Contains(known, scope) {
			errs = append(errs, fmt.Errorf("no scope %q for such a token; scopes are %s", scope, strings.Join(known, ", ")))
		}
	}
	if (t.UserID == "") != (t.SessionID == "") || t.UserID != "" && t.ExpiresAt.IsZero() {
		errs = append(errs, errors.New("a user's own token needs a session and an end"))
	}
	if profile, ok := ProfileByName(t.Profile); !ok {
		errs = append(errs, fmt.Errorf("no client profile %q; profiles are %s, %s, %s, %s",
			t.Profile, ProfileRFC, ProfileCompat, ProfileStrict, ProfilePing))
	} else if _, err := profile.With(t.Overrides); err != nil {
		errs = append(errs, err)
	}
	if expired(t.ExpiresAt, now) {
		errs = append(errs, errors.New("token would expire before it is issued"))
	}
	return errors.Join(errs...)
}

// issuedDetail is what the audit event of a new token tells about it.
func issuedDetail(t *Token) map[string]any {
	detail := map[string]any{"scopes": t.Scopes, "profile": t.Profile}
	if len(t.Overrides) > 0 {
		detail["overrides"] = t.Overrides
	}
	if t.Domain != "" {
		detail["domain"] = t.Domain
	}
	if t.IgnorePasswords {
		detail["ignore_passwords"] = true
	}
	if t.UserID != "" {
		detail["user"], detail["session"], detail["client"] = t.UserID, t.SessionID, t.ClientID
	}
	if !t.ExpiresAt.IsZero() {
		detail["expires_at"] = t.ExpiresAt.Format(time.RFC3339Nano)
	}
	return detail
}

// tokenEvent is an event about a token. No part of it depends on the secret.
func tokenEvent(name audit.Name, t *Token, by audit.Party, detail map[string]any) (audit.Event, error) {
	event := audit.Event{
		Name:    name,
		Outcome: audit.OK,
		Actor:   by,
		Target:  audit.Party{Type: "token", ID: t.ID, Name: t.Name},
	}
	if t.UserID != "" {
		event.Subject, event.Session = audit.Party{Type: userType, ID: t.UserID}, t.SessionID
	}
	if len(detail) == 0 {
		return event, nil
	}
	raw, err := json.Marshal(detail)
	if err != nil {
		return audit.Event{}, fmt.Errorf("encode audit detail: %w", err)
	}
	event.Detail = raw
	return event, nil
}
